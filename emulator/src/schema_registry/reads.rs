//! Reading schemas and field groups: lists with their conditions and pages, single reads in two shapes.

use serde_json::{Value, json};

use super::accept::{self, Shape};
use super::resolve::resolve;
use super::store::{Kind, canonical, missing, sandbox_of};
use crate::call::Call;
use crate::refusal::{Answer, Refusal, json_reply};
use crate::shelf::{Item, Object};
use crate::world::{Caller, World};

/// `GET /{container}/{kind}`.
pub(super) fn list(
    world: &mut World,
    caller: &Caller,
    call: &Call<'_>,
    kind: Kind,
    container: &str,
) -> Answer {
    let short = accept::list(call)?;
    if let Some(name) = call.unknown_param(&["property", "orderby", "start", "limit"]) {
        return Err(Refusal::Registry(
            "XDM-1050-400",
            "Invalid query parameter",
            format!("The query parameter {name} is not known"),
        ));
    }
    let (paged, order) = (
        call.param("start").or(call.param("limit")),
        call.param("orderby"),
    );
    if paged.is_some() && order.is_none() {
        return Err(Refusal::Registry(
            "XDM-1051-400",
            "Invalid query parameter",
            "start and limit need orderby".to_owned(),
        ));
    }
    let limit = call
        .param("limit")
        .and_then(|limit| limit.parse().ok())
        .unwrap_or(300_usize)
        .clamp(1, 300);
    let sandbox = sandbox_of(world, caller)?;
    let conditions: Vec<&str> = call.params("property").collect();
    let accepted = |item: &&Item| {
        conditions
            .iter()
            .all(|condition| holds(&item.value, condition))
    };
    let mut items: Vec<&Item> = if container == "tenant" {
        let listed = kind.shelf(sandbox).listed(call.now);
        listed.map(|(_, item)| item).filter(accepted).collect()
    } else {
        Vec::new()
    };
    let order = order.unwrap_or("updated");
    let field = order
        .split(',')
        .next()
        .unwrap_or(order)
        .trim_start_matches('-');
    let key = |item: &Item| {
        item.value.get(field).map(|value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        })
    };
    items.sort_by_key(|item| key(item));
    if order.starts_with('-') {
        items.reverse();
    }
    let from = call.param("start");
    // Strictly behind `start`, in the direction of the order; the limit is a hint, so equal ones stay together.
    let is_behind = |key: &str, from: &str| {
        if order.starts_with('-') {
            key < from
        } else {
            key > from
        }
    };
    let after: Vec<&Item> = items
        .into_iter()
        .filter(|item| from.is_none_or(|from| key(item).is_some_and(|key| is_behind(&key, from))))
        .collect();
    let mut shown = limit.min(after.len());
    while shown > 0 && after.get(shown).map(|it| key(it)) == Some(key(after[shown - 1])) {
        shown += 1;
    }
    let last = after
        .get(shown.wrapping_sub(1))
        .filter(|_| shown < after.len());
    let next = last.and_then(|item| key(item));
    let results: Vec<Value> = after
        .iter()
        .take(shown)
        .map(|item| {
            if short {
                let field = |name: &str| item.value.get(name).cloned().unwrap_or_default();
                json!({"$id": field("$id"), "meta:altId": field("meta:altId"), "version": field("version"), "title": field("title")})
            } else {
                Value::Object(item.value.clone())
            }
        })
        .collect();
    let mut links = json!({"next": next.as_ref().map(|start| json!({"href": format!("/{container}/{}?orderby={order}&start={start}&limit={limit}", kind.segment())}))});
    if container == "tenant" && !results.is_empty() {
        links[format!("global_{}", kind.segment())] = json!({"href": format!("https://platform.adobe.io/data/foundation/schemaregistry/global/{}", kind.segment())});
    }
    let page = json!({"orderby": order, "next": next, "count": results.len()});
    Ok(json_reply(
        200,
        &json!({"results": results, "_page": page, "_links": links}),
    ))
}

/// One `property=` condition: a comparison, or just a name that must be there.
fn holds(object: &Object, condition: &str) -> bool {
    for (symbol, accept) in [
        (
            "==",
            std::cmp::Ordering::is_eq as fn(std::cmp::Ordering) -> bool,
        ),
        ("!=", std::cmp::Ordering::is_ne),
        ("<=", std::cmp::Ordering::is_le),
        (">=", std::cmp::Ordering::is_ge),
        ("<", std::cmp::Ordering::is_lt),
        (">", std::cmp::Ordering::is_gt),
    ] {
        if let Some((name, wanted)) = condition.split_once(symbol) {
            let value = object.get(name).map(|value| {
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
            });
            return value.is_some_and(|value| accept(value.as_str().cmp(wanted)));
        }
    }
    object.contains_key(condition)
}

/// `GET /{container}/{kind}/{id}`.
pub(super) fn get(
    world: &mut World,
    caller: &Caller,
    call: &Call<'_>,
    kind: Kind,
    container: &str,
    id: &str,
) -> Answer {
    let (shape, major) = accept::single(call)?;
    let id = canonical(kind, &world.options.seed.tenant, id);
    let sandbox = sandbox_of(world, caller)?;
    let item = kind
        .shelf(sandbox)
        .get(&id)
        .filter(|_| container == "tenant" && major == 1)
        .ok_or_else(|| missing(kind))?;
    let mut shown = item.value.clone();
    if shape == Shape::Full {
        let tree = resolve(&item.value, &sandbox.field_groups);
        shown.remove("definitions");
        shown.insert("properties".to_owned(), tree["properties"].clone());
        shown.insert("required".to_owned(), tree["required"].clone());
    }
    Ok(json_reply(200, &Value::Object(shown)))
}

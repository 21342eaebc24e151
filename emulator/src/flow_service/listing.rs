//! Lists of Flow Service: filters, order, pages. A page's token holds the query and the place of the last
//! object, so that following `_links.next.href` needs nothing else and deletions shift nothing.

use serde_json::{Value, json};

use super::filter::Filter;
use super::no_params;
use crate::call::Call;
use crate::options::Options;
use crate::refusal::{Answer, Refusal, flow, json_reply};
use crate::shelf::{Item, Object, Shelf};

/// Parameters of a list.
struct Query {
    filters: Vec<String>,
    order: Option<String>,
    limit: usize,
    /// Sequence number of the last object seen.
    after: Option<u64>,
}

/// A page as it is written; borrowed, since lists are long.
#[derive(serde::Serialize)]
struct Page<'a> {
    items: Vec<&'a Object>,
    #[serde(rename = "_links")]
    links: Value,
}

/// Answers a list call.
pub(super) fn list(call: &Call<'_>, options: &Options, collection: &str, shelf: &Shelf) -> Answer {
    let query = Query::read(call, options)?;
    let filters = query
        .filters
        .iter()
        .map(|text| Filter::parse(text))
        .collect::<Result<Vec<_>, _>>()?;
    let accepted = |item: &Item| filters.iter().all(|filter| filter.accepts(&item.value));
    if truth(call.param("count"))? {
        if call.param("limit").is_some() {
            let message = "The limit and count parameters cannot be given together in the same request. Please provide either only the limit or the count parameter and try again.";
            return Err(flow("1401-400", message));
        }
        let count = shelf
            .listed(call.now)
            .filter(|(_, item)| accepted(item))
            .count();
        return Ok(json_reply(200, &json!({"count": count})));
    }
    let page = if let Some(order) = &query.order {
        let mut all: Vec<(u64, &Item)> = shelf
            .listed(call.now)
            .filter(|(_, item)| accepted(item))
            .collect();
        sort(&mut all, order)?;
        let start = query
            .after
            .and_then(|after| all.iter().position(|(place, _)| *place == after))
            .map_or(0, |at| at + 1);
        all.into_iter()
            .skip(start)
            .take(query.limit + 1)
            .collect::<Vec<_>>()
    } else {
        let by_id = filters
            .iter()
            .find_map(Filter::ids)
            .filter(|ids| ids.iter().all(|id| !shelf.contains(id)));
        if by_id.is_some() {
            Vec::new()
        } else {
            let after = query.after;
            let unseen = shelf
                .listed(call.now)
                .filter(|(place, _)| after.is_none_or(|after| *place > after));
            unseen
                .filter(|(_, item)| accepted(item))
                .take(query.limit + 1)
                .collect()
        }
    };
    Ok(render(&query, collection, &page))
}

fn render(query: &Query, collection: &str, page: &[(u64, &Item)]) -> crate::refusal::Reply {
    let shown = &page[..page.len().min(query.limit)];
    let items: Vec<&Object> = shown.iter().map(|(_, item)| &item.value).collect();
    let links = match shown.last() {
        Some((last, _)) if page.len() > shown.len() => {
            // The token comes first and has no `=`: one public client cuts it off after the first one.
            json!({"next": {"href": format!("/{collection}?continuationToken={}", query.token(*last))}})
        }
        _ => json!({}),
    };
    json_reply(200, &Page { items, links })
}

impl Query {
    fn read(call: &Call<'_>, options: &Options) -> Result<Self, Refusal> {
        no_params(
            call,
            &["property", "limit", "orderby", "continuationToken", "count"],
        )?;
        let mut query = match call.param("continuationToken") {
            Some(token) => Self::from_token(token).ok_or_else(|| {
                flow(
                    "1452-400",
                    format!("Invalid value {token} for field continuationToken."),
                )
            })?,
            None => Self {
                filters: Vec::new(),
                order: None,
                limit: options.default_page_limit,
                after: None,
            },
        };
        let filters: Vec<String> = call.params("property").map(str::to_owned).collect();
        if !filters.is_empty() {
            query.filters = filters;
        }
        if let Some(order) = call.param("orderby") {
            query.order = Some(order.to_owned());
        }
        if let Some(limit) = call.param("limit") {
            let invalid = || {
                flow(
                    "1452-400",
                    format!("Invalid value {limit} for field limit."),
                )
            };
            query.limit = limit.parse().map_err(|_| invalid())?;
            if query.limit == 0 {
                return Err(invalid());
            }
        }
        // Assumed: a limit above the maximum is cut down, not refused.
        query.limit = query.limit.clamp(1, options.max_page_limit.max(1));
        Ok(query)
    }

    fn token(&self, after: u64) -> String {
        let content = json!({"f": self.filters, "o": self.order, "l": self.limit, "a": after});
        hex::encode(content.to_string())
    }

    fn from_token(token: &str) -> Option<Self> {
        let content: Value = serde_json::from_slice(&hex::decode(token).ok()?).ok()?;
        let filters = content["f"]
            .as_array()?
            .iter()
            .filter_map(|text| Some(text.as_str()?.to_owned()))
            .collect();
        Some(Self {
            filters,
            order: content["o"].as_str().map(str::to_owned),
            limit: usize::try_from(content["l"].as_u64()?).ok()?,
            after: content["a"].as_u64(),
        })
    }
}

/// `true` and `false` in any case; one public client writes `False`.
fn truth(value: Option<&str>) -> Result<bool, Refusal> {
    match value {
        None => Ok(false),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(text) => Err(flow(
            "1452-400",
            format!("Invalid value {text} for field count."),
        )),
    }
}

fn sort(items: &mut [(u64, &Item)], order: &str) -> Result<(), Refusal> {
    for field in order.split(',').rev() {
        let (name, down) = match field.strip_prefix('-') {
            Some(name) => (name, true),
            // A plus sign that was not percent-encoded arrives as a space.
            None => (field.trim_start_matches(['+', ' ']), false),
        };
        if !matches!(
            name,
            "createdAt" | "updatedAt" | "name" | "id" | "state" | "createdBy" | "updatedBy"
        ) {
            let message = format!(
                "Incorrect field= {name} passed in orderBy, example are +name, -name, name."
            );
            return Err(flow("1433-400", message));
        }
        items.sort_by(|(_, one), (_, two)| {
            let order = compare(one.value.get(name), two.value.get(name));
            if down { order.reverse() } else { order }
        });
    }
    Ok(())
}

fn compare(one: Option<&Value>, two: Option<&Value>) -> std::cmp::Ordering {
    match (one.and_then(Value::as_u64), two.and_then(Value::as_u64)) {
        (Some(one), Some(two)) => one.cmp(&two),
        _ => one
            .and_then(Value::as_str)
            .cmp(&two.and_then(Value::as_str)),
    }
}

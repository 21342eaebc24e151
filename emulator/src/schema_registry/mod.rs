//! Schema Registry: schemas and field groups of the tenant, read under the `Accept` rules, created, patched
//! and deleted. What a schema's references add up to is kept resolved, for mapping and inlet.

mod accept;
mod evolution;
mod reads;
mod resolve;
mod store;
mod writes;

use serde_json::json;

pub(crate) use resolve::{major_version, refresh};
pub(crate) use store::{Author, Kind, store};

use crate::call::Call;
use crate::refusal::{Answer, Refusal, json_reply};
use crate::world::{Caller, World};

/// Routes a call that the gateway let through.
pub(crate) fn serve(world: &mut World, caller: &Caller, call: &Call<'_>, rest: &[&str]) -> Answer {
    let (container, kind, id) = match rest {
        ["stats"] if call.method == http::Method::GET => return stats(world, caller),
        ["stats"] => return Err(Refusal::NoRoute(405)),
        [container @ ("tenant" | "global"), kind] => (*container, *kind, None),
        [container @ ("tenant" | "global"), kind, id] => (*container, *kind, Some(*id)),
        _ => return Err(Refusal::NoRoute(404)),
    };
    let kind = match kind {
        "schemas" => Kind::Schema,
        "fieldgroups" | "mixins" => Kind::FieldGroup,
        _ => return Err(Refusal::NoRoute(404)),
    };
    match (call.method.as_str(), id) {
        ("GET", None) => reads::list(world, caller, call, kind, container),
        ("GET", Some(id)) => reads::get(world, caller, call, kind, container, id),
        ("POST", None) if container == "tenant" => writes::create(world, caller, call, kind),
        ("PATCH", Some(id)) if container == "tenant" => {
            writes::patch(world, caller, call, kind, id)
        }
        ("PUT", Some(id)) if container == "tenant" => writes::put(world, caller, call, kind, id),
        ("DELETE", Some(id)) if container == "tenant" => writes::delete(world, caller, kind, id),
        _ => Err(Refusal::NoRoute(405)),
    }
}

fn stats(world: &World, caller: &Caller) -> Answer {
    let sandbox = world
        .sandboxes
        .get(&caller.sandbox)
        .ok_or(Refusal::NoRoute(404))?;
    Ok(json_reply(
        200,
        &json!({
            "imsOrg": caller.org, "tenantId": world.options.seed.tenant,
            "counts": {"schemas": sandbox.schemas.len(), "mixins": sandbox.field_groups.len(), "datatypes": 0,
                "classes": 0, "unions": 1},
            "recentlyCreatedResources": [], "recentlyUpdatedResources": [], "classUsage": {}
        }),
    ))
}

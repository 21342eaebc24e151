//! Schemas and field groups as they are kept: as written, with the registry's own fields added.

use serde_json::{Value, json};

use super::resolve::{EXPERIENCE_EVENT, PROFILE, RECORD, TIME_SERIES, class, refresh, resolve};
use crate::ids::Ids;
use crate::refusal::Refusal;
use crate::shelf::{Object, Shelf};
use crate::world::{Caller, Sandbox, World};

/// A kind of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Schema,
    FieldGroup,
}

impl Kind {
    pub(super) fn shelf(self, sandbox: &Sandbox) -> &Shelf {
        if self == Self::Schema {
            &sandbox.schemas
        } else {
            &sandbox.field_groups
        }
    }

    pub(super) fn shelf_mut(self, sandbox: &mut Sandbox) -> &mut Shelf {
        if self == Self::Schema {
            &mut sandbox.schemas
        } else {
            &mut sandbox.field_groups
        }
    }

    /// Field groups still carry their old name in ids.
    pub(super) fn segment(self) -> &'static str {
        if self == Self::Schema {
            "schemas"
        } else {
            "mixins"
        }
    }

    pub(super) fn noun(self) -> &'static str {
        if self == Self::Schema {
            "schema"
        } else {
            "field group"
        }
    }
}

/// Who stores a resource, for which tenant, when.
pub(crate) struct Author<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) tenant: &'a str,
    pub(crate) now: u64,
    /// From when lists show it.
    pub(crate) listed_from: u64,
}

pub(super) fn missing(kind: Kind) -> Refusal {
    let detail = format!(
        "The requested {} does not exist in this container",
        kind.noun()
    );
    Refusal::Registry("XDM-1010-404", "Resource not found", detail)
}

pub(super) fn sandbox_of<'a>(
    world: &'a mut World,
    caller: &Caller,
) -> Result<&'a mut Sandbox, Refusal> {
    world
        .sandboxes
        .get_mut(&caller.sandbox)
        .ok_or(Refusal::NoRoute(404))
}

/// The `$id` of a resource named by `$id` or `meta:altId`.
pub(super) fn canonical(kind: Kind, tenant: &str, id: &str) -> String {
    let short = format!("_{tenant}.{}.", kind.segment());
    match id.strip_prefix(&short) {
        Some(hex) => format!("https://ns.adobe.com/{tenant}/{}/{hex}", kind.segment()),
        None => id.to_owned(),
    }
}

/// Stores a resource under an id, and resolves what it changes.
pub(crate) fn store(
    sandbox: &mut Sandbox,
    ids: &mut Ids,
    author: &Author<'_>,
    kind: Kind,
    id: &str,
    body: Object,
) {
    let Author {
        caller,
        tenant,
        now,
        listed_from,
    } = author;
    let mut value = body;
    let hex = id.rsplit('/').next().unwrap_or(id);
    let extends: Vec<String> = references(&value)
        .into_iter()
        .flat_map(|reference| match reference.as_str() {
            EXPERIENCE_EVENT => vec![reference, TIME_SERIES.to_owned()],
            PROFILE => vec![reference, RECORD.to_owned()],
            _ => vec![reference],
        })
        .collect();
    let added = json!({
        "$id": id, "meta:altId": format!("_{tenant}.{}.{hex}", kind.segment()), "meta:resourceType": kind.segment(),
        "version": "1.0", "imsOrg": caller.org, "meta:extensible": false, "meta:abstract": kind == Kind::FieldGroup,
        "meta:xdmType": "object", "meta:containerId": "tenant", "meta:tenantNamespace": format!("_{tenant}"),
        "meta:registryMetadata": {
            "repo:createdDate": now, "repo:lastModifiedDate": now,
            "xdm:createdClientId": caller.client, "xdm:lastModifiedClientId": caller.client,
            "xdm:createdUserId": caller.user, "xdm:lastModifiedUserId": caller.user,
            "eTag": ids.hex(8), "meta:globalLibVersion": "1.53.0"
        }
    });
    if let Value::Object(added) = added {
        value.extend(added);
    }
    if kind == Kind::Schema {
        let class = extends
            .iter()
            .find(|reference| class(reference).is_some())
            .cloned()
            .unwrap_or_default();
        value.insert("meta:class".to_owned(), json!(class));
        value.insert("meta:extends".to_owned(), json!(extends));
    }
    kind.shelf_mut(sandbox).insert(id, value, *listed_from);
    if kind == Kind::FieldGroup {
        refresh(sandbox);
    } else if let Some(item) = sandbox.schemas.get(id) {
        let tree = resolve(&item.value, &sandbox.field_groups);
        sandbox.resolved.insert(id.to_owned(), tree);
    }
}

pub(super) fn references(value: &Object) -> Vec<String> {
    let parts = value
        .get("allOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    parts
        .filter_map(|part| Some(part.get("$ref")?.as_str()?.to_owned()))
        .filter(|id| !id.starts_with('#'))
        .collect()
}

/// Whether a dataset is made for a resource: for the schema, or for one that uses the field group. `with_data`
/// counts only those that hold records.
pub(super) fn is_used(sandbox: &Sandbox, kind: Kind, id: &str, with_data: bool) -> bool {
    let schemas: Vec<&str> = match kind {
        Kind::Schema => vec![id],
        Kind::FieldGroup => sandbox
            .schemas
            .iter()
            .filter(|item| references(&item.value).iter().any(|used| used == id))
            .map(|item| item.id.as_str())
            .collect(),
    };
    sandbox.datasets.iter().any(|dataset| {
        let schema = dataset
            .value
            .get("schemaRef")
            .and_then(|reference| reference.get("id"))
            .and_then(Value::as_str);
        let counts = !with_data
            || sandbox
                .contents
                .get(&dataset.id)
                .is_some_and(|contents| !contents.records.is_empty());
        counts && schema.is_some_and(|schema| schemas.contains(&schema))
    })
}

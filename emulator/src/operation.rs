//! Names of operations, from method and path alone: what counters and the request log speak of.

use http::Method;

/// `flows.create`, `mappingSets.update`, `inlet.event`, ...
pub(crate) fn operation(method: &Method, path: &str) -> &'static str {
    let segments: Vec<&str> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    match segments.as_slice() {
        ["ims", "token", ..] => "ims.token",
        ["data", "foundation", service, rest @ ..] => platform(method, service, rest),
        ["collection", "batch", ..] => "inlet.batch",
        ["collection", ..] => "inlet.event",
        ["v1", "workspaces"] => "workspaces.list",
        ["v1", "reporting_webhooks"] => crud(method, false, &WEBHOOKS),
        ["v1", "reporting_webhooks", _] => crud(method, true, &WEBHOOKS),
        _ => "other",
    }
}

/// Names of list, create, get, update (PUT), patch, delete.
type Names = [&'static str; 6];

const WEBHOOKS: Names = [
    "webhooks.list",
    "webhooks.create",
    "webhooks.get",
    "webhooks.update",
    "webhooks.patch",
    "webhooks.delete",
];
const FLOWS: Names = [
    "flows.list",
    "flows.create",
    "flows.get",
    "flows.update",
    "flows.patch",
    "flows.delete",
];
const SOURCES: Names = [
    "sourceConnections.list",
    "sourceConnections.create",
    "sourceConnections.get",
    "sourceConnections.update",
    "sourceConnections.patch",
    "sourceConnections.delete",
];
const TARGETS: Names = [
    "targetConnections.list",
    "targetConnections.create",
    "targetConnections.get",
    "targetConnections.update",
    "targetConnections.patch",
    "targetConnections.delete",
];
const MAPPING_SETS: Names = [
    "mappingSets.list",
    "mappingSets.create",
    "mappingSets.get",
    "mappingSets.update",
    "mappingSets.patch",
    "mappingSets.delete",
];
const SCHEMAS: Names = [
    "schemas.list",
    "schemas.create",
    "schemas.get",
    "schemas.update",
    "schemas.patch",
    "schemas.delete",
];
const FIELD_GROUPS: Names = [
    "fieldGroups.list",
    "fieldGroups.create",
    "fieldGroups.get",
    "fieldGroups.update",
    "fieldGroups.patch",
    "fieldGroups.delete",
];
const DATASETS: Names = [
    "datasets.list",
    "datasets.create",
    "datasets.get",
    "datasets.update",
    "datasets.patch",
    "datasets.delete",
];

fn crud(method: &Method, one: bool, names: &Names) -> &'static str {
    match (method.as_str(), one) {
        ("GET", false) => names[0],
        ("POST", _) => names[1],
        ("GET", true) => names[2],
        ("PUT", _) => names[3],
        ("PATCH", _) => names[4],
        ("DELETE", _) => names[5],
        _ => "other",
    }
}

fn platform(method: &Method, service: &str, rest: &[&str]) -> &'static str {
    match (service, rest) {
        ("flowservice", ["flows", _, "action"]) => "flows.action",
        ("flowservice", ["sourceConnections", _, "action"]) => "sourceConnections.action",
        ("flowservice", ["targetConnections", _, "action"]) => "targetConnections.action",
        ("flowservice", ["flows", one @ ..]) => crud(method, !one.is_empty(), &FLOWS),
        ("flowservice", ["sourceConnections", one @ ..]) => crud(method, !one.is_empty(), &SOURCES),
        ("flowservice", ["targetConnections", one @ ..]) => crud(method, !one.is_empty(), &TARGETS),
        ("flowservice", ["runs", ..]) => "runs.list",
        ("flowservice", ["connectionSpecs", ..]) => "connectionSpecs.get",
        ("flowservice", ["flowSpecs", ..]) => "flowSpecs.get",
        ("conversion", ["mappingSets", "validate"]) => "mappingSets.validate",
        ("conversion", ["mappingSets", "preview"]) => "mappingSets.preview",
        ("conversion", ["mappingSets", _, "mappings", ..]) => "mappingSets.mappings",
        ("conversion", ["mappingSets", one @ ..]) => crud(method, !one.is_empty(), &MAPPING_SETS),
        ("conversion", ["languages", ..]) => "languages",
        ("schemaregistry", ["stats"]) => "schemaRegistry.stats",
        ("schemaregistry", [_, "schemas", one @ ..]) => crud(method, !one.is_empty(), &SCHEMAS),
        ("schemaregistry", [_, "fieldgroups" | "mixins", one @ ..]) => {
            crud(method, !one.is_empty(), &FIELD_GROUPS)
        }
        ("catalog", ["dataSets" | "datasets", one @ ..]) => {
            crud(method, !one.is_empty(), &DATASETS)
        }
        ("catalog", ["v2", "dataSets", ..]) => crud(method, true, &DATASETS),
        _ => "other",
    }
}

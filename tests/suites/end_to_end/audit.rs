//! What the operator's ServiceAccount asked for, as the API server's audit log has it, and what it is granted.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::world::World;

const ACCOUNT: &str = "system:serviceaccount:aep-system:aep-operator";

/// One call: `verb group/resource/subresource`, with the name of its object if it has one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    pub what: String,
    pub name: String,
    pub code: u64,
}

/// One right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    pub what: String,
    /// The only object it is for; any, if empty.
    pub name: String,
}

impl Right {
    /// Whether the call needs it.
    pub fn is_for(&self, used: &Use) -> bool {
        self.what == used.what && (self.name.is_empty() || self.name == used.name)
    }
}

/// The operator's calls so far; what is no object is a path.
pub fn uses(log: &Path) -> BTreeSet<Use> {
    let log = std::fs::read_to_string(log).unwrap();
    let events = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let ours = events.filter(|event| {
        let by_hand = text(&event["userAgent"]).starts_with("kubectl/");
        event["user"]["username"] == ACCOUNT && !by_hand
    });
    ours.map(|event| {
        let object = &event["objectRef"];
        let path = text(&event["requestURI"]).split('?').next();
        let resource = match (text(&object["resource"]), text(&object["subresource"])) {
            ("", _) => path.unwrap_or_default().to_owned(),
            (resource, "") => format!("{}/{resource}", text(&object["apiGroup"])),
            (resource, part) => format!("{}/{resource}/{part}", text(&object["apiGroup"])),
        };
        Use {
            what: format!("{} {resource}", text(&event["verb"])),
            name: text(&object["name"]).to_owned(),
            code: event["responseStatus"]["code"].as_u64().unwrap_or_default(),
        }
    })
    .collect()
}

/// What the chart's roles grant, in whatever namespace.
pub async fn rights(world: &World) -> BTreeSet<Right> {
    let get = [
        "get",
        "clusterroles,roles",
        "--all-namespaces",
        "--selector=app.kubernetes.io/instance=aep-operator",
        "--output=json",
    ];
    let plane = world.stack.control_plane();
    let roles = plane.kubectl(&get, None).await.unwrap().success().unwrap();
    let roles: Value = serde_json::from_str(&roles).unwrap();
    let mut rights = BTreeSet::new();
    for rule in roles["items"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|role| role["rules"].as_array().unwrap())
    {
        let mut names = list(&rule["resourceNames"]);
        if names.is_empty() {
            names.push("");
        }
        for group in list(&rule["apiGroups"]) {
            for resource in list(&rule["resources"]) {
                for verb in list(&rule["verbs"]) {
                    rights.extend(names.iter().map(|name| Right {
                        what: format!("{verb} {group}/{resource}"),
                        name: (*name).to_owned(),
                    }));
                }
            }
        }
    }
    rights
}

fn list(value: &Value) -> Vec<&str> {
    let all = value.as_array().into_iter().flatten();
    all.map(text).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

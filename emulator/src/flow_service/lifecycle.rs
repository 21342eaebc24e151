//! What happens to flows by itself: a new one becomes enabled and gets its inlet, an update settles, an
//! action completes, a deletion is through. All of it computed from the moment of the next call, never by a timer.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::flows::vanish;
use super::touch;
use crate::ids::Ids;
use crate::options::{InletShape, Options};
use crate::shelf::{Item, Object};
use crate::time::millis;
use crate::world::Sandbox;

/// State of a flow that runs.
pub(super) const ENABLED: &str = "enabled";

/// A change that is due.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Transition {
    /// A new flow gets its inlet and becomes enabled.
    Enable,
    /// An update is through.
    Updated {
        /// When it began.
        started: u64,
        /// The instructions.
        ops: Value,
    },
    /// An action is through; the flow takes this state.
    Acted(&'static str),
    /// A deletion is through.
    Gone,
    /// The etag moves for no visible reason.
    Drift,
}

/// Applies what was due up to now, in order of time.
pub(crate) fn settle(
    name: &str,
    sandbox: &mut Sandbox,
    ids: &mut Ids,
    options: &Options,
    inlets: &mut HashMap<String, String>,
    now: u64,
) {
    while let Some(entry) = sandbox.due.first_entry() {
        let at = entry.key().0;
        if at > now {
            break;
        }
        let ((_, id), transition) = entry.remove_entry();
        if renews(&transition, options) {
            renew(sandbox, ids, inlets, (name, options), &id);
        }
        if transition == Transition::Enable {
            let inlet = inlet(sandbox, ids, options);
            inlets.insert(inlet.clone(), name.to_owned());
            enable(sandbox, ids, options, &id, &inlet, at);
        } else if transition == Transition::Gone {
            vanish(sandbox, options, &id);
            continue;
        } else if let Some(item) = sandbox.flows.get_mut(&id) {
            match transition {
                Transition::Updated { started, ops } => {
                    if item.value.get("state") == Some(&json!("updating")) {
                        item.value.insert("state".to_owned(), json!("enabled"));
                    }
                    touch(item, ids, at, None);
                    let operation = json!({
                        "started": started, "updated": at, "percentCompleted": 100.0,
                        "status": {"value": "completed", "errors": []}, "ops": ops, "operation": "update"
                    });
                    item.value.insert("lastOperation".to_owned(), operation);
                }
                Transition::Acted(state) => {
                    item.value.insert("state".to_owned(), json!(state));
                    touch(item, ids, at, None);
                }
                Transition::Enable | Transition::Gone | Transition::Drift => {
                    touch(item, ids, at, None);
                }
            }
        } else {
            continue;
        }
        let drift = millis(options.etag_drift);
        if drift > 0
            && matches!(sandbox.flows.get(&id), Some(item) if item.value.get("state") == Some(&json!("enabled")))
        {
            sandbox
                .due
                .entry((at + drift, id))
                .or_insert(Transition::Drift);
        }
    }
}

fn enable(sandbox: &mut Sandbox, ids: &mut Ids, options: &Options, id: &str, inlet: &str, at: u64) {
    let Some(item) = sandbox.flows.get_mut(id) else {
        return;
    };
    give(item, options, inlet);
    item.value.insert("state".to_owned(), json!("enabled"));
    item.value.insert(
        "lastOperation".to_owned(),
        json!({"started": 0, "updated": 0, "operation": "enable"}),
    );
    touch(item, ids, at, None);
}

/// The flow's messages come in through `inlet` from now on.
fn give(item: &mut Item, options: &Options, inlet: &str) {
    let base = options
        .base_url
        .as_deref()
        .unwrap_or("http://127.0.0.1")
        .trim_end_matches('/');
    let mut own = item
        .value
        .get("options")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_else(Object::new);
    own.insert(
        "inletUrl".to_owned(),
        json!(format!("{base}/collection/{inlet}")),
    );
    item.value.insert("options".to_owned(), Value::Object(own));
}

/// Whether what is through gives the flow another inlet.
fn renews(transition: &Transition, options: &Options) -> bool {
    !options.inlet_stable
        && match transition {
            Transition::Acted(state) => *state == ENABLED,
            Transition::Updated { ops, .. } => maps(ops),
            _ => false,
        }
}

/// Whether patch instructions change the mapping.
pub(super) fn maps(ops: &Value) -> bool {
    let paths = ops.as_array().into_iter().flatten();
    paths
        .filter_map(|op| op["path"].as_str())
        .any(|path| path.starts_with("/transformations"))
}

/// Another inlet for a flow that had one; of a shared one the flows beside it keep the old.
pub(super) fn renew(
    sandbox: &mut Sandbox,
    ids: &mut Ids,
    inlets: &mut HashMap<String, String>,
    (name, options): (&str, &Options),
    id: &str,
) {
    sandbox.inlet = None;
    let inlet = inlet(sandbox, ids, options);
    inlets.insert(inlet.clone(), name.to_owned());
    if let Some(item) = sandbox.flows.get_mut(id) {
        give(item, options, &inlet);
    }
}

fn inlet(sandbox: &mut Sandbox, ids: &mut Ids, options: &Options) -> String {
    if let (Some(inlet), InletShape::Shared) = (&sandbox.inlet, options.inlet) {
        inlet.clone()
    } else {
        let inlet = ids.hex(64);
        sandbox.inlet = Some(inlet.clone());
        inlet
    }
}

/// Takes a flow out of the index of used connections; done before its connections change or it goes.
pub(crate) fn unindex(sandbox: &mut Sandbox, flow: &str) {
    let Sandbox { flows, uses, .. } = sandbox;
    let Some(item) = flows.get(flow) else { return };
    for id in connections(&item.value) {
        if let Some(flows) = uses.get_mut(id) {
            flows.remove(flow);
            if flows.is_empty() {
                uses.remove(id);
            }
        }
    }
}

/// Puts a flow into the index of used connections.
pub(crate) fn index(sandbox: &mut Sandbox, flow: &str) {
    let Sandbox { flows, uses, .. } = sandbox;
    let Some(item) = flows.get(flow) else { return };
    for id in connections(&item.value) {
        uses.entry(id.to_owned())
            .or_default()
            .insert(flow.to_owned());
    }
}

fn connections(flow: &Object) -> impl Iterator<Item = &str> {
    ["sourceConnectionIds", "targetConnectionIds"]
        .into_iter()
        .flat_map(|name| {
            flow.get(name)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
        })
        .filter_map(Value::as_str)
}

//! Flow runs: what the inlet took in for a flow, summed up per window of time. The length of the real
//! window is not public, nor whether a run shows before its window is over, nor for how long after.

use serde_json::{Value, json};

use super::FLOW_SPEC;
use super::listing;
use crate::call::Call;
use crate::inlet::RunWindow;
use crate::refusal::{Answer, Refusal};
use crate::shelf::{Object, Shelf};
use crate::time::millis;
use crate::world::{Caller, World};

/// `GET /runs`.
pub(super) fn list(world: &mut World, caller: &Caller, call: &Call<'_>) -> Answer {
    let World {
        sandboxes, options, ..
    } = world;
    let sandbox = sandboxes
        .get(&caller.sandbox)
        .ok_or(Refusal::NoRoute(404))?;
    let length = millis(options.run_window).max(1);
    let mut shelf = Shelf::default();
    for ((flow, window), sums) in &sandbox.runs {
        let (start, end) = (window * length, (window + 1) * length);
        let is_over = end <= call.now;
        let is_kept =
            options.run_retention.is_zero() || call.now < end + millis(options.run_retention);
        if is_kept && (is_over || options.run_in_progress) {
            let mut run = run(caller, &sandbox.id, flow, sums, start, end);
            if !is_over {
                open(&mut run, call.now);
            }
            shelf.insert(&sums.id, run, 0);
        }
    }
    listing::list(call, options, "runs", &shelf)
}

/// A run whose window is open: no end, no verdict. Assumed.
fn open(run: &mut Object, now: u64) {
    run.insert("updatedAt".to_owned(), json!(now));
    let parts = [("metrics", ""), ("activities", "/0")];
    for (name, inner) in parts {
        let part = run.get_mut(name).and_then(|it| it.pointer_mut(inner));
        let Some(part) = part else { continue };
        part["statusSummary"]["status"] = json!("inProgress");
        if let Some(duration) = part["durationSummary"].as_object_mut() {
            duration.remove("completedAtUTC");
        }
    }
}

fn run(
    caller: &Caller,
    sandbox_id: &str,
    flow: &str,
    sums: &RunWindow,
    start: u64,
    end: u64,
) -> Object {
    let written = sums.received - sums.failed;
    let (status, errors) = match (sums.failed, written) {
        (0, _) => ("success", json!([])),
        (_, 0) => (
            "failed",
            json!([{"code": "MAPPER-3700-400", "message": sums.sample}]),
        ),
        _ => (
            "PARTIAL_SUCCESS",
            json!([{"code": "INGEST-1212-400", "message": sums.sample}]),
        ),
    };
    let duration = json!({"startedAtUTC": start, "completedAtUTC": end});
    let size = json!({"inputBytes": sums.bytes, "outputBytes": sums.bytes});
    let records = json!({"inputRecordCount": sums.received, "outputRecordCount": written, "failedRecordCount": sums.failed});
    let activity = &sums.activity;
    let fields = json!({
        "id": sums.id, "createdAt": start, "updatedAt": end,
        "createdBy": caller.user, "updatedBy": caller.user, "createdClient": caller.client, "updatedClient": caller.client,
        "sandboxId": sandbox_id, "sandboxName": caller.sandbox, "imsOrgId": caller.org,
        "flowId": flow, "flowSpec": {"id": FLOW_SPEC, "version": "1.0"}, "etag": format!("\"{}\"", sums.id),
        "metrics": {
            "durationSummary": duration, "sizeSummary": size, "recordSummary": records,
            "fileSummary": {"inputFileCount": 1, "outputFileCount": 1, "activityRefs": [activity]},
            "statusSummary": {"status": status, "errors": errors, "activityRefs": [activity]}
        },
        "activities": [{
            "id": activity, "updatedAtUTC": end, "durationSummary": duration, "sizeSummary": size, "recordSummary": records,
            "fileSummary": {"inputFileCount": 1, "outputFileCount": 1},
            "statusSummary": {"status": status, "errors": errors, "extensions": {"type": "one-time"}}
        }]
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Object::new(),
    }
}

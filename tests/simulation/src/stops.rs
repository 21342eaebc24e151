//! Emergency stops: a flow that somebody disabled, and of which the operator said so, is enabled only when it is asked to.

use std::collections::BTreeMap;

use serde_json::Value;

/// The stops that the operator has told of, by the uid of the dataflow.
#[derive(Debug, Default)]
pub struct Stops {
    told: BTreeMap<String, Stop>,
}

/// What a dataflow asked for when it was told that its flow is stopped.
#[derive(Debug, PartialEq)]
struct Stop {
    flow: Value,
    generation: Value,
    requested: Value,
}

impl Stops {
    /// A call to the platform starts while dataflows stand like this; what is wrong with it.
    pub fn undone(&mut self, dataflows: &[Value], call: &str) -> Option<String> {
        dataflows.iter().find_map(|dataflow| {
            self.look(dataflow);
            let uid = dataflow["metadata"]["uid"].as_str()?;
            let asked = Stop {
                flow: dataflow["status"]["flow"]["id"].clone(),
                generation: dataflow["metadata"]["generation"].clone(),
                requested: dataflow["metadata"]["annotations"]["reconcile.fluxcd.io/requestedAt"]
                    .clone(),
            };
            let enables = call.contains("op=enable") && call.contains(asked.flow.as_str()?);
            (enables && self.told.get(uid) == Some(&asked)).then(|| {
                let name = &dataflow["metadata"]["name"];
                format!("{call} undoes a stop, and nobody asked for it: {name}")
            })
        })
    }

    fn look(&mut self, dataflow: &Value) {
        let status = &dataflow["status"];
        let Some(uid) = dataflow["metadata"]["uid"].as_str() else {
            return;
        };
        let conditions = status["conditions"].as_array().into_iter().flatten();
        let Some(ready) = conditions.into_iter().find(|it| it["type"] == "Ready") else {
            return;
        };
        let message = ready["message"].as_str().unwrap_or_default();
        if ready["status"] == "True" {
            self.told.remove(uid);
        } else if ready["reason"] == "DisabledElsewhere" && message.starts_with("Flow") {
            let stop = Stop {
                flow: status["flow"]["id"].clone(),
                generation: status["observedGeneration"].clone(),
                requested: status["lastHandledReconcileAt"].clone(),
            };
            self.told.insert(uid.to_owned(), stop);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn dataflow(reason: &str, requested: &str) -> Value {
        json!({
            "metadata": {
                "uid": "u", "name": "d", "generation": 3,
                "annotations": {"reconcile.fluxcd.io/requestedAt": requested},
            },
            "status": {
                "flow": {"id": "F"}, "observedGeneration": 3, "lastHandledReconcileAt": "1",
                "conditions": [{"type": "Ready", "status": "False", "reason": reason, "message": "Flow F"}],
            },
        })
    }

    #[test]
    fn a_stop_is_undone_by_a_request_only() {
        let mut stops = Stops::default();
        let enable = "POST /flows/F?op=enable";
        let told = [dataflow("DisabledElsewhere", "1")];
        assert_eq!(stops.undone(&told, "GET /flows/F"), None);
        let in_an_outage = [dataflow("PlatformUnavailable", "1")];
        assert!(stops.undone(&in_an_outage, enable).is_some());
        let asked = [dataflow("PlatformUnavailable", "2")];
        assert_eq!(stops.undone(&asked, enable), None);
    }
}

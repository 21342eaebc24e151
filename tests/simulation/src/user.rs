//! The people around the operator: they apply manifests, change their minds, and work in the platform's interface.

use http::Method;
use serde_json::{Value, json};

use crate::api::base64;
use crate::check;
use crate::scenario::{Act, Scenario};
use crate::webhooks;
use crate::world::World;

/// The namespace everything is in.
pub const NAMESPACE: &str = "marketing";
const SECRET: &str = "adobe";
/// The Secret with the App API key.
const APP_API: &str = "customer-io";

/// The people; clones share nothing but the world.
#[derive(Clone, Debug)]
pub struct User {
    world: World,
    scenario: Scenario,
    secrets: u64,
    edits: u64,
    /// Whether the namespace is being emptied.
    emptying: bool,
}

fn sources(name: &str) -> String {
    format!("/apis/aep-operator.dev/v1alpha1/namespaces/{NAMESPACE}/customeriosources{name}")
}

fn dataflows(name: &str) -> String {
    format!("/apis/aep-operator.dev/v1alpha1/namespaces/{NAMESPACE}/aepdataflows{name}")
}

fn datasets(name: &str) -> String {
    format!("/apis/aep-operator.dev/v1alpha1/namespaces/{NAMESPACE}/aepdatasets{name}")
}

fn secrets(name: &str) -> String {
    format!("/api/v1/namespaces/{NAMESPACE}/secrets{name}")
}

impl User {
    /// The people of a scenario, with a namespace to work in.
    pub fn new(world: &World, scenario: &Scenario) -> Self {
        make_namespace(world);
        Self {
            world: world.clone(),
            scenario: scenario.clone(),
            secrets: 0,
            edits: 0,
            emptying: false,
        }
    }

    /// Does one thing; `false`: it cannot be done yet.
    #[expect(clippy::too_many_lines, reason = "one arm an act")]
    pub fn act(&mut self, act: Act) -> bool {
        self.edits += 1;
        let number = self.edits;
        match act {
            Act::GiveSecret => {
                let given = self.app_api_key();
                return self.secret(&self.client_secret()) && given;
            }
            Act::SpoilSecret => return self.secret("wrong"),
            Act::TakeSecret => self.delete(&secrets(&format!("/{SECRET}"))),
            Act::RotateSecret => {
                let before = self.client_secret();
                self.secrets += 1;
                let both = json!({"secrets": [before, self.client_secret()]});
                let edit = json!({"kind": "client", "id": "demo-client", "merge": both});
                self.world.control(Method::POST, "edit", &edit);
                return self.secret(&self.client_secret());
            }
            Act::CreateSource(it) => {
                let mut manifest = source(it);
                if self.has_webhooks() {
                    manifest["spec"]["customerIo"] = json!({
                        "region": "us", "appApiKeyRef": {"name": APP_API, "key": "key"},
                    });
                }
                return self.create(&sources(""), &manifest);
            }
            Act::CreateDataflow(it) => {
                let mut manifest = dataflow(it, &self.scenario);
                if self.scenario.subscribed.get(it) == Some(&true) {
                    manifest["spec"]["subscription"] = subscription();
                }
                return self.create(&dataflows(""), &manifest);
            }
            Act::CreateDataset(it) => return self.create(&datasets(""), &dataset(it)),
            Act::DeleteDataset(it) => self.delete(&dataset_path(it)),
            Act::DescribeDataset(it) => self.patch(
                &dataset_path(it),
                &json!({"spec": {"description": format!("Described {number}")}}),
            ),
            Act::GrowDataset(it) => self.grow(&dataset_path(it), number),
            Act::SuspendDataset(it) => self.suspend(&dataset_path(it)),
            Act::RequestDataset(it) => self.request(&dataset_path(it)),
            Act::HealDataset(it) => self.patch(&dataset_path(it), &heal()),
            Act::LoseDataset => self.lose_dataset(),
            Act::SubscribeDataflow(it) => self.subscribe(&dataflow_path(it)),
            Act::EditWebhook => {
                self.meddle("webhook", &json!({"merge": {"name": webhooks::RENAMED}}));
            }
            Act::StopWebhook => self.meddle("webhook", &json!({"merge": {"disabled": true}})),
            Act::LoseWebhook => self.meddle("webhook", &json!({"delete": true})),
            Act::DeleteSource(it) => self.delete(&source_path(it)),
            Act::DeleteDataflow(it) => self.delete(&dataflow_path(it)),
            Act::RenameSource(it) => self.patch(
                &source_path(it),
                &json!({"spec": {"name": format!("Source {number}")}}),
            ),
            Act::RenameDataflow(it) => self.patch(
                &dataflow_path(it),
                &json!({"spec": {"name": format!("Dataflow {number}")}}),
            ),
            Act::DescribeDataflow(it) => self.patch(
                &dataflow_path(it),
                &json!({"spec": {"description": format!("Described {number}")}}),
            ),
            Act::MapDataflow(it) => {
                let ours = matches!(self.scenario.targets.get(it), Some(Some(_)));
                let rows = mapping(number, ours);
                self.patch(&dataflow_path(it), &json!({"spec": {"mapping": rows}}));
            }
            Act::SwitchDataflow(it) => {
                let path = dataflow_path(it);
                let (_, now) = self.world.kubectl(Method::GET, &path, None);
                let next = if now["spec"]["state"] == "Disabled" {
                    "Enabled"
                } else {
                    "Disabled"
                };
                self.patch(&path, &json!({"spec": {"state": next}}));
            }
            Act::SuspendDataflow(it) => self.suspend(&dataflow_path(it)),
            Act::SuspendSource(it) => self.suspend(&source_path(it)),
            Act::RequestDataflow(it) => self.request(&dataflow_path(it)),
            Act::RequestSource(it) => self.request(&source_path(it)),
            Act::EditFlow => {
                self.meddle("flow", &json!({"merge": {"name": "somebody else's name"}}));
            }
            Act::StopFlow => self.meddle("flow", &json!({"merge": {"state": "disabled"}})),
            Act::LoseFlow => self.meddle("flow", &json!({"delete": true})),
            Act::LoseTarget => self.meddle("targetConnection", &json!({"delete": true})),
            Act::HealDataflow(it) => self.patch(&dataflow_path(it), &heal()),
            Act::HealSource(it) => self.patch(&source_path(it), &heal()),
            Act::RetainDataflow(it) => self.retain(&dataflow_path(it), &format!("d{it}")),
            Act::RetainSource(it) => self.retain(&source_path(it), &format!("s{it}")),
            Act::DeleteNamespace => return self.delete_namespace(),
            Act::CutOff(replica, seconds) => self.world.cut_off(replica, seconds * 1_000),
            Act::EndWatches => self.world.api().end_watches(),
            Act::Compact => {
                let mut api = self.world.api();
                api.compact();
                api.end_watches();
            }
            Act::Bookmarks => self.world.api().bookmarks(),
        }
        true
    }

    /// Puts right what only people can: what was suspended.
    pub fn mend(&mut self) {
        for path in self.all() {
            self.patch(&path, &json!({"spec": {"suspend": null}}));
        }
    }

    /// Deletes everything but the Secret.
    pub fn delete_all(&mut self) {
        for path in self.all() {
            self.delete(&path);
        }
    }

    /// Does what messages ask for, and deletes what was left in the platform on purpose, as far as a source or a dataset
    /// stays for it.
    pub fn clear_up(&self) {
        let abandon = json!({"metadata": {"annotations": {"aep-operator.dev/abandon": "true"}}});
        for name in check::to_abandon(&self.world) {
            self.patch(&dataflows(&format!("/{name}")), &abandon);
        }
        for (kind, id) in check::left_on_purpose(&self.world) {
            self.world
                .meddle(&json!({"kind": kind, "id": id, "delete": true}));
        }
    }

    fn all(&self) -> Vec<String> {
        let sources = (0..self.scenario.sources).map(source_path);
        let datasets = (0..self.scenario.datasets).map(dataset_path);
        let dataflows = (0..self.scenario.dataflows.len()).map(dataflow_path);
        sources.chain(datasets).chain(dataflows).collect()
    }

    fn client_secret(&self) -> String {
        match self.secrets {
            0 => "demo-secret".to_owned(),
            number => format!("demo-secret-{number}"),
        }
    }

    /// Makes or changes the Secret; `false`: one that is going has the name.
    fn secret(&self, client_secret: &str) -> bool {
        let data = json!({
            "clientId": base64(b"demo-client"),
            "clientSecret": base64(client_secret.as_bytes()),
            "orgId": base64(b"1234567890ABCDEF12345678@AdobeOrg"),
        });
        let manifest = json!({"metadata": {"name": SECRET}, "data": data});
        let stays = self.create(&secrets(""), &manifest);
        // One that is held although it was deleted is what the operator works with: it can be put right.
        self.patch(&secrets(&format!("/{SECRET}")), &json!({"data": data}));
        stays
    }

    /// Asks for a webhook, or for none.
    fn subscribe(&self, path: &str) {
        let (_, now) = self.world.kubectl(Method::GET, path, None);
        let next = if now["spec"]["subscription"].is_null() && self.has_webhooks() {
            subscription()
        } else {
            Value::Null
        };
        self.patch(path, &json!({"spec": {"subscription": next}}));
    }

    fn has_webhooks(&self) -> bool {
        self.scenario.subscribed.contains(&true)
    }

    /// Makes the Secret with the App API key, where there is a use for one; `false`: one that is going has the name.
    fn app_api_key(&self) -> bool {
        let manifest =
            json!({"metadata": {"name": APP_API}, "data": {"key": base64(b"demo-app-key")}});
        !self.has_webhooks() || self.create(&secrets(""), &manifest)
    }

    fn is_secret_held(&self) -> bool {
        let names = [Some(SECRET), self.has_webhooks().then_some(APP_API)];
        names.into_iter().flatten().all(|name| {
            let path = secrets(&format!("/{name}"));
            let (_, secret) = self.world.kubectl(Method::GET, &path, None);
            !secret["metadata"]["finalizers"].is_null()
        })
    }

    /// Makes something; `false`: one that is going has the name. One that stands is fine.
    fn create(&self, path: &str, manifest: &Value) -> bool {
        let (code, _) = self.world.kubectl(Method::POST, path, Some(manifest));
        if code != 409 {
            return true;
        }
        let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
        let (_, stands) = self
            .world
            .kubectl(Method::GET, &format!("{path}/{name}"), None);
        stands["metadata"]["deletionTimestamp"].is_null()
    }

    fn delete(&self, path: &str) {
        self.world.kubectl(Method::DELETE, path, None);
    }

    fn patch(&self, path: &str, change: &Value) {
        self.world.kubectl(Method::PATCH, path, Some(change));
    }

    /// One more field, which no mapping names.
    fn grow(&self, path: &str, number: u64) {
        let (_, now) = self.world.kubectl(Method::GET, path, None);
        let Some(mut fields) = now["spec"]["schema"]["fields"].as_array().cloned() else {
            return;
        };
        let field = format!("_{{tenant}}.grown{number}");
        fields.push(json!({"path": field, "type": "string"}));
        self.patch(path, &json!({"spec": {"schema": {"fields": fields}}}));
    }

    /// Somebody deletes a dataset of ours, not the one that stands there from the start.
    fn lose_dataset(&self) {
        let remote = self.world.remote();
        let all = remote["dataset"].as_array().into_iter().flatten();
        let ours = |it: &&Value| it["id"] != EXISTING;
        if let Some(id) = all.filter(ours).find_map(|it| it["id"].as_str()) {
            let edit = json!({"kind": "dataset", "id": id, "delete": true});
            self.world.meddle(&edit);
        }
    }

    fn suspend(&self, path: &str) {
        let (_, now) = self.world.kubectl(Method::GET, path, None);
        let next = now["spec"]["suspend"] != true;
        self.patch(path, &json!({"spec": {"suspend": next}}));
    }

    fn request(&self, path: &str) {
        let annotation = json!({"reconcile.fluxcd.io/requestedAt": self.edits.to_string()});
        self.patch(path, &json!({"metadata": {"annotations": annotation}}));
    }

    /// Changes or deletes an object in the platform's own interface.
    fn meddle(&self, kind: &str, how: &Value) {
        let remote = self.world.remote();
        let objects = remote[kind].as_array();
        let id = objects.and_then(|objects| match &objects.first()?["id"] {
            Value::Null => None,
            Value::String(id) => Some(id.clone()),
            id => Some(id.to_string()),
        });
        if let Some(id) = id {
            let mut edit = how.clone();
            edit["kind"] = json!(kind);
            edit["id"] = json!(id);
            self.world.meddle(&edit);
        }
    }

    fn retain(&self, path: &str, name: &str) {
        self.world.retained(name);
        self.patch(path, &json!({"spec": {"deletionPolicy": "Retain"}}));
    }

    /// As the namespace controller does, what is in it goes in an order of its own. `false`: not empty yet.
    fn delete_namespace(&mut self) -> bool {
        let path = format!("/api/v1/namespaces/{NAMESPACE}");
        if !self.emptying {
            // Without it nothing could be deleted in the platform, and none can be made any more.
            let given = self.app_api_key();
            if !self.secret(&self.client_secret()) || !given || !self.is_secret_held() {
                return false;
            }
            self.emptying = true;
            self.delete(&path);
            self.delete(&secrets(&format!("/{SECRET}")));
            if self.has_webhooks() {
                self.delete(&secrets(&format!("/{APP_API}")));
            }
            self.delete_all();
        }
        if !self.world.api().remove_namespace(NAMESPACE) {
            return false;
        }
        self.emptying = false;
        make_namespace(&self.world);
        self.secret(&self.client_secret());
        self.app_api_key();
        true
    }
}

fn make_namespace(world: &World) {
    let namespace = json!({"metadata": {"name": NAMESPACE}});
    world.kubectl(Method::POST, "/api/v1/namespaces", Some(&namespace));
}

fn heal() -> Value {
    json!({"spec": {"onRemoteMissing": "Recreate"}})
}

fn source_path(number: usize) -> String {
    sources(&format!("/s{number}"))
}

fn dataflow_path(number: usize) -> String {
    dataflows(&format!("/d{number}"))
}

fn source(number: usize) -> Value {
    json!({
        "metadata": {"name": format!("s{number}")},
        "spec": {"sandbox": "prod", "credentialsRef": {"name": SECRET}},
    })
}

/// The tutorial's dataset, which stands from the start.
const EXISTING: &str = "63ec807d3f5ce91bd2d06c65";

fn dataflow(number: usize, scenario: &Scenario) -> Value {
    let source = scenario.dataflows.get(number).copied().unwrap_or_default();
    let dataset = scenario.targets.get(number).copied().flatten();
    let target = match dataset {
        Some(dataset) => json!({"datasetRef": {"name": format!("t{dataset}")}}),
        None => json!({"existing": {
            "datasetId": EXISTING,
            "schema": {"id": "https://ns.adobe.com/extconndev/schemas/945546112b746524bfd9f1264b26c2b7d8e7f5b7fadb953a"},
        }}),
    };
    json!({
        "metadata": {"name": format!("d{number}")},
        "spec": {
            "sourceRef": {"name": format!("s{source}")},
            "target": target,
            "mapping": mapping(0, dataset.is_some()),
        },
    })
}

fn dataset_path(number: usize) -> String {
    datasets(&format!("/t{number}"))
}

/// The data goes with the dataset here: nothing is to be left.
fn dataset(number: usize) -> Value {
    let field = |path: &str| json!({"path": format!("_{{tenant}}.{path}"), "type": "string"});
    json!({
        "metadata": {"name": format!("t{number}")},
        "spec": {
            "sandbox": "prod",
            "credentialsRef": {"name": SECRET},
            "schema": {
                "title": format!("Events {number}"),
                "fields": [field("event_id0"), field("metricx")],
            },
            "deletionPolicy": "Delete",
        },
    })
}

fn subscription() -> Value {
    json!({"customerIo": {"events": ["email_*", "customer_subscribed"]}})
}

/// Seconds since 1970 as a date.
const EVENT_TIME: &str = r#"dformat(timestamp*1000, "yyyy-MM-dd'T'HH:mm:ss.SSSX")"#;

/// Rows for the dataset that stands from the start, or for one of ours.
fn mapping(number: u64, ours: bool) -> Value {
    let (tenant, mut rows) = if ours {
        let event = [
            json!({"source": "event_id", "destination": "_id"}),
            json!({"expression": EVENT_TIME, "destination": "timestamp"}),
        ];
        ("_{tenant}", event.to_vec())
    } else {
        ("_extconndev", Vec::new())
    };
    rows.push(json!({"source": "event_id", "destination": format!("{tenant}.event_id0")}));
    rows.push(json!({"value": format!("v{number}"), "destination": format!("{tenant}.metricx")}));
    Value::Array(rows)
}

//! The same calls against the strict stand-in for the platform: in memory, without sockets, under paused time.
//! Where no public source says what the platform does, both answers are played.

mod resources;
mod running;

use std::sync::Arc;
use std::time::Duration;

use aep_emulator::host::Host;
use aep_emulator::{Emulator, Options as EmulatorOptions};
use aep_operator::platform::{
    Credentials, EXPERIENCE_EVENT_CLASS, Endpoints, FieldType, Fields, HttpService, MappingRow,
    NewDataset, NewFieldGroup, NewFlow, NewMappingSet, NewSchema, NewSourceConnection,
    NewTargetConnection, Options, Platform, Sandbox, SchemaRef,
};
use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

pub(super) const MARKER: &str = "[aep-operator/v1 c1a5e0f2/marketing/events schema 5e0d7a11 1]";
pub(super) const NOW: u64 = 1_790_000_000_000;

pub(super) struct World {
    pub(super) host: Host,
    pub(super) sandbox: Sandbox,
}

pub(super) fn empty() -> EmulatorOptions {
    EmulatorOptions {
        empty: true,
        inlet_delay: Duration::ZERO,
        ..EmulatorOptions::default()
    }
}

impl World {
    pub(super) fn new(options: EmulatorOptions) -> Self {
        let host = Host::new(Emulator::new(options), NOW);
        let service = {
            let host = host.clone();
            HttpService::new(tower::service_fn(move |request: Request<Bytes>| {
                let host = host.clone();
                async move { host.call(request).await.map_err(tower::BoxError::from) }
            }))
        };
        let endpoints = Endpoints::new("http://127.0.0.1", "http://127.0.0.1").unwrap();
        let credentials = Arc::new(Credentials {
            client_id: "demo-client".into(),
            client_secret: "demo-secret".to_owned().into(),
            organization_id: "1234567890ABCDEF12345678@AdobeOrg".into(),
            scopes: None,
        });
        let platform = Platform::new(service, endpoints, Options::default());
        Self {
            host,
            sandbox: platform.sandbox(credentials, "prod"),
        }
    }

    pub(super) async fn post(&self, uri: &str, body: &Value) -> u16 {
        let request = Request::post(uri)
            .header("content-type", "application/json")
            .body(Bytes::from(body.to_string()))
            .unwrap();
        self.host.call(request).await.unwrap().status().as_u16()
    }
}

/// The resources of a dataset of our own.
pub(super) struct Made {
    pub(super) tenant: String,
    pub(super) group: String,
    pub(super) schema: String,
    pub(super) dataset: String,
}

pub(super) fn fields<const N: usize>(tenant: &str, fields: [(&str, FieldType); N]) -> Fields {
    let path = |name| format!("_{tenant}.{name}");
    fields
        .into_iter()
        .map(|(name, kind)| (path(name), kind))
        .collect()
}

pub(super) async fn make(sandbox: &Sandbox) -> Made {
    let tenant = sandbox.tenant_id().await.unwrap();
    let first = fields(
        &tenant,
        [
            ("email", FieldType::String),
            ("person.score", FieldType::Number),
        ],
    );
    let group =
        NewFieldGroup::new("Events: fields", MARKER, EXPERIENCE_EVENT_CLASS, &first).unwrap();
    let group = sandbox.create_field_group(&group).await.unwrap().id;
    let schema = NewSchema::new("Events", MARKER, EXPERIENCE_EVENT_CLASS, &[&group]);
    let schema = sandbox.create_schema(&schema).await.unwrap().id;
    let dataset = NewDataset::new("events", "for tests", SchemaRef::new(&schema, 1))
        .tag("aep-operator-owner", "c1a5e0f2");
    let dataset = sandbox.create_dataset(&dataset).await.unwrap();
    Made {
        tenant,
        group,
        schema,
        dataset,
    }
}

pub(super) const AT: &str = "dformat(timestamp*1000, \"yyyy-MM-dd'T'HH:mm:ss.SSSX\")";

pub(super) fn rows(tenant: &str) -> Vec<MappingRow> {
    vec![
        MappingRow::attribute("event_id", "_id"),
        MappingRow::expression(AT, "timestamp"),
        MappingRow::attribute("data.email", &format!("_{tenant}.email")),
    ]
}

pub(super) struct Running {
    pub(super) id: String,
    pub(super) inlet: String,
}

pub(super) async fn flow(sandbox: &Sandbox, made: &Made) -> Running {
    let mapping = NewMappingSet::new("map", &made.schema, 1, rows(&made.tenant));
    let mapping = sandbox.create_mapping_set(&mapping).await.unwrap();
    let source = NewSourceConnection::customer_io("source", "");
    let source = sandbox.create_source_connection(&source).await.unwrap();
    let target = NewTargetConnection::data_lake("target", "", &made.dataset, &made.schema, 1);
    let target = sandbox.create_target_connection(&target).await.unwrap();
    let flow = NewFlow::streaming("flow", "", &source.id, &target.id, &mapping);
    let id = sandbox.create_flow(&flow).await.unwrap().id;
    let read = sandbox.get_flow(&id).await.unwrap();
    let inlet = read.inlet_url().unwrap();
    let path = &inlet[inlet.find("/collection").unwrap()..];
    Running {
        inlet: format!("{path}?x-adobe-flow-id={id}"),
        id,
    }
}

pub(super) fn good_event(id: &str) -> Value {
    json!({"event_id": id, "timestamp": 1_790_000_000, "data": {"email": "ada@example.com"}})
}

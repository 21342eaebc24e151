//! The two resources on the stand-in for the platform: what is known of their remote objects, the steps of a
//! round at the same time, and answers taken in as the controllers do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aep_emulator::host::Host;
use aep_emulator::{Emulator, Options as EmulatorOptions};
use aep_operator::controllers::execute::{Outcome, execute};
use aep_operator::controllers::inventory::Scope;
use aep_operator::plan::dataflow::{self, ObservedDataflow, SourceView};
use aep_operator::plan::deletion::{Holding, Sight, Way};
use aep_operator::plan::desired::{DesiredDataflow, DesiredSource};
use aep_operator::plan::marker::Identity;
use aep_operator::plan::source::{self, ObservedSource};
use aep_operator::plan::{Known, Plan, RemoteKind, Step};
use aep_operator::platform::{
    ApiError, Class, Credentials, Endpoints, HttpService, MappingRef, Options, Platform, Sandbox,
};
use aep_operator::resources::{
    AepDataflow, AepDataflowSpec, CustomerIoSource, CustomerIoSourceSpec,
};
use bytes::Bytes;
use futures::future::join_all;
use http::Request;
use serde_json::{Value, json};

pub(crate) const LATENCY: Duration = Duration::from_millis(100);

/// The two resources, what is known of their remote objects, and the platform.
pub(crate) struct Story {
    pub(crate) host: Host,
    pub(crate) sandbox: Sandbox,
    pub(crate) scope: Scope,
    pub(crate) source_identity: Identity,
    pub(crate) dataflow_identity: Identity,
    pub(crate) source_spec: CustomerIoSourceSpec,
    pub(crate) dataflow_spec: AepDataflowSpec,
    pub(crate) source: ObservedSource,
    pub(crate) dataflow: ObservedDataflow,
    /// What a status would record.
    pub(crate) ids: BTreeMap<RemoteKind, String>,
}

impl Story {
    /// The tutorial's manifests on a fresh platform; the token is there already.
    pub(crate) async fn begin(options: EmulatorOptions) -> Self {
        let options = EmulatorOptions {
            latency: LATENCY,
            ..options
        };
        let host = Host::new(Emulator::new(options), 1_790_000_000_000);
        let service = {
            let host = host.clone();
            HttpService::new(tower::service_fn(move |request: Request<Bytes>| {
                let host = host.clone();
                async move { host.call(request).await.map_err(tower::BoxError::from) }
            }))
        };
        let endpoints = Endpoints::new("http://127.0.0.1", "http://127.0.0.1").unwrap();
        let platform = Platform::new(service, endpoints, Options::default());
        let credentials = Arc::new(Credentials {
            client_id: "demo-client".into(),
            client_secret: "demo-secret".to_owned().into(),
            organization_id: "1234567890ABCDEF12345678@AdobeOrg".into(),
            scopes: None,
        });
        platform.authenticate(&credentials).await.unwrap();
        let identity = |name: &str, uid: &str| Identity {
            owner: "c1a5e0f2".into(),
            namespace: "marketing".into(),
            name: name.into(),
            uid: uid.into(),
        };
        let text = include_str!("../../../deploy/samples/tutorial/3-source.yaml");
        let source: CustomerIoSource = serde_saphyr::from_str(text).unwrap();
        let text = include_str!("../../../deploy/samples/tutorial/4-dataflow.yaml");
        let dataflow: AepDataflow = serde_saphyr::from_str(text).unwrap();
        Self {
            sandbox: platform.sandbox(credentials, &source.spec.sandbox),
            scope: Scope::default(),
            host,
            source_identity: identity("customer-io", "5e0d7a11"),
            dataflow_identity: identity("customer-io-events", "7f1b3c22"),
            source_spec: source.spec,
            dataflow_spec: dataflow.spec,
            source: ObservedSource::default(),
            dataflow: ObservedDataflow::default(),
            ids: BTreeMap::new(),
        }
    }

    pub(crate) fn plans(&mut self) -> [Plan; 2] {
        if let Some(id) = self.ids.get(&RemoteKind::SourceConnection) {
            self.dataflow.source = SourceView::Standing { id: id.clone() };
        }
        let source = DesiredSource::new(self.source_identity.clone(), &self.source_spec);
        let dataflow = DesiredDataflow::new(self.dataflow_identity.clone(), &self.dataflow_spec);
        [
            source::plan(&source, &self.source),
            dataflow::plan(&dataflow, &self.dataflow),
        ]
    }

    fn identity(&self, step: &Step) -> &Identity {
        match step.kind() {
            RemoteKind::SourceConnection => &self.source_identity,
            _ => &self.dataflow_identity,
        }
    }

    /// Runs both resources' plans, the steps of one round at the same time, until both have come to stand.
    pub(crate) async fn converge(&mut self) -> Vec<String> {
        let mut log = Vec::new();
        for _ in 0..20 {
            let mut steps = Vec::new();
            let plans = self.plans();
            if plans == [Plan::Done, Plan::Done] {
                return log;
            }
            for plan in plans {
                match plan {
                    Plan::Run(more) => steps.extend(more),
                    Plan::Wait(_) | Plan::Adopt | Plan::Done => {}
                    Plan::Stop(failure) => panic!("{failure:?}"),
                }
            }
            if steps.is_empty() {
                tokio::time::sleep(Duration::from_secs(1)).await;
                self.dataflow.flow = Known::Recorded(self.ids[&RemoteKind::Flow].clone());
                continue;
            }
            for result in self.round(&steps).await {
                result.unwrap();
            }
            log.extend(steps.iter().map(|step| {
                step.to_string()
                    .split(" customer")
                    .next()
                    .unwrap()
                    .to_owned()
            }));
        }
        panic!("no end of it: {log:?}");
    }

    /// Runs steps at the same time and takes in what they brought.
    pub(crate) async fn round(&mut self, steps: &[Step]) -> Vec<Result<(), ApiError>> {
        let calls = steps
            .iter()
            .map(|step| execute(&self.sandbox, &self.scope, self.identity(step), step));
        let results = join_all(calls).await;
        let mut ends = Vec::new();
        for (step, result) in steps.iter().zip(results) {
            ends.push(
                result
                    .map(|outcome| self.fold(outcome))
                    .inspect_err(|error| {
                        if let (Some((kind, attempt)), true) =
                            (step.creates(), error.outcome_unknown)
                        {
                            self.set(kind, &Found::Perhaps(attempt));
                        }
                    }),
            );
        }
        ends
    }

    fn fold(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Created {
                kind, id, version, ..
            } => {
                self.ids.insert(kind, id.clone());
                self.set(kind, &Found::Made(id, version));
            }
            Outcome::LookedUp {
                kind,
                attempt,
                found,
                ..
            } => match found
                .iter()
                .map(|it| it.id.clone())
                .collect::<Vec<_>>()
                .as_slice()
            {
                [] => self.set(kind, &Found::Nothing(attempt + 1)),
                [id] => {
                    self.ids.insert(kind, id.clone());
                    self.set(kind, &Found::Unread(id.clone()));
                }
                twins => panic!("{kind}: {twins:?}"),
            },
            Outcome::Changed {
                kind: RemoteKind::Flow,
                id,
                ..
            } => self.dataflow.flow = Known::Recorded(id),
            Outcome::Changed { id, .. } => self.source.source_connection = Known::Trusted(id),
            Outcome::Mapped(mapping) => self.dataflow.mapping = Known::Trusted(mapping),
            Outcome::SourceConnection(it) => self.source.source_connection = Known::Read(*it),
            Outcome::TargetConnection(it) => self.dataflow.target = Known::Read(*it),
            Outcome::MappingSet(it) => self.dataflow.mapping = Known::Read(*it),
            Outcome::Flow(it) => self.dataflow.flow = Known::Read(*it),
            other => panic!("{other:?} is not part of this road"),
        }
    }

    fn set(&mut self, kind: RemoteKind, found: &Found) {
        let Self {
            source, dataflow, ..
        } = self;
        if let Found::Nothing(next) = found {
            match kind {
                RemoteKind::SourceConnection => source.next_attempt = *next,
                RemoteKind::TargetConnection => dataflow.next_attempts.target = *next,
                RemoteKind::MappingSet => dataflow.next_attempts.mapping = *next,
                RemoteKind::Flow => dataflow.next_attempts.flow = *next,
            }
        }
        match kind {
            RemoteKind::SourceConnection => source.source_connection = found.known(|id, _| id),
            RemoteKind::TargetConnection => dataflow.target = found.known(|id, _| id),
            RemoteKind::MappingSet => {
                dataflow.mapping = found.known(|id, version| MappingRef { id, version });
            }
            RemoteKind::Flow => {
                dataflow.flow = match found {
                    Found::Made(id, _) => Known::Recorded(id.clone()),
                    found => found.known(|id, _| id),
                }
            }
        }
    }

    /// What a new process knows: the ids.
    pub(crate) fn restart(&mut self) {
        for (kind, id) in self.ids.clone() {
            self.set(kind, &Found::Unread(id));
        }
    }

    /// One call of the stand-in's own interface.
    pub(crate) async fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let request = Request::builder()
            .method(method)
            .uri(format!("/_emulator/{path}"))
            .header("content-type", "application/json")
            .body(Bytes::from(body.to_string()))
            .unwrap();
        let reply = self.host.call(request).await.unwrap();
        assert!(reply.status().is_success(), "{:?}", reply.body());
        serde_json::from_slice(reply.body()).unwrap_or_default()
    }

    /// Loses the reply to the next creation of this kind, before or after it took effect.
    pub(crate) async fn lose_reply(&self, kind: RemoteKind, fault: &str) {
        let rule = json!([{"method": "POST", "path": format!("/{}$", collection(kind)), fault: true, "times": 1}]);
        self.control("POST", "faults", &rule).await;
    }

    /// Calls since the beginning, per operation, the token aside.
    pub(crate) async fn counts(&self) -> BTreeMap<String, u64> {
        let counts = self.control("GET", "counts", &Value::Null).await;
        let mut counts: BTreeMap<String, u64> = serde_json::from_value(counts).unwrap();
        counts.retain(|operation, _| operation != "ims.token");
        counts
    }

    /// The only body that was sent to create an object of this kind.
    pub(crate) async fn sent(&self, kind: RemoteKind) -> Value {
        let requests = self.control("GET", "requests", &Value::Null).await;
        let path = format!("/{}", collection(kind));
        let all = requests.as_array().unwrap().iter();
        let mut bodies = all
            .filter(|it| it["method"] == "POST" && it["path"].as_str().unwrap().ends_with(&path))
            .map(|it| it["body"].clone());
        let body = bodies.next().unwrap();
        assert_eq!(bodies.next(), None, "{kind} was sent twice");
        body.as_str()
            .map_or(body.clone(), |text| serde_json::from_str(text).unwrap())
    }

    /// Deletes what is recorded, both resources one after the other; the steps, but for the reads before.
    pub(crate) async fn delete(&mut self) -> Vec<String> {
        let mut log = Vec::new();
        for mine in [&RemoteKind::ALL[1..], &RemoteKind::ALL[..1]] {
            let mut way = Way::default();
            loop {
                let holding = |kind: &RemoteKind| {
                    let id = self.ids.get(kind)?.clone();
                    Some(Holding::Standing { kind: *kind, id })
                };
                let holdings: Vec<Holding> = mine.iter().filter_map(holding).collect();
                let steps = match way.plan(&holdings) {
                    Plan::Run(steps) => steps,
                    Plan::Done => break,
                    other => panic!("{other:?}"),
                };
                for step in steps {
                    if !matches!(step, Step::Read { .. }) {
                        log.push(step.to_string());
                    }
                    let done =
                        execute(&self.sandbox, &self.scope, &self.dataflow_identity, &step).await;
                    if let (Step::Read { kind, id }, Err(error)) = (&step, &done) {
                        assert_eq!(error.class, Class::NotFound, "{error}");
                        way.saw(*kind, id, Sight::Unseen);
                        continue;
                    }
                    match done.unwrap() {
                        Outcome::Deleted { kind, .. } => drop(self.ids.remove(&kind)),
                        Outcome::Users(users) => way.met_users(users),
                        Outcome::Flow(flow) => {
                            let sight =
                                Sight::of(&self.dataflow_identity, &flow.description, &flow.etag);
                            assert!(matches!(sight, Sight::Marked { .. }), "{sight:?}");
                            way.saw(RemoteKind::Flow, &flow.id, sight);
                        }
                        Outcome::TargetConnection(found) => {
                            way.saw(RemoteKind::TargetConnection, &found.id, Sight::Plain);
                        }
                        Outcome::SourceConnection(found) => {
                            way.saw(RemoteKind::SourceConnection, &found.id, Sight::Plain);
                        }
                        other => panic!("{other:?}"),
                    }
                }
            }
        }
        log
    }
}

/// What was found out about an object.
enum Found {
    Made(String, u64),
    Unread(String),
    Perhaps(i64),
    Nothing(i64),
}

impl Found {
    fn known<R, T>(&self, refer: impl Fn(String, u64) -> R) -> Known<R, T> {
        match self {
            Self::Made(id, version) => Known::Trusted(refer(id.clone(), *version)),
            Self::Unread(id) => Known::Recorded(refer(id.clone(), 0)),
            Self::Perhaps(attempt) => Known::Pending { attempt: *attempt },
            Self::Nothing(_) => Known::Absent,
        }
    }
}

pub(crate) fn collection(kind: RemoteKind) -> &'static str {
    match kind {
        RemoteKind::SourceConnection => "sourceConnections",
        RemoteKind::TargetConnection => "targetConnections",
        RemoteKind::MappingSet => "mappingSets",
        RemoteKind::Flow => "flows",
    }
}

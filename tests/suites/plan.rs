//! Plans over the wire in memory: the tutorial's two manifests through the planners, the executor and the
//! platform client, against the strict stand-in for the platform. No sockets, paused time.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails fails its test"
)]

#[path = "../golden/check.rs"]
mod golden;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aep_emulator::host::Host;
use aep_emulator::{Emulator, MappingSetDelete, Options as EmulatorOptions, Permission};
use aep_operator::controllers::execute::{Outcome, execute};
use aep_operator::plan::dataflow::{self, ObservedDataflow, SourceView};
use aep_operator::plan::deletion::{self, Holding, Users};
use aep_operator::plan::desired::{DesiredDataflow, DesiredSource};
use aep_operator::plan::marker::Identity;
use aep_operator::plan::source::{self, ObservedSource};
use aep_operator::plan::{Known, Plan, RemoteKind, Step};
use aep_operator::platform::{
    ApiError, Class, Credentials, Endpoints, HttpService, MappingRef, Options, Platform, Sandbox,
};
use aep_operator::resources::aep_dataflow::{DesiredState, MappingRow};
use aep_operator::resources::{
    AepDataflow, AepDataflowSpec, CustomerIoSource, CustomerIoSourceSpec,
};
use bytes::Bytes;
use futures::future::join_all;
use http::Request;
use serde_json::{Value, json};
use tokio::time::Instant;

const LATENCY: Duration = Duration::from_millis(100);

/// The two resources, what is known of their remote objects, and the platform.
struct Story {
    host: Host,
    sandbox: Sandbox,
    source_identity: Identity,
    dataflow_identity: Identity,
    source_spec: CustomerIoSourceSpec,
    dataflow_spec: AepDataflowSpec,
    source: ObservedSource,
    dataflow: ObservedDataflow,
    /// What a status would record.
    ids: BTreeMap<RemoteKind, String>,
}

impl Story {
    /// The tutorial's manifests on a fresh platform; the token is there already.
    async fn begin(options: EmulatorOptions) -> Self {
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
        let text = include_str!("../../deploy/samples/tutorial/3-source.yaml");
        let source: CustomerIoSource = serde_saphyr::from_str(text).unwrap();
        let text = include_str!("../../deploy/samples/tutorial/4-dataflow.yaml");
        let dataflow: AepDataflow = serde_saphyr::from_str(text).unwrap();
        Self {
            sandbox: platform.sandbox(credentials, &source.spec.sandbox),
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

    fn plans(&mut self) -> [Plan; 2] {
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
    async fn converge(&mut self) -> Vec<String> {
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
                    Plan::Wait(_) | Plan::Done => {}
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
    async fn round(&mut self, steps: &[Step]) -> Vec<Result<(), ApiError>> {
        let calls = steps
            .iter()
            .map(|step| execute(&self.sandbox, self.identity(step), step));
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
            Outcome::LookedUp { kind, attempt, ids } => match ids.as_slice() {
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
                dataflow.mapping = found.known(|id, version| MappingRef { id, version })
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
    fn restart(&mut self) {
        for (kind, id) in self.ids.clone() {
            self.set(kind, &Found::Unread(id));
        }
    }

    /// One call of the stand-in's own interface.
    async fn control(&self, method: &str, path: &str, body: &Value) -> Value {
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
    async fn lose_reply(&self, kind: RemoteKind, fault: &str) {
        let rule = json!([{"method": "POST", "path": format!("/{}$", collection(kind)), fault: true, "times": 1}]);
        self.control("POST", "faults", &rule).await;
    }

    /// Calls since the beginning, per operation, the token aside.
    async fn counts(&self) -> BTreeMap<String, u64> {
        let counts = self.control("GET", "counts", &Value::Null).await;
        let mut counts: BTreeMap<String, u64> = serde_json::from_value(counts).unwrap();
        counts.retain(|operation, _| operation != "ims.token");
        counts
    }

    /// The only body that was sent to create an object of this kind.
    async fn sent(&self, kind: RemoteKind) -> Value {
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

    /// Deletes what is recorded, both resources one after the other; the steps.
    async fn delete(&mut self) -> Vec<String> {
        let mut log = Vec::new();
        let mut users = Users::Unknown;
        for mine in [&RemoteKind::ALL[1..], &RemoteKind::ALL[..1]] {
            loop {
                let holding = |kind: &RemoteKind| {
                    let id = self.ids.get(kind)?.clone();
                    Some(Holding::Standing { kind: *kind, id })
                };
                let holdings: Vec<Holding> = mine.iter().filter_map(holding).collect();
                let steps = match deletion::plan(&holdings, &users) {
                    Plan::Run(steps) => steps,
                    Plan::Done => break,
                    other => panic!("{other:?}"),
                };
                for step in steps {
                    log.push(step.to_string());
                    match execute(&self.sandbox, &self.dataflow_identity, &step)
                        .await
                        .unwrap()
                    {
                        Outcome::Deleted { kind, .. } => drop(self.ids.remove(&kind)),
                        Outcome::Users(flows) => users = Users::Listed(flows),
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

fn collection(kind: RemoteKind) -> &'static str {
    match kind {
        RemoteKind::SourceConnection => "sourceConnections",
        RemoteKind::TargetConnection => "targetConnections",
        RemoteKind::MappingSet => "mappingSets",
        RemoteKind::Flow => "flows",
    }
}

fn at_once() -> EmulatorOptions {
    EmulatorOptions {
        inlet_delay: Duration::ZERO,
        ..EmulatorOptions::default()
    }
}

fn counts<const N: usize>(expected: [(&str, u64); N]) -> BTreeMap<String, u64> {
    expected
        .into_iter()
        .map(|(operation, count)| (operation.to_owned(), count))
        .collect()
}

fn created(extra: &[(&str, u64)]) -> BTreeMap<String, u64> {
    let mut all = counts([
        ("sourceConnections.create", 1),
        ("targetConnections.create", 1),
        ("mappingSets.create", 1),
        ("flows.create", 1),
        ("flows.get", 1),
    ]);
    all.extend(
        extra
            .iter()
            .map(|(operation, count)| ((*operation).to_owned(), *count)),
    );
    all
}

#[tokio::test(start_paused = true)]
async fn the_tutorial_takes_five_calls_of_which_three_in_sequence_and_then_none() {
    let mut story = Story::begin(at_once()).await;
    let started = Instant::now();
    story.converge().await;
    assert_eq!(started.elapsed(), 3 * LATENCY);
    assert_eq!(story.counts().await, created(&[]));

    story.converge().await;
    assert_eq!(
        story.counts().await,
        created(&[]),
        "a second planning makes no call"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_are_the_tutorial_s_bodies_with_the_ids_of_this_run() {
    let mut story = Story::begin(at_once()).await;
    story.converge().await;
    for kind in [
        RemoteKind::SourceConnection,
        RemoteKind::TargetConnection,
        RemoteKind::MappingSet,
    ] {
        golden::check(kind.word(), &story.sent(kind).await);
    }
    let mut flow = story.sent(RemoteKind::Flow).await;
    for (pointer, kind, word) in [
        (
            "/sourceConnectionIds/0",
            RemoteKind::SourceConnection,
            "SOURCE-CONNECTION-ID",
        ),
        (
            "/targetConnectionIds/0",
            RemoteKind::TargetConnection,
            "TARGET-CONNECTION-ID",
        ),
        (
            "/transformations/0/params/mappingId",
            RemoteKind::MappingSet,
            "MAPPING-SET-ID",
        ),
    ] {
        let place = flow.pointer_mut(pointer).unwrap();
        assert_eq!(*place, story.ids[&kind].as_str());
        *place = json!(word);
    }
    golden::check("flow", &flow);
}

#[tokio::test(start_paused = true)]
async fn a_restart_reads_each_object_once_and_writes_nothing() {
    let mut story = Story::begin(at_once()).await;
    story.converge().await;
    story.restart();
    story.converge().await;
    let reads = [
        ("sourceConnections.get", 1),
        ("targetConnections.get", 1),
        ("mappingSets.get", 1),
        ("flows.get", 2),
    ];
    assert_eq!(story.counts().await, created(&reads));
}

fn change_everything(story: &mut Story) {
    story.dataflow_spec.name = Some("Customer.io, renamed".into());
    story.dataflow_spec.description = Some("  Described [anew] \u{2603} ".into());
    story.dataflow_spec.state = DesiredState::Disabled;
    let fixed = |value: &str, destination: &str| MappingRow {
        value: Some(value.into()),
        destination: destination.into(),
        ..MappingRow::default()
    };
    let computed = MappingRow {
        expression: Some("lower(data.identifiers.email)".into()),
        destination: "_extconndev.email".into(),
        ..MappingRow::default()
    };
    story.dataflow_spec.mapping = vec![fixed("customer.io", "_extconndev.metricx"), computed];
}

#[tokio::test(start_paused = true)]
async fn a_change_of_everything_is_one_put_one_patch_and_one_action_and_is_accepted() {
    let mut story = Story::begin(at_once()).await;
    story.converge().await;
    change_everything(&mut story);
    story.restart();
    story.converge().await;
    let all = story.counts().await;
    let writes = |operation: &str| all.get(operation).copied().unwrap_or_default();
    assert_eq!(
        [
            writes("mappingSets.update"),
            writes("flows.patch"),
            writes("flows.action")
        ],
        [1, 1, 1],
        "{all:?}"
    );
    assert_eq!(
        [
            writes("sourceConnections.patch"),
            writes("targetConnections.patch")
        ],
        [0, 0]
    );
    assert_eq!(
        [writes("flows.create"), writes("mappingSets.create")],
        [1, 1]
    );

    // Read anew, with the words of reads, all of it is as written.
    story.restart();
    let steps = story.converge().await;
    assert!(
        steps.iter().all(|step| step.starts_with("read ")),
        "{steps:?}"
    );
    let Known::Read(flow) = &story.dataflow.flow else {
        panic!("it was read")
    };
    assert_eq!(
        (flow.name.as_str(), flow.state.as_str()),
        ("Customer.io, renamed", "disabled")
    );
    assert!(
        flow.description
            .starts_with("Described [anew] \u{2603} [aep-operator/v1 "),
        "{}",
        flow.description
    );
    assert_eq!(flow.mapping().map(|it| it.version), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_source_is_renamed_where_connections_can_be_and_else_refused_for_good() {
    for permission in [Permission::Allowed, Permission::Refused] {
        let mut story = Story::begin(EmulatorOptions {
            patch_connection: permission,
            ..at_once()
        })
        .await;
        story.converge().await;
        story.source_spec.name = Some("renamed".into());
        story.restart();
        if permission == Permission::Allowed {
            story.converge().await;
            story.restart();
            story.converge().await;
            assert_eq!(story.counts().await["sourceConnections.patch"], 1);
            continue;
        }
        let [Plan::Run(read), _] = story.plans() else {
            panic!("it has to be read")
        };
        story.round(&read).await.pop().unwrap().unwrap();
        let [Plan::Run(patch), _] = story.plans() else {
            panic!("it has to be renamed")
        };
        let error = story.round(&patch).await.pop().unwrap().unwrap_err();
        assert_eq!(
            (error.class, error.outcome_unknown),
            (Class::Rejected, false)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_changed_is_put_right() {
    let mut story = Story::begin(at_once()).await;
    story.converge().await;
    let flow = story.ids[&RemoteKind::Flow].clone();
    for merge in [
        json!({"name": "mine now"}),
        json!({"description": "mine now"}),
        json!({"description": null}),
        json!({"transformations": [{"name": "Mapping", "params": {"mappingId": "other", "mappingVersion": 3}}]}),
    ] {
        let before = story
            .counts()
            .await
            .get("flows.patch")
            .copied()
            .unwrap_or_default();
        story
            .control(
                "POST",
                "edit",
                &json!({"kind": "flow", "id": flow, "merge": merge}),
            )
            .await;
        story.restart();
        story.converge().await;
        assert_eq!(story.counts().await["flows.patch"], before + 1, "{merge}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_found_by_its_marker_and_nothing_is_made_twice() {
    for kind in RemoteKind::ALL {
        let mut story = Story::begin(at_once()).await;
        story.lose_reply(kind, "dropAfterCommit").await;
        let lost = until_lost(&mut story).await;
        assert!(lost.outcome_unknown, "{kind}: {lost:?}");
        let steps = story.converge().await;
        assert_eq!(steps[0], format!("look up {}", kind.title()));
        let create = format!("{}.create", collection(kind));
        assert_eq!(story.counts().await[&create], 1, "{kind}: {steps:?}");
        assert_eq!(marked(&story, kind).await, [1], "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_lost_on_the_way_is_sent_again_as_the_next_attempt() {
    for kind in RemoteKind::ALL {
        let mut story = Story::begin(at_once()).await;
        story.lose_reply(kind, "dropBeforeCommit").await;
        let lost = until_lost(&mut story).await;
        assert!(lost.outcome_unknown, "{kind}: {lost:?}");
        story.converge().await;
        assert_eq!(marked(&story, kind).await, [2], "{kind}");
        // The later attempt is no difference to the spec.
        story.restart();
        let steps = story.converge().await;
        assert!(
            steps.iter().all(|step| step.starts_with("read ")),
            "{kind}: {steps:?}"
        );
    }
}

/// Runs rounds until a call is lost; the others of its round are taken in.
async fn until_lost(story: &mut Story) -> ApiError {
    for _ in 0..5 {
        let steps: Vec<Step> = story
            .plans()
            .into_iter()
            .filter_map(|plan| {
                if let Plan::Run(steps) = plan {
                    Some(steps)
                } else {
                    None
                }
            })
            .flatten()
            .collect();
        if let Some(Err(error)) = story.round(&steps).await.into_iter().find(Result::is_err) {
            return error;
        }
    }
    panic!("no call was lost");
}

/// The attempts in the markers of all objects of a kind.
async fn marked(story: &Story, kind: RemoteKind) -> Vec<i64> {
    let identity = match kind {
        RemoteKind::SourceConnection => &story.source_identity,
        _ => &story.dataflow_identity,
    };
    let mut attempts = Vec::new();
    for attempt in 1..=3 {
        let step = Step::LookUp { kind, attempt };
        let Outcome::LookedUp { ids, .. } = execute(&story.sandbox, identity, &step).await.unwrap()
        else {
            panic!("a look-up looks up")
        };
        // A look-up may show those of earlier attempts too.
        if ids.len() > attempts.len() {
            attempts.push(attempt);
        }
    }
    attempts
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_to_a_put_leads_to_the_version_that_was_written() {
    let mut story = Story::begin(at_once()).await;
    story.converge().await;
    change_everything(&mut story);
    story.restart();
    let rule =
        json!([{"method": "PUT", "path": "/mappingSets/", "dropAfterCommit": true, "times": 1}]);
    story.control("POST", "faults", &rule).await;
    until_lost(&mut story).await;
    story.restart();
    story.converge().await;
    assert_eq!(story.counts().await["mappingSets.update"], 1);
    let Known::Read(flow) = &story.dataflow.flow else {
        panic!("it was read")
    };
    assert_eq!(flow.mapping().map(|it| it.version), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_deletion_goes_in_order_and_leaves_nothing() {
    let mut story = Story::begin(EmulatorOptions {
        mapping_set_delete: MappingSetDelete::RefusedInUse,
        ..at_once()
    })
    .await;
    let before = story.control("GET", "objects", &Value::Null).await;
    story.converge().await;
    assert_ne!(story.control("GET", "objects", &Value::Null).await, before);
    let ids = story.ids.clone();
    let id = |kind| &ids[&kind];
    let steps = story.delete().await;
    assert_eq!(
        steps,
        [
            format!("delete flow {}", id(RemoteKind::Flow)),
            format!(
                "delete target connection {}",
                id(RemoteKind::TargetConnection)
            ),
            format!("delete mapping set {}", id(RemoteKind::MappingSet)),
            format!(
                "list flows on source connection {}",
                id(RemoteKind::SourceConnection)
            ),
            format!(
                "delete source connection {}",
                id(RemoteKind::SourceConnection)
            ),
        ]
    );
    assert_eq!(story.control("GET", "objects", &Value::Null).await, before);

    // A deletion whose reply was lost is done once more, and that is fine.
    story.ids = ids;
    story.delete().await;
    assert_eq!(story.control("GET", "objects", &Value::Null).await, before);
}

/// Neither specification nor prose knows this call.
#[tokio::test(start_paused = true)]
async fn a_mapping_set_that_cannot_be_deleted_is_left_behind() {
    for delete in [
        MappingSetDelete::NotFound404,
        MappingSetDelete::NotAllowed405,
    ] {
        let mut story = Story::begin(EmulatorOptions {
            mapping_set_delete: delete,
            ..at_once()
        })
        .await;
        story.converge().await;
        let id = story.ids[&RemoteKind::MappingSet].clone();
        let step = Step::Delete {
            kind: RemoteKind::MappingSet,
            id,
        };
        let outcome = execute(&story.sandbox, &story.dataflow_identity, &step)
            .await
            .unwrap();
        assert!(
            matches!(outcome, Outcome::Deleted { gone: false, .. }),
            "{delete:?}: {outcome:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_is_being_set_up_is_waited_for() {
    let mut story = Story::begin(EmulatorOptions::default()).await;
    let started = Instant::now();
    story.converge().await;
    assert!(
        started.elapsed() >= Duration::from_secs(6),
        "{:?}",
        started.elapsed()
    );
    let Known::Read(flow) = &story.dataflow.flow else {
        panic!("it was read")
    };
    assert!(flow.inlet_url().is_some());
    assert_eq!(flow.state.as_str(), "enabled");
}

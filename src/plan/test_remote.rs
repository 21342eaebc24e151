//! A faithful remote in memory, and a resource's status beside it: enough to run plans to their end, to
//! lose a reply, and to die in between.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::platform::{FlowAction, MappingRef};

use super::dataflow::{self, ObservedDataflow, SourceView};
use super::desired::{DesiredDataflow, DesiredSource};
use super::marker::Marker;
use super::question::{Checked, Question};
use super::source::{self, ObservedSource};
use super::{Body, Known, Plan, RemoteKind, Step};

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Answered,
    NeverSent,
    ReplyLost,
}

/// The remote objects, what status records of them, and what is known of them now.
#[derive(Debug, Default)]
pub(super) struct World {
    objects: BTreeMap<RemoteKind, Vec<Value>>,
    recorded: BTreeMap<RemoteKind, (String, u64)>,
    pending: BTreeMap<RemoteKind, i64>,
    source: ObservedSource,
    dataflow: ObservedDataflow,
    writes: u64,
}

type Desired = (DesiredSource, DesiredDataflow);

impl World {
    /// Runs plans to their end; the steps that ran.
    pub(super) fn converge(&mut self, desired: &Desired) -> Vec<Step> {
        self.run(desired, usize::MAX, Fate::Answered)
    }

    /// Runs plans until step `crash`, which has this fate, and forgets everything but status.
    pub(super) fn run(&mut self, desired: &Desired, crash: usize, fate: Fate) -> Vec<Step> {
        let mut log = Vec::new();
        for _ in 0..30 {
            let (steps, polls) = self.plan(desired);
            if steps.is_empty() && !polls {
                return log;
            }
            if polls && steps.is_empty() {
                self.dataflow.flow = Known::Recorded(self.recorded[&RemoteKind::Flow].0.clone());
            }
            for (kind, attempt) in steps.iter().filter_map(Step::creates) {
                self.pending.insert(kind, attempt);
            }
            for step in steps {
                let last = log.len() == crash;
                self.step(&step, if last { fate } else { Fate::Answered });
                log.push(step);
                if last {
                    self.restart();
                    return log;
                }
            }
        }
        panic!("no end of it: {log:#?}");
    }

    fn plan(&mut self, (source, dataflow): &Desired) -> (Vec<Step>, bool) {
        if let Some((id, _)) = self.recorded.get(&RemoteKind::SourceConnection) {
            self.dataflow.source = SourceView::Standing { id: id.clone() };
        }
        let (mut steps, mut polls, mut waits) = (Vec::new(), false, false);
        for plan in [
            source::plan(source, &self.source),
            dataflow::plan(dataflow, &self.dataflow),
        ] {
            match plan {
                Plan::Run(more) => steps.extend(more),
                Plan::Wait(wait) => (polls, waits) = (polls || wait.poll, true),
                Plan::Stop(failure) => panic!("{failure:?}"),
                Plan::Adopt | Plan::Done => {}
            }
        }
        assert!(!waits || polls || !steps.is_empty(), "nobody moves");
        (steps, polls)
    }

    /// What a new process knows.
    pub(super) fn restart(&mut self) {
        fn known<R, T>(
            world: &World,
            kind: RemoteKind,
            refer: impl Fn(&(String, u64)) -> R,
        ) -> Known<R, T> {
            match (world.pending.get(&kind), world.recorded.get(&kind)) {
                (Some(attempt), _) => Known::Pending { attempt: *attempt },
                (None, Some(found)) => Known::Recorded(refer(found)),
                (None, None) => Known::Absent,
            }
        }
        let id = |found: &(String, u64)| found.0.clone();
        let mapping = |found: &(String, u64)| MappingRef {
            id: found.0.clone(),
            version: found.1,
        };
        self.source = ObservedSource {
            source_connection: known(self, RemoteKind::SourceConnection, id),
            ..ObservedSource::default()
        };
        self.dataflow = ObservedDataflow {
            source: SourceView::default(),
            target: known(self, RemoteKind::TargetConnection, id),
            mapping: known(self, RemoteKind::MappingSet, mapping),
            flow: known(self, RemoteKind::Flow, id),
            ..ObservedDataflow::default()
        };
    }

    fn step(&mut self, step: &Step, fate: Fate) {
        if fate == Fate::NeverSent {
            return;
        }
        let kind = step.kind();
        self.commit(step);
        if fate == Fate::ReplyLost {
            return;
        }
        match step {
            Step::LookUp { attempt, .. } => self.look_up(kind, *attempt),
            Step::Read { .. } => self.read(kind),
            Step::Ask(Question::Mapping(body)) => {
                self.dataflow.checked = Some(Checked {
                    body: body.clone(),
                    problems: Vec::new(),
                });
            }
            Step::Patch { .. } | Step::Act { .. } if kind == RemoteKind::Flow => {
                self.dataflow.flow = Known::Recorded(self.recorded[&kind].0.clone());
            }
            _ => {
                let object = &self.objects[&kind][0];
                let id = object["id"].as_str().unwrap().to_owned();
                let version = object["version"].as_u64().unwrap_or_default();
                self.recorded.insert(kind, (id.clone(), version));
                self.pending.remove(&kind);
                match kind {
                    RemoteKind::SourceConnection => {
                        self.source.source_connection = Known::Trusted(id);
                    }
                    RemoteKind::TargetConnection => self.dataflow.target = Known::Trusted(id),
                    RemoteKind::MappingSet => {
                        self.dataflow.mapping = Known::Trusted(MappingRef { id, version });
                    }
                    RemoteKind::Flow => self.dataflow.flow = Known::Recorded(id),
                    _ => {}
                }
            }
        }
    }

    /// The remote side of a step.
    fn commit(&mut self, step: &Step) {
        let kind = step.kind();
        self.writes += 1;
        let etag = json!(format!("\"{}\"", self.writes));
        let objects = self.objects.entry(kind).or_default();
        let new = |body: Value, extra: Value| {
            let mut object = body;
            for (key, value) in extra.as_object().unwrap() {
                object[key] = value.clone();
            }
            object
        };
        let id = format!("{kind}-{}", self.writes);
        match step {
            Step::Create { body: made, .. } => {
                let connection = json!({"id": id, "etag": etag, "state": "enabled"});
                objects.push(match made {
                    Body::SourceConnection(it) => new(body(it), connection),
                    Body::TargetConnection(it) => new(body(it), connection),
                    Body::MappingSet(it) => new(body(it), json!({"id": id, "version": 0})),
                    Body::Flow(it) => new(
                        body(it),
                        json!({"id": id, "etag": etag, "state": "initializing", "options": {}}),
                    ),
                    Body::Subscription(_)
                    | Body::FieldGroup(_)
                    | Body::Schema(_)
                    | Body::Dataset(_) => panic!("{step} is not of these resources"),
                });
            }
            Step::Patch {
                etag: given,
                operations,
                ..
            } => {
                let object = &mut objects[0];
                assert_eq!(
                    object["etag"],
                    given.as_str(),
                    "a change of what was not read"
                );
                for operation in operations {
                    let place = object.pointer_mut(&operation.path);
                    *place.unwrap() = operation.value.clone().unwrap();
                }
                object["etag"] = etag;
            }
            Step::UpdateMappingSet { body: it, .. } => {
                let version = objects[0]["version"].as_u64().unwrap() + 1;
                objects[0] = new(
                    body(it),
                    json!({"id": objects[0]["id"], "version": version}),
                );
            }
            Step::Act { action, .. } => {
                objects[0]["etag"] = etag;
                objects[0]["state"] = json!(match action {
                    FlowAction::Enable => "enabled",
                    FlowAction::Disable => "disabled",
                });
            }
            Step::LookUp { .. } | Step::Read { .. } | Step::Ask(_) => {}
            Step::FindUsers { .. }
            | Step::Delete { .. }
            | Step::FindSubscription { .. }
            | Step::SeeSubscription { .. }
            | Step::UpdateSubscription { .. } => panic!("{step} is no way forward"),
            Step::LookUpTitle { .. } => panic!("{step} is not of these resources"),
        }
    }

    fn look_up(&mut self, kind: RemoteKind, attempt: i64) {
        let text = |object: &Value| match kind {
            RemoteKind::MappingSet => object["name"].as_str().unwrap().to_owned(),
            _ => object["description"].as_str().unwrap().to_owned(),
        };
        let found: Vec<String> = self
            .objects
            .get(&kind)
            .into_iter()
            .flatten()
            .filter(|object| {
                Marker::split(&text(object)).is_some_and(|(_, it)| it.attempt == attempt)
            })
            .map(|object| object["id"].as_str().unwrap().to_owned())
            .collect();
        self.pending.remove(&kind);
        if let Some(id) = found.first() {
            self.recorded.insert(kind, (id.clone(), 0));
        }
        self.restart_kind(kind, attempt + 1);
    }

    /// After a look-up: found, or to be made by another attempt.
    fn restart_kind(&mut self, kind: RemoteKind, next: i64) {
        let (id, version) = self.recorded.get(&kind).cloned().unwrap_or_default();
        let none = id.is_empty();
        let attempts = &mut self.dataflow.next_attempts;
        match kind {
            RemoteKind::SourceConnection => {
                self.source.next_attempt = next;
                self.source.source_connection = if none {
                    Known::Absent
                } else {
                    Known::Recorded(id)
                };
            }
            RemoteKind::TargetConnection => {
                attempts.target = next;
                self.dataflow.target = if none {
                    Known::Absent
                } else {
                    Known::Recorded(id)
                };
            }
            RemoteKind::MappingSet => {
                attempts.mapping = next;
                let found = MappingRef { id, version };
                self.dataflow.mapping = if none {
                    Known::Absent
                } else {
                    Known::Recorded(found)
                };
            }
            RemoteKind::Flow => {
                attempts.flow = next;
                self.dataflow.flow = if none {
                    Known::Absent
                } else {
                    Known::Recorded(id)
                };
            }
            _ => {}
        }
    }

    /// Reads show what was never written, and other words; a flow is set up between two reads.
    fn read(&mut self, kind: RemoteKind) {
        let object = &mut self.objects.get_mut(&kind).unwrap()[0];
        let mut shown = object.clone();
        shown["unheardOf"] = json!({"now": [self.writes]});
        match kind {
            RemoteKind::SourceConnection => {
                self.source.source_connection = Known::Read(serde_json::from_value(shown).unwrap());
            }
            RemoteKind::TargetConnection => {
                self.dataflow.target = Known::Read(serde_json::from_value(shown).unwrap());
            }
            RemoteKind::MappingSet => {
                let rows = shown["mappings"].as_array_mut().unwrap();
                rows.reverse();
                for row in rows {
                    row["sourceType"] = json!(match row["sourceType"].as_str() {
                        Some("ATTRIBUTE") => "text/x.schema-path",
                        Some("EXPRESSION") => "text/x.aep-xl",
                        _ => "text/x.static",
                    });
                }
                self.dataflow.mapping = Known::Read(serde_json::from_value(shown).unwrap());
            }
            RemoteKind::Flow => {
                if object["state"] == "initializing" {
                    object["state"] = json!("enabled");
                    object["options"] = json!({"inletUrl": "https://inlet.example/1"});
                    object["etag"] = json!("\"set up\"");
                }
                self.dataflow.flow = Known::Read(serde_json::from_value(shown).unwrap());
            }
            _ => {}
        }
    }

    /// The remote objects, each of which there has to be exactly once.
    pub(super) fn objects(&self) -> BTreeMap<RemoteKind, Value> {
        let one = |(kind, objects): (&RemoteKind, &Vec<Value>)| {
            assert_eq!(objects.len(), 1, "{kind}: {objects:#?}");
            (*kind, objects[0].clone())
        };
        self.objects.iter().map(one).collect()
    }
}

fn body(body: &impl serde::Serialize) -> Value {
    serde_json::to_value(body).unwrap()
}

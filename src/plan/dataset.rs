//! The planner of an `AepDataset`: tenant id, field group, schema, dataset, each needed by the next.
//!
//! Titles of field groups and schemas are unique in the registry, so there is never a second one; a dataset is found
//! again by its tag. Fields are only added: what stands is never taken away, whoever put it there.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use crate::platform::{Dataset, Etag, FieldGroup, Fields, PatchOperation, Schema};
use crate::resources::aep_dataset::SchemaStatus;
use crate::resources::conditions::Reason;
use crate::resources::lifecycle::OnRemoteMissing;

use super::desired_dataset::{DesiredDataset, OWNER_TAG, is_tagged, owner_tag};
use super::marker::{Ending, Identity};
use super::pace::Pace;
use super::question::Question;
use super::{Body, Failure, Known, Plan, RemoteKind, Step};

/// What is known of the resource's remote objects.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedDataset {
    /// Tenant id of the organization.
    pub tenant: Option<String>,
    /// The field group.
    pub group: Known<String, FieldGroup>,
    /// The schema.
    pub schema: Known<SchemaStatus, Schema>,
    /// The dataset.
    pub dataset: Known<String, Dataset>,
    /// Numbers of the attempts that would create field group, schema and dataset.
    pub next: [i64; 3],
    /// `spec.onRemoteMissing`.
    pub on_missing: OnRemoteMissing,
    /// The objects stood as this very spec says before: what differs now was changed elsewhere.
    pub settled: bool,
    /// The field group that was there before this one, if this one was made in its place.
    pub replaced: Option<String>,
}

impl Default for ObservedDataset {
    fn default() -> Self {
        Self {
            tenant: None,
            group: Known::Absent,
            schema: Known::Absent,
            dataset: Known::Absent,
            next: [1; 3],
            on_missing: OnRemoteMissing::default(),
            settled: false,
            replaced: None,
        }
    }
}

impl ObservedDataset {
    /// The attempt that would create an object of `kind`.
    pub fn next(&mut self, kind: RemoteKind) -> &mut i64 {
        &mut self.next[place(kind)]
    }
}

fn place(kind: RemoteKind) -> usize {
    match kind {
        RemoteKind::FieldGroup => 0,
        RemoteKind::Schema => 1,
        _ => 2,
    }
}

/// From when on a mapping may use fields that were added at `changed`: the streaming services keep a schema for a
/// while. `None`: at once.
pub fn settled_at(changed: Option<Timestamp>, settle: Duration) -> Option<Timestamp> {
    changed.and_then(|changed| changed.checked_add(settle).ok())
}

/// The next steps towards `desired`.
pub fn plan(desired: &DesiredDataset, observed: &ObservedDataset) -> Plan {
    decide(desired, observed).unwrap_or_else(Plan::Stop)
}

fn decide(desired: &DesiredDataset, observed: &ObservedDataset) -> Result<Plan, Failure> {
    let looks = looks(desired, observed);
    if !looks.is_empty() {
        return Ok(Plan::Run(looks));
    }
    if stands(observed) {
        return Ok(Plan::Done);
    }
    let Some(tenant) = &observed.tenant else {
        return Ok(Plan::Run(vec![Step::Ask(Question::Tenant)]));
    };
    let fields = desired.fields(tenant)?;
    check(desired, observed)?;
    let changes = changes(desired, observed, &fields)?;
    if !changes.is_empty() {
        return Ok(Plan::Run(changes));
    }
    let Some(group) = observed.group.standing(|it| it.id.clone()) else {
        let attempt = observed.next[place(RemoteKind::FieldGroup)];
        let body = Body::FieldGroup(desired.field_group(attempt, &fields)?);
        return Ok(Plan::Run(vec![Step::Create { attempt, body }]));
    };
    let Some(schema) = observed.schema.standing(reference) else {
        let attempt = observed.next[place(RemoteKind::Schema)];
        let body = Body::Schema(desired.schema(attempt, &group));
        return Ok(Plan::Run(vec![Step::Create { attempt, body }]));
    };
    if observed.dataset.standing(|it| it.id.clone()).is_none() {
        let attempt = observed.next[place(RemoteKind::Dataset)];
        let body = Body::Dataset(desired.dataset(attempt, &schema));
        return Ok(Plan::Run(vec![Step::Create { attempt, body }]));
    }
    Ok(Plan::Done)
}

/// Everything was read or made, and nothing was found to change: the common case, which needs no tenant id.
fn stands(observed: &ObservedDataset) -> bool {
    matches!(observed.group, Known::Trusted(_))
        && matches!(observed.schema, Known::Trusted(_))
        && matches!(observed.dataset, Known::Trusted(_))
}

/// How status names a schema.
pub fn reference(schema: &Schema) -> SchemaStatus {
    SchemaStatus {
        id: schema.id.clone(),
        major_version: schema.major_version().map_or(1, i64::from).max(1),
    }
}

/// What has to be looked up or read first; all of it at the same time.
fn looks(desired: &DesiredDataset, observed: &ObservedDataset) -> Vec<Step> {
    fn of<R, T>(
        desired: &DesiredDataset,
        kind: RemoteKind,
        known: &Known<R, T>,
        id: impl Fn(&R) -> &String,
    ) -> Option<Step> {
        match known {
            Known::Pending { attempt } => Some(look_up(desired, kind, *attempt)),
            Known::Recorded(recorded) => Some(Step::Read {
                kind,
                id: id(recorded).clone(),
            }),
            _ => None,
        }
    }
    let group = of(desired, RemoteKind::FieldGroup, &observed.group, |id| id);
    let schema = of(desired, RemoteKind::Schema, &observed.schema, |it| &it.id);
    let dataset = of(desired, RemoteKind::Dataset, &observed.dataset, |id| id);
    group.into_iter().chain(schema).chain(dataset).collect()
}

/// Looks for what `attempt`, or one before it, may have made.
pub fn look_up(desired: &DesiredDataset, kind: RemoteKind, attempt: i64) -> Step {
    match kind {
        RemoteKind::FieldGroup | RemoteKind::Schema => Step::LookUpTitle {
            kind,
            attempt,
            title: desired.title(kind).to_owned(),
        },
        _ => Step::LookUp { kind, attempt },
    }
}

/// Whether what stands can ever be what the spec says.
fn check(desired: &DesiredDataset, observed: &ObservedDataset) -> Result<(), Failure> {
    let me = &desired.identity;
    if observed.on_missing == OnRemoteMissing::Stall {
        let missing = observed
            .group
            .missing()
            .map(|id| (RemoteKind::FieldGroup, id));
        let schema = observed
            .schema
            .missing()
            .map(|it| (RemoteKind::Schema, &it.id));
        let dataset = observed
            .dataset
            .missing()
            .map(|id| (RemoteKind::Dataset, id));
        if let Some((kind, id)) = missing.or(schema).or(dataset) {
            return Err(gone(kind, id));
        }
    }
    if let Known::Read(found) = &observed.group {
        ours(me, RemoteKind::FieldGroup, &found.id, &found.description)?;
        if !found.classes.is_empty() && !found.classes.iter().any(|it| it == desired.class()) {
            return Err(other_class(RemoteKind::FieldGroup, &found.id));
        }
    }
    if let Known::Read(found) = &observed.schema {
        ours(me, RemoteKind::Schema, &found.id, &found.description)?;
        if !found.class.is_empty() && found.class != desired.class() {
            return Err(other_class(RemoteKind::Schema, &found.id));
        }
    }
    if let Known::Read(found) = &observed.dataset {
        ours(me, RemoteKind::Dataset, &found.id, &found.description)?;
        let made_for = found.schema_ref.as_ref().map_or("", |schema| &schema.id);
        let schema = observed.schema.standing(reference);
        if schema.is_some_and(|schema| schema.id != made_for) {
            return Err(other_schema(&found.id, made_for));
        }
    }
    let dataset = observed.dataset.standing(|it| it.id.clone());
    if let (Some(missing), Some(dataset)) = (observed.schema.missing(), dataset) {
        return Err(other_schema(&dataset, &missing.id));
    }
    Ok(())
}

/// An object that carries another's marker is not written to.
fn ours(me: &Identity, kind: RemoteKind, id: &str, description: &str) -> Result<(), Failure> {
    match Ending::of(description) {
        Ending::Owned { marker, .. } if !marker.identity.same_resource(me) => {
            let Identity {
                owner,
                namespace,
                name,
                uid: _,
            } = &marker.identity;
            let whose = format!("names resource \"{namespace}/{name}\" of owner {owner}");
            Err(of_another(kind, id, &whose))
        }
        Ending::Unreadable => Err(of_another(
            kind,
            id,
            "is of a form that this version cannot read",
        )),
        Ending::Owned { .. } | Ending::Plain | Ending::Released => Ok(()),
    }
}

/// What turns what was read into what is wanted; the objects' changes are independent of each other.
fn changes(
    desired: &DesiredDataset,
    observed: &ObservedDataset,
    fields: &Fields,
) -> Result<Vec<Step>, Failure> {
    let me = &desired.identity;
    let mut steps = Vec::new();
    if let Known::Read(found) = &observed.group {
        let kind = RemoteKind::FieldGroup;
        let mut operations = found
            .additions(fields)
            .map_err(|conflict| occupied(&found.id, &conflict.path))?;
        operations.extend(label(desired, kind, &found.title, &found.description));
        steps.extend(patch(kind, &found.id, operations));
    }
    if let (Known::Read(found), Some(group)) = (
        &observed.schema,
        observed.group.standing(|it| it.id.clone()),
    ) {
        let kind = RemoteKind::Schema;
        let mut operations = Vec::new();
        if !found.parts().any(|part| part == group) {
            let before = observed.replaced.as_ref();
            operations.push(match before.and_then(|before| found.position_of(before)) {
                // A reference to nothing would have the whole schema refused.
                Some(position) => PatchOperation::put_field_group(position, &group),
                None => PatchOperation::add_field_group(&group),
            });
        }
        operations.extend(label(desired, kind, &found.title, &found.description));
        steps.extend(patch(kind, &found.id, operations));
    }
    if let Known::Read(found) = &observed.dataset {
        let kind = RemoteKind::Dataset;
        let mut operations = label(desired, kind, &found.name, &found.description);
        if !is_tagged(found, me) {
            operations.push(PatchOperation::set_tag(OWNER_TAG, &owner_tag(me)));
        }
        steps.extend(patch(kind, &found.id, operations));
    }
    Ok(steps)
}

fn label(
    desired: &DesiredDataset,
    kind: RemoteKind,
    name: &str,
    description: &str,
) -> Vec<PatchOperation> {
    let label = desired.label(kind);
    label.changes(kind, &desired.identity, name, description)
}

/// Neither service documents `If-Match`, so there is no etag: the last writer wins.
fn patch(kind: RemoteKind, id: &str, operations: Vec<PatchOperation>) -> Option<Step> {
    (!operations.is_empty()).then(|| Step::Patch {
        kind,
        id: id.to_owned(),
        etag: Etag::default(),
        operations,
    })
}

fn gone(kind: RemoteKind, id: &str) -> Failure {
    let title = kind.title();
    let cost = match kind {
        RemoteKind::Dataset => {
            "a new dataset is empty, and dataflows into this one have to be made anew"
        }
        _ => "what was made for it does not follow to a new one by itself",
    };
    Failure::stalled(
        Reason::RemoteMissing,
        format!(
            "AEP answers that {title} {id} does not exist. It was deleted outside this operator, or a label hides it from \
             this credential. It is not created again by itself, because {cost}: restore access to it, or set \
             spec.onRemoteMissing to Recreate."
        ),
    )
}

fn other_schema(dataset: &str, schema: &str) -> Failure {
    Failure::stalled(
        Reason::RemoteMissing,
        format!(
            "Dataset {dataset} was made for schema \"{schema}\", which is not the one this resource has (any more). A dataset \
             stays with its schema: restore that schema; or delete the dataset in AEP with its data and set \
             spec.onRemoteMissing to Recreate."
        ),
    )
}

fn other_class(kind: RemoteKind, id: &str) -> Failure {
    let title = kind.title();
    Failure::stalled(
        Reason::InvalidSpec,
        format!(
            "The {title} {id} of this resource is for another class than spec.schema.class, and a class cannot be changed. \
             Create this resource anew with the class it has, or with another spec.schema.title."
        ),
    )
}

fn occupied(group: &str, path: &str) -> Failure {
    Failure::stalled(
        Reason::InvalidSpec,
        format!(
            "spec.schema.fields: {path} cannot be added to field group {group}: a field of another type is there already, or \
             on the way to it. AEP lets no field change its type. Nothing was written. Remove that field in AEP if nothing \
             uses it yet; or delete this resource with the annotation {}=true and create it again with another path: it \
             takes over what stands.",
            crate::resources::ABANDON
        ),
    )
}

/// Something of this title stands and is not this resource's.
pub fn of_another(kind: RemoteKind, id: &str, whose: &str) -> Failure {
    let title = kind.title();
    Failure::stalled(
        Reason::OwnedByAnother,
        format!(
            "The ownership marker on {title} {id} {whose}. Nothing is written to it. Let the other resource go first (with \
             deletionPolicy: Delete, or delete the {title} in AEP), or create this AepDataset anew with another \
             spec.schema.title and spec.name."
        ),
    )
}

/// A title is taken. `holder` is what has it, as far as AEP shows it.
pub fn title_taken(kind: RemoteKind, title: &str, holder: &str) -> Failure {
    let of = kind.title();
    let rule = match kind {
        RemoteKind::FieldGroup => {
            " The field group is called like the schema, with \" fields\" at the end."
        }
        _ => "",
    };
    Failure::stalled(
        Reason::OwnedByAnother,
        format!(
            "AEP has {holder} with the title \"{title}\", and it does not carry the ownership marker of this resource, so it \
             is not taken over (XDM-1521-400). Titles are unique in AEP, so no {of} can be made. Create this AepDataset anew with \
             another spec.schema.title, or rename or delete the other one in AEP.{rule}"
        ),
    )
}

/// A title is taken by something that AEP does not list: what a lost answer made may come late, and classes are in
/// neither list.
pub fn title_unseen(kind: RemoteKind, title: &str) -> Failure {
    let of = kind.title();
    Failure::passing(
        Reason::RejectedByPlatform,
        format!(
            "AEP refuses the {of} because the title \"{title}\" is taken (XDM-1521-400), and does not list what has it, or \
             not yet. The operator looks again by itself. If this goes on, something else of the registry has the title, such as \
             a class: create this AepDataset anew with another spec.schema.title."
        ),
        Pace::Backoff,
    )
}

/// AEP refused a dataset, `words`, and another one has its name.
pub fn name_taken(name: &str, holder: &str, words: &str) -> Failure {
    Failure::stalled(
        Reason::RejectedByPlatform,
        format!(
            "{words} AEP has dataset {holder} with the name \"{name}\" already, and it is not this resource's. If that is why, \
             rename or delete that dataset in AEP, or create this AepDataset anew with another spec.name."
        ),
    )
}

#[cfg(test)]
#[path = "dataset_tests.rs"]
mod tests;

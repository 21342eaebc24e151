//! Where records land: from what `spec.target` names to ids, and what has to be asked on the way.
//!
//! What a spec says in full costs no call. What was found stands in status as soon as something is built on it, and
//! counts from then on: a restart asks nothing, and a dataset that is renamed does not move the flow. As long as
//! nothing is built, every try looks anew: what was wrong in AEP may have been mended there.

use crate::platform::{Dataset, Schema};
use crate::resources::AepDataflowSpec;
use crate::resources::aep_dataflow::{
    ExistingDataset, SchemaReference, TargetSchema, TargetStatus,
};
use crate::resources::conditions::Reason;

use super::question::{Answer, Question};
use super::{Failure, Plan, Step, Wait};

/// What stands for the tenant id in a destination.
const TENANT: &str = "{tenant}";

/// A target by its ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedTarget {
    /// Id of the dataset.
    pub dataset_id: String,
    /// Its schema.
    pub schema: SchemaReference,
    /// The `$id` of the schema's class, where somebody knows it.
    pub class: Option<String>,
    /// The organization's tenant id, where somebody knows it.
    pub tenant: Option<String>,
}

impl ResolvedTarget {
    /// As status records it.
    pub fn status(&self) -> TargetStatus {
        TargetStatus {
            dataset_id: self.dataset_id.clone(),
            schema: TargetSchema {
                id: self.schema.id.clone(),
                major_version: self.schema.major_version,
                class: self.class.clone(),
            },
            tenant_id: self.tenant.clone(),
        }
    }

    /// A destination with the tenant id in its place.
    pub fn destination(&self, written: &str) -> String {
        match &self.tenant {
            Some(tenant) => written.replace(TENANT, tenant),
            None => written.to_owned(),
        }
    }
}

impl From<&TargetStatus> for ResolvedTarget {
    fn from(status: &TargetStatus) -> Self {
        Self {
            dataset_id: status.dataset_id.clone(),
            schema: SchemaReference {
                id: status.schema.id.clone(),
                major_version: status.schema.major_version,
            },
            class: status.schema.class.clone(),
            tenant: status.tenant_id.clone(),
        }
    }
}

/// What is known of a target without asking the platform.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TargetView {
    /// No more than `spec.target.existing` says.
    #[default]
    Existing,
    /// The `AepDataset` stands.
    Known(ResolvedTarget),
    /// The `AepDataset` has no dataset yet.
    NotYet {
        /// What to wait for, in words.
        message: String,
    },
}

/// What the platform has answered.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(
    clippy::option_option,
    reason = "not asked, asked in vain, and found are three things"
)]
pub struct Answers {
    named: Option<Vec<Dataset>>,
    dataset: Option<Option<Box<Dataset>>>,
    schema: Option<Option<Box<Schema>>>,
    tenant: Option<String>,
}

impl Answers {
    /// Takes an answer in.
    pub fn take(&mut self, answer: Answer) {
        match answer {
            Answer::DatasetsNamed(found) => self.named = Some(found),
            Answer::Dataset(found) => self.dataset = Some(found),
            Answer::Schema(found) => self.schema = Some(found),
            Answer::Tenant(found) => self.tenant = Some(found),
            Answer::Mapping(_) => {}
        }
    }
}

/// Everything that a target is found from.
#[derive(Clone, Copy, Debug)]
pub struct Search<'a> {
    /// The dataflow's spec.
    pub spec: &'a AepDataflowSpec,
    /// What is known without asking.
    pub view: &'a TargetView,
    /// What it came to when something was first built on it.
    pub recorded: Option<&'a TargetStatus>,
    /// What was asked.
    pub answers: &'a Answers,
    /// The sandbox, for messages.
    pub sandbox: &'a str,
}

/// What a search came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolution {
    /// The target.
    Known(ResolvedTarget),
    /// Something has to be asked, waited for or mended first.
    Not(Plan),
}

/// As far as the dataset is known.
enum Found {
    Yes(ResolvedTarget),
    Ask(Question),
    No(Plan),
}

impl Search<'_> {
    /// The target, or what comes first.
    pub fn resolve(&self) -> Resolution {
        let (found, mut questions) = match self.dataset() {
            Found::Yes(found) => (Some(found), Vec::new()),
            Found::Ask(question) => (None, vec![question]),
            Found::No(plan) => return Resolution::Not(plan),
        };
        let known = found.as_ref().and_then(|found| found.tenant.as_ref());
        let known = known.or(self.answers.tenant.as_ref()).cloned();
        let destinations = self.spec.mapping.iter().map(|row| &row.destination);
        if known.is_none() && destinations.into_iter().any(|it| it.contains(TENANT)) {
            questions.push(Question::Tenant);
        }
        match found {
            Some(found) if questions.is_empty() => Resolution::Known(ResolvedTarget {
                tenant: known,
                ..found
            }),
            _ => Resolution::Not(Plan::Run(questions.into_iter().map(Step::Ask).collect())),
        }
    }

    fn dataset(&self) -> Found {
        let recorded = self.recorded.map(ResolvedTarget::from);
        match (self.view, recorded, &self.spec.target.existing) {
            (TargetView::Known(now), Some(then), _) if now.dataset_id != then.dataset_id => {
                Found::No(Plan::Stop(moved(&then.dataset_id, &now.dataset_id)))
            }
            (TargetView::Known(now), then, _) => Found::Yes(ResolvedTarget {
                tenant: now.tenant.clone().or(then.and_then(|then| then.tenant)),
                ..now.clone()
            }),
            (_, Some(recorded), _) => Found::Yes(recorded),
            (TargetView::NotYet { message }, None, _) => Found::No(Plan::Wait(Wait {
                reason: Reason::WaitingForDataset,
                message: message.clone(),
                poll: false,
            })),
            (TargetView::Existing, None, Some(existing)) => self.existing(existing),
            // Admission lets no spec without a target through.
            (TargetView::Existing, None, None) => Found::No(stop(
                "spec.target names neither existing nor datasetRef.".into(),
            )),
        }
    }

    fn existing(&self, existing: &ExistingDataset) -> Found {
        let ExistingDataset {
            dataset_id,
            dataset_name,
            schema,
        } = existing;
        let sandbox = self.sandbox;
        match (dataset_id, dataset_name, schema) {
            (Some(id), _, Some(schema)) => Found::Yes(target(id, schema.clone(), None)),
            (Some(id), _, None) => match &self.answers.dataset {
                None => Found::Ask(Question::Dataset(id.clone())),
                Some(None) => Found::No(stop(format!(
                    "Dataset {id} does not exist in sandbox \"{sandbox}\", or is not visible to the credential. Create it or \
                     give access to it; if spec.target.existing.datasetId is wrong, create this AepDataflow anew."
                ))),
                Some(Some(dataset)) => self.of(dataset),
            },
            (None, name, schema) => {
                let name = name.as_deref().unwrap_or_default();
                let Some(listed) = &self.answers.named else {
                    return Found::Ask(Question::DatasetsNamed(name.to_owned()));
                };
                let found: Vec<&Dataset> = listed.iter().filter(|it| it.name == name).collect();
                let dataset = match found.as_slice() {
                    [] => {
                        return Found::No(stop(format!(
                            "No dataset in sandbox \"{sandbox}\" that the credential can see is named \"{name}\". Create it or \
                             give access to it; if spec.target.existing.datasetName is wrong, create this AepDataflow anew."
                        )));
                    }
                    [dataset] => *dataset,
                    several => return Found::No(stop(ambiguous(name, sandbox, several))),
                };
                let Some(schema) = schema else {
                    return self.of(dataset);
                };
                match made_for_another(dataset, schema, sandbox) {
                    Some(message) => Found::No(stop(message)),
                    None => Found::Yes(target(&dataset.id, schema.clone(), None)),
                }
            }
        }
    }

    /// A dataset with the schema that it says itself.
    fn of(&self, dataset: &Dataset) -> Found {
        let Some(made_for) = dataset.schema_ref.as_ref().filter(|it| !it.id.is_empty()) else {
            return Found::No(stop(format!(
                "Dataset {} (\"{}\") has no schema, so no flow can write into it. Create this AepDataflow anew for a dataset \
                 that has one.",
                dataset.id, dataset.name
            )));
        };
        let said = made_for.major_version();
        let reference = |major_version| SchemaReference {
            id: made_for.id.clone(),
            major_version,
        };
        match (&self.answers.schema, said) {
            (None, _) => Found::Ask(Question::Schema(reference(said.unwrap_or(1)))),
            (Some(Some(schema)), _) => {
                let version = said.or(schema.major_version()).unwrap_or(1);
                let class = Some(schema.class.clone()).filter(|class| !class.is_empty());
                Found::Yes(target(&dataset.id, reference(version), class))
            }
            // It is read for its class; without, the mapping is not checked beforehand, and that is all.
            (Some(None), Some(version)) => {
                Found::Yes(target(&dataset.id, reference(version), None))
            }
            (Some(None), None) => Found::No(stop(format!(
                "The schema {} of dataset {} is not visible to the credential, and its version is told nowhere else. Give access to \
                 it, or create this AepDataflow anew with spec.target.existing.schema.",
                made_for.id, dataset.id
            ))),
        }
    }
}

fn target(dataset_id: &str, schema: SchemaReference, class: Option<String>) -> ResolvedTarget {
    ResolvedTarget {
        dataset_id: dataset_id.to_owned(),
        schema,
        class,
        tenant: None,
    }
}

fn stop(message: String) -> Plan {
    Plan::Stop(Failure::stalled(Reason::InvalidSpec, message))
}

fn ambiguous(name: &str, sandbox: &str, several: &[&Dataset]) -> String {
    const SHOWN: usize = 5;
    let mut ids: Vec<&str> = several.iter().map(|it| it.id.as_str()).collect();
    ids.sort_unstable();
    let more = ids.len().saturating_sub(SHOWN);
    ids.truncate(SHOWN);
    let more = match more {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "{} datasets in sandbox \"{sandbox}\" are named \"{name}\": {}{more}. Rename all but one in AEP, or create this AepDataflow \
         anew with the spec.target.existing.datasetId of the one that is meant.",
        several.len(),
        ids.join(", ")
    )
}

/// What is wrong with the schema that the spec gives a dataset.
pub fn made_for_another(
    dataset: &Dataset,
    schema: &SchemaReference,
    sandbox: &str,
) -> Option<String> {
    let made_for = dataset.schema_ref.as_ref()?;
    let other_version = || {
        made_for
            .major_version()
            .is_some_and(|it| it != schema.major_version)
    };
    (made_for.id != schema.id || other_version()).then(|| {
        format!(
            "Dataset {} in sandbox \"{sandbox}\" is made for schema {} ({}), but spec.target.existing.schema is {} in major \
             version {}. Create this AepDataflow anew with the dataset's own schema, or without one: it is then read from the \
             dataset.",
            dataset.id, made_for.id, made_for.content_type, schema.id, schema.major_version
        )
    })
}

fn moved(then: &str, now: &str) -> Failure {
    Failure::stalled(
        Reason::RemoteMissing,
        format!(
            "The flow writes into dataset {then}, and the AepDataset of spec.target.datasetRef has dataset {now} by now: the first \
             one was made anew. A flow stays with its dataset: create this AepDataflow anew for the new one."
        ),
    )
}

#[cfg(test)]
#[path = "target_tests.rs"]
mod tests;

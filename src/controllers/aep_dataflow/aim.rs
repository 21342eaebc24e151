//! What an `AepDataflow` should be: known once its target is, which may have to be asked for first.

use crate::controllers::managed::ManagedStatus as _;
use crate::plan::Plan;
use crate::plan::desired::DesiredDataflow;
use crate::plan::mapping_help::{self, Advice};
use crate::plan::marker::Identity;
use crate::plan::target::{Answers, Resolution, Search, TargetView};
use crate::resources::{AepDataflow, AepDataflowStatus};

/// What a dataflow should be, as far as its target is known.
pub(super) enum Aim {
    Known {
        desired: Box<DesiredDataflow>,
        hash: String,
        advice: Advice,
    },
    /// What comes before it is.
    Not(Plan),
}

impl Aim {
    /// What follows from what is known by now.
    pub(super) fn of(
        identity: &Identity,
        dataflow: &AepDataflow,
        status: &AepDataflowStatus,
        (view, answers, sandbox): (&TargetView, &Answers, &str),
    ) -> Self {
        // What nothing is built on may still turn out to be another one.
        let built_on = !status.holdings().is_empty();
        let search = Search {
            spec: &dataflow.spec,
            view,
            recorded: status.target.as_ref().filter(|_| built_on),
            answers,
            sandbox,
        };
        match search.resolve() {
            Resolution::Known(target) => {
                let advice = mapping_help::advise(&dataflow.spec.mapping, target.class.as_deref());
                let desired = DesiredDataflow::new(identity.clone(), &dataflow.spec, target);
                Self::Known {
                    hash: desired.hash(),
                    desired: Box::new(desired),
                    advice,
                }
            }
            Resolution::Not(plan) => Self::Not(plan),
        }
    }

    pub(super) fn desired(&self) -> Option<&DesiredDataflow> {
        match self {
            Self::Known { desired, .. } => Some(desired),
            Self::Not(_) => None,
        }
    }

    pub(super) fn hash(&self) -> Option<&str> {
        match self {
            Self::Known { hash, .. } => Some(hash),
            Self::Not(_) => None,
        }
    }
}

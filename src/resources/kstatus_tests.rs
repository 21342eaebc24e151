//! What kstatus and Flux' checker of conditions make of ours: their rules, written anew, on every way a resource can stand.
//!
//! docs/gitops.md has the tables for users.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use super::conditions::{READY, RECONCILING, Reason, STALLED, Standing, find};
use super::{AepDataflowStatus, definitions};

/// What is asked of a resource.
#[derive(Clone, Debug, Default)]
struct Resource {
    generation: i64,
    deleting: bool,
    observed: Option<i64>,
    conditions: Vec<Condition>,
}

#[derive(Debug, PartialEq, Eq)]
enum Kstatus {
    InProgress,
    Failed,
    Current,
    Terminating,
}

impl Resource {
    /// A resource of this generation that nobody has looked at, as the definition of its kind has it born.
    fn new(generation: i64) -> Self {
        let born = definitions().into_iter().map(|definition| {
            let version = definition.spec.versions.into_iter().next().unwrap();
            let schema = version.schema.unwrap().open_api_v3_schema.unwrap();
            let status = schema.properties.unwrap().remove("status").unwrap();
            status.default.unwrap().0["observedGeneration"].as_i64()
        });
        let born: BTreeSet<Option<i64>> = born.collect();
        assert_eq!(born.len(), 1, "every kind is born alike");
        Self {
            generation,
            observed: born.into_iter().next().flatten(),
            ..Self::default()
        }
    }

    /// As a reconcile leaves it.
    fn looked_at(&self, standing: &Standing) -> Self {
        let now = Timestamp::from_second(self.generation).unwrap();
        let suspended = matches!(standing, Standing::Suspended);
        Self {
            observed: if suspended {
                self.observed
            } else {
                Some(self.generation)
            },
            conditions: standing.conditions(&self.conditions, self.generation, now),
            ..self.clone()
        }
    }

    fn is(&self, type_: &str) -> bool {
        find(&self.conditions, type_).is_some_and(|it| it.status == "True")
    }

    /// The rules of kstatus for kinds it does not know, in their order.
    fn kstatus(&self) -> Kstatus {
        if self.deleting {
            Kstatus::Terminating
        } else if self.observed.is_some_and(|it| it != self.generation) || self.is(RECONCILING) {
            Kstatus::InProgress
        } else if self.is(STALLED) {
            Kstatus::Failed
        } else {
            Kstatus::Current
        }
    }

    /// The rules of Flux' checker that this operator keeps; the first one that is broken.
    fn broken_rule(&self) -> Option<&'static str> {
        let stands = |type_| find(&self.conditions, type_).is_some();
        let not_ready = find(&self.conditions, READY).is_some_and(|it| it.status == "False");
        let generations = || self.conditions.iter().map(|it| it.observed_generation);
        let rules = [
            (stands(READY), "Ready is always there"),
            (
                !self.is(RECONCILING) || not_ready,
                "Ready is False while Reconciling is True",
            ),
            (
                !self.is(STALLED) || not_ready,
                "Ready is False while Stalled is True",
            ),
            (
                !(stands(RECONCILING) && stands(STALLED)),
                "Reconciling and Stalled never stand together",
            ),
            (
                [RECONCILING, STALLED]
                    .iter()
                    .all(|it| stands(it) == self.is(it)),
                "Reconciling and Stalled are removed, not False",
            ),
            (
                generations().all(|it| it.is_some_and(|it| it >= 1)),
                "every condition has an observedGeneration",
            ),
            (
                self.observed.is_none_or(|it| it <= self.generation),
                "observedGeneration is not ahead",
            ),
            (
                !self.is(READY)
                    || self.observed == Some(self.generation)
                        && generations().all(|it| it == self.observed),
                "Ready is not True for an earlier generation",
            ),
        ];
        rules
            .iter()
            .find_map(|(kept, rule)| (!kept).then_some(*rule))
    }
}

fn ready() -> Standing {
    Standing::Ready {
        message: "m".into(),
    }
}

fn reconciling() -> Standing {
    Standing::Reconciling {
        reason: Reason::WaitingForInlet,
        message: "m".into(),
    }
}

fn stalled() -> Standing {
    Standing::Stalled {
        reason: Reason::SecretMissing,
        message: "m".into(),
    }
}

#[test]
fn kstatus_sees_each_standing_for_what_it_is() {
    let new = Resource::new(1);
    for (standing, seen) in [
        (ready(), Kstatus::Current),
        (reconciling(), Kstatus::InProgress),
        (stalled(), Kstatus::Failed),
    ] {
        let mut resource = new.looked_at(&standing);
        assert_eq!(resource.kstatus(), seen, "{standing:?}");
        resource.generation = 2;
        assert_eq!(resource.kstatus(), Kstatus::InProgress, "edited since");
        resource.deleting = true;
        assert_eq!(resource.kstatus(), Kstatus::Terminating);
    }
}

#[test]
fn kstatus_takes_a_new_resource_and_a_suspended_one_for_in_progress() {
    assert_eq!(Resource::new(1).kstatus(), Kstatus::InProgress);
    let suspended = Resource::new(1).looked_at(&Standing::Suspended);
    assert_eq!(
        suspended.kstatus(),
        Kstatus::InProgress,
        "suspended from the start"
    );
    let mut suspended = Resource::new(1).looked_at(&ready());
    // Writing spec.suspend is a new generation.
    suspended.generation = 2;
    let suspended = suspended.looked_at(&Standing::Suspended);
    assert_eq!(suspended.kstatus(), Kstatus::InProgress);
}

#[test]
fn whatever_follows_on_whatever_the_checker_of_flux_finds_nothing() {
    let standings = [ready(), reconciling(), stalled()];
    for first in &standings {
        for second in &standings {
            let mut resource = Resource::new(1).looked_at(first);
            assert_eq!(resource.broken_rule(), None, "{first:?}");
            resource.generation = 2;
            let resource = resource.looked_at(second);
            assert_eq!(resource.broken_rule(), None, "{first:?}, then {second:?}");
        }
    }
    let mut suspended = Resource::new(1).looked_at(&ready());
    suspended.generation = 2;
    assert_eq!(
        suspended.looked_at(&Standing::Suspended).broken_rule(),
        Some("Ready is not True for an earlier generation"),
        "the one exception, which docs/gitops.md names"
    );
}

#[test]
fn a_new_resource_is_one_that_was_never_looked_at_and_stays_so_until_it_is() {
    let born = json!({"observedGeneration": -1});
    let status: AepDataflowStatus = serde_json::from_value(born).unwrap();
    assert_eq!(status, AepDataflowStatus::default());
    let looked_at = json!({"observedGeneration": 1});
    let status: AepDataflowStatus = serde_json::from_value(looked_at.clone()).unwrap();
    assert_eq!(status.observed_generation, Some(1));
    assert_eq!(serde_json::to_value(status).unwrap(), looked_at);
}

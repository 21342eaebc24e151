//! Faults: rules that match calls and say what goes wrong. The decision is a value (`Plan`), made here
//! without any waiting; whoever runs the emulator carries it out.

use std::time::Duration;

use http::Request;
use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::ids::Ids;

/// One rule, as `POST /_emulator/faults` takes it. The first rule that matches a call and still has effect
/// decides; `method` and `path` are regular expressions, `path` is tried on the path and on path and query.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
// The control interface's own fields, each a yes or no.
#[allow(clippy::struct_excessive_bools)]
pub struct FaultRule {
    /// Methods it applies to; empty: all.
    #[serde(default)]
    pub method: String,
    /// Paths it applies to; empty: all.
    #[serde(default)]
    pub path: String,
    /// Wait before the call is looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// Answer with this status, in the service's error shape; nothing is done, unless `commitLateMs` says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Answer with an HTML page instead of the service's error shape (502 without `status`).
    #[serde(default)]
    pub html: bool,
    /// Have the error repeat the call, its credential and its body, as a careless service would (500 without `status`;
    /// 200 is an answer that cannot be read).
    #[serde(default)]
    pub quote: bool,
    /// Close the connection without doing or answering anything.
    #[serde(default)]
    pub drop_before_commit: bool,
    /// Do it, then close the connection without an answer.
    #[serde(default)]
    pub drop_after_commit: bool,
    /// Do it this much later. Alone, the answer waits for it; together with `status`, a drop or `hang`, it
    /// happens behind the client's back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_late_ms: Option<u64>,
    /// Take the call and never answer, nor do it (but see `commitLateMs`).
    #[serde(default)]
    pub hang: bool,
    /// `Retry-After` header, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// How many calls it hits before it is spent; none: every call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Chance of hitting a call, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// Seed of that chance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// What happens to one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Wait before anything else.
    pub latency: Duration,
    /// Whether and when the call takes effect.
    pub commit: Commit,
    /// What the client gets.
    pub reply: PlannedReply,
    /// Place of the call in the request log.
    pub(crate) entry: u64,
}

/// When a call takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit {
    /// After the latency.
    Now,
    /// This long after the latency.
    Late(Duration),
    /// Not at all.
    Never,
}

/// What the client gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlannedReply {
    /// The service's answer.
    Normal,
    /// An error in the service's shape, or a page of HTML.
    Error {
        /// HTTP status.
        status: u16,
        /// HTML instead of the service's shape.
        html: bool,
        /// The call itself is in its words.
        quote: bool,
        /// `Retry-After`, in seconds.
        retry_after: Option<u64>,
    },
    /// The connection is closed without an answer.
    Drop,
    /// The connection stays open without an answer.
    Hang,
}

/// The rules in force.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Vec<Armed>,
}

#[derive(Debug)]
struct Armed {
    rule: FaultRule,
    method: Regex,
    path: Regex,
    left: Option<u64>,
    dice: Ids,
}

impl Faults {
    /// Replaces the rules; an empty list clears them.
    pub(crate) fn arm(&mut self, rules: Vec<FaultRule>) -> Result<(), String> {
        let compile = |pattern: &str| Regex::new(pattern).map_err(|error| error.to_string());
        self.rules = rules
            .into_iter()
            .map(|rule| {
                Ok(Armed {
                    method: compile(&format!(
                        "(?i)^(?:{})$",
                        if rule.method.is_empty() {
                            ".*"
                        } else {
                            &rule.method
                        }
                    ))?,
                    path: compile(&rule.path)?,
                    left: rule.times,
                    dice: Ids::new(rule.seed.unwrap_or(0)),
                    rule,
                })
            })
            .collect::<Result<_, String>>()?;
        Ok(())
    }

    /// The rules that still have effect, with the times they have left.
    pub(crate) fn armed(&self) -> Vec<FaultRule> {
        let left = self.rules.iter().filter(|armed| armed.left != Some(0));
        left.map(|armed| FaultRule {
            times: armed.left,
            ..armed.rule.clone()
        })
        .collect()
    }

    /// Decides about one call, using up the rule that hits it.
    pub(crate) fn decide<B>(
        &mut self,
        request: &Request<B>,
        latency: Duration,
        entry: u64,
    ) -> Plan {
        let mut plan = Plan {
            latency,
            commit: Commit::Now,
            reply: PlannedReply::Normal,
            entry,
        };
        let path = request.uri().path();
        let path_and_query = request
            .uri()
            .path_and_query()
            .map_or(path, http::uri::PathAndQuery::as_str);
        for armed in &mut self.rules {
            let matches = armed.left != Some(0)
                && armed.method.is_match(request.method().as_str())
                && (armed.path.is_match(path) || armed.path.is_match(path_and_query));
            if !matches
                || armed
                    .rule
                    .probability
                    .is_some_and(|chance| armed.dice.fraction() >= chance)
            {
                continue;
            }
            armed.left = armed.left.map(|left| left - 1);
            armed.rule.apply(&mut plan);
            break;
        }
        plan
    }
}

impl FaultRule {
    fn apply(&self, plan: &mut Plan) {
        plan.latency += Duration::from_millis(self.latency_ms.unwrap_or(0));
        let unanswered = self.drop_before_commit || self.drop_after_commit || self.hang;
        plan.reply = if self.drop_before_commit || self.drop_after_commit {
            PlannedReply::Drop
        } else if self.hang {
            PlannedReply::Hang
        } else if self.status.is_some() || self.html || self.quote || self.retry_after.is_some() {
            let status = self.status.unwrap_or(match (self.html, self.quote) {
                (true, _) => 502,
                (false, true) => 500,
                (false, false) => 429,
            });
            PlannedReply::Error {
                status,
                html: self.html,
                quote: self.quote,
                retry_after: self.retry_after,
            }
        } else {
            PlannedReply::Normal
        };
        plan.commit = match self.commit_late_ms {
            Some(late) => Commit::Late(Duration::from_millis(late)),
            None if self.drop_after_commit && !self.drop_before_commit => Commit::Now,
            None if unanswered || plan.reply != PlannedReply::Normal => Commit::Never,
            None => Commit::Now,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(faults: &mut Faults, method: &str, uri: &str) -> Plan {
        let request = Request::builder().method(method).uri(uri).body(()).unwrap();
        faults.decide(&request, Duration::ZERO, 0)
    }

    #[test]
    fn a_rule_hits_as_often_as_it_says_and_only_what_it_names() {
        let mut faults = Faults::default();
        let rule = FaultRule {
            method: "POST".into(),
            path: "/flows$".into(),
            drop_after_commit: true,
            times: Some(1),
            ..FaultRule::default()
        };
        faults.arm(vec![rule]).unwrap();
        assert_eq!(
            decide(&mut faults, "GET", "/x/flows").reply,
            PlannedReply::Normal
        );
        let hit = decide(&mut faults, "POST", "/x/flows?mode=draft");
        assert_eq!((hit.commit, hit.reply), (Commit::Now, PlannedReply::Drop));
        assert_eq!(
            decide(&mut faults, "POST", "/x/flows").reply,
            PlannedReply::Normal
        );
        assert!(faults.armed().is_empty());
    }

    #[test]
    fn a_status_means_that_nothing_was_done_unless_it_is_done_late() {
        let mut faults = Faults::default();
        faults
            .arm(vec![FaultRule {
                status: Some(504),
                ..FaultRule::default()
            }])
            .unwrap();
        assert_eq!(decide(&mut faults, "POST", "/flows").commit, Commit::Never);
        let late = FaultRule {
            status: Some(504),
            commit_late_ms: Some(5),
            ..FaultRule::default()
        };
        faults.arm(vec![late]).unwrap();
        assert_eq!(
            decide(&mut faults, "POST", "/flows").commit,
            Commit::Late(Duration::from_millis(5))
        );
    }

    #[test]
    fn a_chance_is_repeatable_with_its_seed() {
        let run = || {
            let mut faults = Faults::default();
            let rule = FaultRule {
                status: Some(503),
                probability: Some(0.5),
                seed: Some(3),
                ..FaultRule::default()
            };
            faults.arm(vec![rule]).unwrap();
            (0..40)
                .map(|_| decide(&mut faults, "GET", "/").reply != PlannedReply::Normal)
                .collect::<Vec<_>>()
        };
        let hits = run();
        assert_eq!(hits, run());
        assert!(hits.contains(&true) && hits.contains(&false));
    }

    #[test]
    fn a_bad_expression_is_refused_and_keeps_the_rules_in_force() {
        let mut faults = Faults::default();
        faults
            .arm(vec![FaultRule {
                hang: true,
                ..FaultRule::default()
            }])
            .unwrap();
        assert!(
            faults
                .arm(vec![FaultRule {
                    path: "(".into(),
                    ..FaultRule::default()
                }])
                .is_err()
        );
        assert_eq!(faults.armed().len(), 1);
    }
}

//! kube-apiserver without kubectl: to apply thousands of manifests, and to see the moment something becomes true.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::control_plane::ControlPlane;

/// Calls at the same time when many objects are applied.
const PARALLEL: usize = 16;
/// Objects of a page of a list.
const PAGE: usize = 500;
/// The API of our resources.
const API: &str = "/apis/aep-operator.dev/v1alpha1";

/// Our kinds by their plurals.
pub const SOURCES: &str = "customeriosources";
/// The other one.
pub const DATAFLOWS: &str = "aepdataflows";

/// An administrator's view of a control plane.
#[derive(Clone, Debug)]
pub struct Cluster {
    client: reqwest::Client,
    url: String,
}

impl Cluster {
    /// Of this control plane.
    pub fn of(plane: &ControlPlane) -> Result<Self> {
        Ok(Self {
            client: plane.http_client()?,
            url: plane.url().to_owned(),
        })
    }

    /// Applies manifests on the server's side, many at a time; each is one request.
    pub async fn apply(&self, manifests: &[Value]) -> Result<()> {
        stream::iter(manifests)
            .map(Ok)
            .try_for_each_concurrent(PARALLEL, async |manifest| self.apply_one(manifest).await)
            .await
    }

    async fn apply_one(&self, manifest: &Value) -> Result<()> {
        let path = path_of(manifest)?;
        let url = format!("{}{path}?fieldManager=bench&force=true", self.url);
        let request = self
            .client
            .patch(url)
            .header("content-type", "application/apply-patch+yaml")
            .body(manifest.to_string());
        let answer = request.send().await?;
        let status = answer.status();
        // Read to its end also if it says nothing: a stream that is cut off a thousand times ends the connection.
        let text = answer.text().await?;
        ensure!(status.is_success(), "applying {path}: {status}: {text}");
        Ok(())
    }

    /// Every object of a kind in every namespace, and the version of the list.
    pub async fn list(&self, plural: &str) -> Result<(Vec<Value>, String)> {
        let mut items = Vec::new();
        let mut token = String::new();
        loop {
            let query = format!("limit={PAGE}&continue={token}");
            let url = format!("{}{API}/{plural}?{query}", self.url);
            let answer = self.client.get(url).send().await?.error_for_status()?;
            let mut page: Value = answer.json().await?;
            if let Value::Array(more) = page["items"].take() {
                items.extend(more);
            }
            let of = |name: &str| page["metadata"][name].as_str().unwrap_or_default();
            of("continue").clone_into(&mut token);
            if token.is_empty() {
                return Ok((items, of("resourceVersion").to_owned()));
            }
        }
    }

    /// Whether kube-apiserver has answered lists of all these since it was started, to the end of their pages.
    pub async fn has_listed(&self, plurals: [&str; 2]) -> Result<bool> {
        Ok(have_been_listed(&self.metrics().await?, plurals))
    }

    /// Requests so far that write what the operator may write, whether they changed something or not: our resources,
    /// Events and Secrets. Leases are left out, they are renewed by the clock.
    pub async fn writes(&self) -> Result<u64> {
        Ok(writes_in(&self.metrics().await?))
    }

    async fn metrics(&self) -> Result<String> {
        let url = format!("{}/metrics", self.url);
        let answer = self.client.get(url).send().await?.error_for_status()?;
        Ok(answer.text().await?)
    }

    /// Follows a kind from now on.
    pub async fn watch(&self, plural: &'static str) -> Result<Watch> {
        let (states, answer) = self.open(plural).await?;
        Ok(Watch {
            cluster: self.clone(),
            plural,
            states,
            answer,
            unread: Vec::new(),
        })
    }

    async fn open(&self, plural: &str) -> Result<(BTreeMap<String, State>, reqwest::Response)> {
        let (items, version) = self.list(plural).await?;
        let states = items.iter().map(|item| (name(item), State::of(item)));
        let url = format!(
            "{}{API}/{plural}?watch=true&resourceVersion={version}&timeoutSeconds=1800",
            self.url
        );
        // The client's own limit is for calls that end; the server is to end this one first.
        let request = self.client.get(url).timeout(Duration::from_hours(1));
        let answer = request.send().await?.error_for_status()?;
        Ok((states.collect(), answer))
    }
}

/// Lists are counted page by page; a watch is opened once its list is complete.
fn have_been_listed(metrics: &str, plurals: [&str; 2]) -> bool {
    let counts = |metric: &str, verb: &str, plural: &str| {
        metrics.lines().any(|line| {
            line.starts_with(&format!("{metric}{{"))
                && line.contains(&format!("verb=\"{verb}\""))
                && line.contains(&format!("resource=\"{plural}\""))
                && (verb == "WATCH" || line.contains("code=\"200\""))
                && !line.ends_with(" 0")
        })
    };
    plurals.iter().all(|plural| {
        counts("apiserver_request_total", "LIST", plural)
            && counts("apiserver_longrunning_requests", "WATCH", plural)
    })
}

fn writes_in(metrics: &str) -> u64 {
    let is_one_of = |line: &str, label: &str, values: &[&str]| {
        values
            .iter()
            .any(|value| line.contains(&format!("{label}=\"{value}\"")))
    };
    let verbs = ["POST", "PUT", "PATCH", "APPLY", "DELETE"];
    let resources = [SOURCES, DATAFLOWS, "events", "secrets"];
    metrics
        .lines()
        .filter(|line| line.starts_with("apiserver_request_total{"))
        .filter(|line| is_one_of(line, "verb", &verbs) && is_one_of(line, "resource", &resources))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}

/// How far a resource is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    generation: u64,
    /// Of the spec that `Ready` is true of.
    ready: Option<u64>,
}

impl State {
    fn of(object: &Value) -> Self {
        let conditions = object["status"]["conditions"].as_array();
        let ready = conditions
            .into_iter()
            .flatten()
            .find(|it| it["type"] == "Ready" && it["status"] == "True");
        Self {
            generation: object["metadata"]["generation"]
                .as_u64()
                .unwrap_or_default(),
            ready: ready.and_then(|it| it["observedGeneration"].as_u64()),
        }
    }

    fn is_ready(self) -> bool {
        self.ready == Some(self.generation)
    }
}

/// The objects of a kind as they change.
#[derive(Debug)]
pub struct Watch {
    cluster: Cluster,
    plural: &'static str,
    states: BTreeMap<String, State>,
    answer: reqwest::Response,
    unread: Vec<u8>,
}

impl Watch {
    /// Returns once so many objects are there and all are Ready as they are written now.
    pub async fn until_ready(&mut self, count: usize, limit: Duration) -> Result<()> {
        self.until(limit, |states| {
            states.len() == count && states.values().all(|state| state.is_ready())
        })
        .await
        .with_context(|| {
            let late = self.states.iter().filter(|(_, state)| !state.is_ready());
            let some: Vec<&String> = late.clone().map(|(name, _)| name).take(3).collect();
            format!(
                "{} of {count} are there, {} of them not Ready, such as {some:?}",
                self.states.len(),
                late.count()
            )
        })
    }

    /// Returns once this object is Ready as its spec of this generation, or a later one, says.
    pub async fn until_one_ready(
        &mut self,
        name: &str,
        generation: u64,
        limit: Duration,
    ) -> Result<()> {
        self.until(limit, |states| {
            states
                .get(name)
                .is_some_and(|it| it.is_ready() && it.generation >= generation)
        })
        .await
        .with_context(|| format!("{name} is not Ready"))
    }

    /// The generation of an object; 0: it is not there.
    pub fn generation(&self, name: &str) -> u64 {
        self.states.get(name).map_or(0, |state| state.generation)
    }

    async fn until(
        &mut self,
        limit: Duration,
        is_so: impl Fn(&BTreeMap<String, State>) -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + limit;
        while !is_so(&self.states) {
            let chunk = timeout_at(deadline, self.answer.chunk())
                .await
                .with_context(|| format!("not within {} s", limit.as_secs()))??;
            if let Some(chunk) = chunk {
                self.unread.extend_from_slice(&chunk);
                self.take_in()?;
            } else {
                // kube-apiserver ends a watch whose reader falls behind.
                (self.states, self.answer) = self.cluster.open(self.plural).await?;
                self.unread.clear();
            }
        }
        Ok(())
    }

    /// One event a line; the last one may not be all there yet.
    fn take_in(&mut self) -> Result<()> {
        let whole = self.unread.iter().rposition(|byte| *byte == b'\n');
        let Some(whole) = whole else {
            return Ok(());
        };
        let rest = self.unread.split_off(whole + 1);
        let lines = std::mem::replace(&mut self.unread, rest);
        for line in lines
            .split(|byte| *byte == b'\n')
            .filter(|it| !it.is_empty())
        {
            let event: Value = serde_json::from_slice(line)?;
            let object = &event["object"];
            match event["type"].as_str() {
                Some("ADDED" | "MODIFIED") => {
                    self.states.insert(name(object), State::of(object));
                }
                Some("DELETED") => {
                    self.states.remove(&name(object));
                }
                _ => bail!("the watch says {event}"),
            }
        }
        Ok(())
    }
}

fn name(object: &Value) -> String {
    object["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Where an object lives: ours, and the kinds that ours need.
fn path_of(manifest: &Value) -> Result<String> {
    let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str);
    let name = text("/metadata/name").context("a manifest without a name")?;
    let namespace = text("/metadata/namespace").unwrap_or_default();
    let kind = text("/kind").unwrap_or_default();
    let path = match kind {
        "Namespace" => return Ok(format!("/api/v1/namespaces/{name}")),
        "Secret" => format!("/api/v1/namespaces/{namespace}/secrets/{name}"),
        "CustomerIoSource" => format!("{API}/namespaces/{namespace}/{SOURCES}/{name}"),
        "AepDataflow" => format!("{API}/namespaces/{namespace}/{DATAFLOWS}/{name}"),
        _ => bail!("where does a {kind} live?"),
    };
    ensure!(!namespace.is_empty(), "{kind} {name} has no namespace");
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_write_count_whether_they_change_anything_or_not() {
        let line = |verb: &str, resource: &str, count: u32| {
            format!(
                "apiserver_request_total{{code=\"200\",resource=\"{resource}\",verb=\"{verb}\"}} {count}\n"
            )
        };
        let metrics = [
            line("PATCH", DATAFLOWS, 1),
            line("APPLY", SOURCES, 2),
            line("POST", "events", 4),
            line("PUT", "leases", 8),
            line("GET", DATAFLOWS, 16),
        ];
        assert_eq!(writes_in(&metrics.concat()), 7);
    }

    #[test]
    fn what_is_watched_without_a_list_has_not_been_listed() {
        let line = |metric: &str, verb: &str, plural: &str, count: u32| {
            format!("{metric}{{code=\"200\",resource=\"{plural}\",verb=\"{verb}\"}} {count}\n")
        };
        let of = |lists: u32, watches: u32| {
            [SOURCES, DATAFLOWS].map(|plural| {
                line("apiserver_request_total", "LIST", plural, lists)
                    + &line("apiserver_longrunning_requests", "WATCH", plural, watches)
            })
        };
        let both = [SOURCES, DATAFLOWS];
        assert!(have_been_listed(&of(2, 1).concat(), both));
        assert!(!have_been_listed(&of(0, 1).concat(), both));
        assert!(!have_been_listed(&of(2, 0).concat(), both));
        assert!(!have_been_listed(&of(2, 1)[0], both));
        let refused = of(2, 1).concat().replace("200", "403");
        assert!(!have_been_listed(&refused, both));
    }
}

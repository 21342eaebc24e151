//! The world around the operator: an API server, a platform, the network between, and the weather.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aep_emulator::host::Host;
use aep_emulator::{Emulator, FaultRule, Options};
use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::api::{Answer, ApiServer};
use crate::net::{Net, START};
use crate::stops::Stops;
use crate::weather::Weather;

/// Owner in the markers of this operator.
pub const OWNER: &str = "sim";

/// The world; clones share it.
#[derive(Clone, Debug)]
pub struct World {
    /// The network.
    pub net: Net,
    /// The platform.
    pub host: Host,
    /// What goes wrong.
    pub weather: Arc<Weather>,
    api: Arc<Mutex<ApiServer>>,
    very_late: Arc<Mutex<BTreeSet<String>>>,
    retained: Arc<Mutex<BTreeSet<String>>>,
    meddled: Arc<AtomicBool>,
    /// Replicas that are cut off from the API server, and until when.
    cut: Arc<Mutex<BTreeMap<u64, u64>>>,
    stops: Arc<Mutex<Stops>>,
    /// Calls to the platform that should not have been made.
    trespasses: Arc<Mutex<Vec<String>>>,
}

impl World {
    /// A fresh one.
    pub fn new(net: Net, options: Options, weather: Weather) -> Self {
        Self {
            net,
            host: Host::new(Emulator::new(options), START),
            weather: Arc::new(weather),
            api: Arc::default(),
            very_late: Arc::default(),
            retained: Arc::default(),
            meddled: Arc::default(),
            cut: Arc::default(),
            stops: Arc::default(),
            trespasses: Arc::default(),
        }
    }

    /// The API server.
    pub fn api(&self) -> MutexGuard<'_, ApiServer> {
        self.api.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request of a user, who stands beside the API server: status and answer.
    pub fn kubectl(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header("content-type", "application/merge-patch+json")
            .body(body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string())));
        let Ok(request) = request else {
            return (0, Value::Null);
        };
        let answer = self.api().handle(self.net.now(), &request);
        let Answer::Whole(response) = answer else {
            return (0, Value::Null);
        };
        let code = response.status().as_u16();
        let said = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
        let about = body.map_or_else(String::new, Value::to_string);
        self.net
            .note(format!("user {method} {path} {about} -> {code}"));
        (code, said)
    }

    /// A call of the emulator's control interface.
    pub fn control(&self, method: Method, path: &str, body: &Value) -> Value {
        let request = Request::builder()
            .method(method)
            .uri(format!("/_emulator/{path}"))
            .body(Bytes::from(body.to_string()));
        let Ok(request) = request else {
            return Value::Null;
        };
        let now = self.host.now();
        let reply = self.host.with(|emulator| emulator.handle(now, &request));
        serde_json::from_slice(reply.body()).unwrap_or(Value::Null)
    }

    /// Has the next call to the platform go wrong this way.
    pub fn arm(&self, rule: &FaultRule) {
        self.control(Method::POST, "faults", &json!([rule]));
    }

    /// Every live object of the platform, by kind.
    pub fn remote(&self) -> Value {
        let now = self.host.now();
        self.host.with(|emulator| emulator.objects(now))
    }

    /// Somebody changes or deletes an object in the platform's own interface.
    pub fn meddle(&self, edit: &Value) {
        self.meddled.store(true, Ordering::SeqCst);
        self.control(Method::POST, "edit", edit);
        self.net.note(format!("somebody: {edit}"));
    }

    /// The operator's own order to disable a flow is carried out minutes later: by then nothing tells it from somebody's
    /// emergency stop.
    pub fn stops_late(&self) {
        self.meddled.store(true, Ordering::SeqCst);
    }

    /// Whether somebody ever did, or it looks so.
    pub fn was_meddled(&self) -> bool {
        self.meddled.load(Ordering::SeqCst)
    }

    /// Cuts a replica off from the API server for so many milliseconds.
    pub fn cut_off(&self, replica: u64, time: u64) {
        let mut cut = self.cut.lock().unwrap_or_else(PoisonError::into_inner);
        cut.insert(replica, self.net.elapsed() + time);
    }

    /// Whether it is cut off now.
    pub fn is_cut_off(&self, replica: u64) -> bool {
        let cut = self.cut.lock().unwrap_or_else(PoisonError::into_inner);
        cut.get(&replica)
            .is_some_and(|until| self.net.elapsed() < *until)
    }

    /// A replica starts a call to the platform: nobody else may lead, and nobody's emergency stop is undone.
    pub fn starts_call(&self, replica: u64, call: &str) {
        let (leases, dataflows) = {
            let api = self.api();
            (api.objects("leases"), api.objects("aepdataflows"))
        };
        let mut all = self
            .trespasses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let holder = leases
            .first()
            .and_then(|lease| lease["spec"]["holderIdentity"].as_str());
        if let Some(holder) = holder
            && !holder.is_empty()
            && !holder.starts_with(&format!("replica-{replica}_"))
        {
            all.push(format!(
                "replica {replica} starts {call} while {holder} leads"
            ));
        }
        let mut stops = self.stops.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(stops.undone(&dataflows, call));
    }

    /// The first call that should not have been made.
    pub fn trespass(&self) -> Option<String> {
        let all = self
            .trespasses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.first().cloned()
    }

    /// Notes that a creation takes effect when its settling time is long over.
    pub fn mark_very_late(&self, body: &[u8]) {
        let text = String::from_utf8_lossy(body);
        let mut late = self
            .very_late
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(marker) = marker_in(&text) {
            late.insert(marker.to_owned());
        }
        // A webhook has no marker but where it sends to.
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        if let Some(endpoint) = body["endpoint"].as_str() {
            late.insert(endpoint.to_owned());
        }
    }

    /// Notes that what a resource of this name has may stay when it is deleted.
    pub fn retained(&self, name: &str) {
        let retained = &self.retained;
        let mut retained = retained.lock().unwrap_or_else(PoisonError::into_inner);
        retained.insert(name.to_owned());
    }

    /// Whether that was said of a resource of this name.
    pub fn is_retained(&self, name: &str) -> bool {
        let retained = &self.retained;
        let retained = retained.lock().unwrap_or_else(PoisonError::into_inner);
        retained.contains(name)
    }

    /// Whether that was said of this marker.
    pub fn is_very_late(&self, marker: &str) -> bool {
        let late = self
            .very_late
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        late.contains(marker)
    }
}

/// The marker in a text, if it has one.
pub fn marker_in(text: &str) -> Option<&str> {
    let start = text.find("[aep-operator/")?;
    let end = text[start..].find(']')?;
    Some(&text[start..=start + end])
}

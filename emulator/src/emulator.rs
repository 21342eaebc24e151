//! The state machine: a request and a moment in, a response out. No IO, no clock, no randomness of its own.
//! `handle` does it in one go; `plan` and `commit` are the two halves, for a host that also carries out the
//! faults (see `host`).

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Request;
use serde_json::Value;

use crate::call::Call;
use crate::control;
use crate::customer_io::{self, Delivery, DeliveryResult};
use crate::faults::{Commit, Faults, Plan, PlannedReply};
use crate::gateway::{Service, admit};
use crate::journal::Journal;
use crate::options::Options;
use crate::quote::quoting;
use crate::refusal::{Answer, Refusal, Reply, flow, html_reply, with_header};
use crate::time::millis;
use crate::world::World;
use crate::{catalog, data_prep, flow_service, ims, inlet, schema_registry};

/// The stand-in for Adobe Experience Platform and Customer.io.
#[derive(Debug)]
pub struct Emulator {
    pub(crate) world: World,
    pub(crate) faults: Faults,
    pub(crate) journal: Journal,
    /// Calls that take effect later, behind their client's back.
    late: BTreeMap<(u64, u64), Request<Bytes>>,
    late_count: u64,
}

impl Emulator {
    /// A fresh state.
    pub fn new(options: Options) -> Self {
        Self {
            world: World::new(options),
            faults: Faults::default(),
            journal: Journal::default(),
            late: BTreeMap::new(),
            late_count: 0,
        }
    }

    /// The options in force.
    pub fn options(&self) -> &Options {
        &self.world.options
    }

    /// Changes the options; objects stay.
    pub fn set_options(&mut self, options: Options) {
        self.world.options = options;
    }

    /// Answers a request at once, whatever the fault rules say about time. A reply that a rule drops or
    /// holds back comes out as a 502 with the header `x-emulator-fault`, since there is no connection to
    /// close here.
    pub fn handle(&mut self, now: u64, request: &Request<Bytes>) -> Reply {
        let plan = self.plan(now, request);
        let reply = match plan.commit {
            Commit::Now => Some(self.commit(now, request, &plan)),
            Commit::Late(after) => {
                self.commit_later(now + millis(after), request);
                None
            }
            Commit::Never => None,
        };
        match (plan.reply, reply) {
            (PlannedReply::Normal, Some(reply)) => reply,
            (PlannedReply::Error { .. }, _) => self.fail(request, &plan),
            _ => {
                self.close_silently(&plan);
                with_header(html_reply(502), "x-emulator-fault", "no reply")
            }
        }
    }

    /// First half: notes the call and decides what the fault rules do to it.
    pub fn plan(&mut self, now: u64, request: &Request<Bytes>) -> Plan {
        if is_control(request) {
            let (commit, reply) = (Commit::Now, PlannedReply::Normal);
            return Plan {
                latency: std::time::Duration::ZERO,
                commit,
                reply,
                entry: u64::MAX,
            };
        }
        let entry = self
            .journal
            .note(now, request, self.world.options.log_limit);
        // An inlet is not a management call: the fixed latency is not about it.
        let inlet = request.uri().path().starts_with("/collection/");
        let latency = if inlet {
            std::time::Duration::ZERO
        } else {
            self.world.options.latency
        };
        self.faults.decide(request, latency, entry)
    }

    /// Second half: the call takes effect and is answered.
    pub fn commit(&mut self, now: u64, request: &Request<Bytes>, plan: &Plan) -> Reply {
        self.advance(now);
        let reply = self.serve(now, request);
        self.journal
            .close(plan.entry, Some(reply.status().as_u16()), None);
        reply
    }

    /// Has the call take effect at a later moment, without an answer.
    pub fn commit_later(&mut self, at: u64, request: &Request<Bytes>) {
        self.late_count += 1;
        self.late.insert((at, self.late_count), request.clone());
    }

    /// The error answer that a plan asks for, in the shape of the service that was called.
    pub fn fail(&mut self, request: &Request<Bytes>, plan: &Plan) -> Reply {
        let PlannedReply::Error {
            status,
            html,
            quote,
            retry_after,
        } = plan.reply
        else {
            return html_reply(500);
        };
        self.journal.close(plan.entry, Some(status), Some("status"));
        let reply = if html {
            html_reply(status)
        } else {
            shaped(request.uri().path(), status).render(&self.world.ids.uuid())
        };
        let reply = if quote {
            quoting(reply, request)
        } else {
            reply
        };
        match retry_after {
            Some(seconds) => with_header(reply, "retry-after", &seconds.to_string()),
            None => reply,
        }
    }

    /// Notes that a call goes without an answer.
    pub fn close_silently(&mut self, plan: &Plan) {
        let fault = match (plan.reply, plan.commit) {
            (PlannedReply::Hang, _) => "hang",
            (PlannedReply::Drop, Commit::Now) => "dropAfterCommit",
            (PlannedReply::Drop, _) => "dropBeforeCommit",
            _ => "commitLate",
        };
        self.journal.close(plan.entry, None, Some(fault));
    }

    /// What the webhooks in force make of these Customer.io events: the requests to send, in order, with
    /// their signatures. The caller sends them and reports each with [`Emulator::delivered`].
    pub fn deliveries(&mut self, now: u64, events: &[Value]) -> Vec<Delivery> {
        let World {
            webhooks, options, ..
        } = &mut self.world;
        webhooks.deliveries(now, events, options)
    }

    /// Records what came of a delivery.
    pub fn delivered(&mut self, delivery: &Delivery, result: &DeliveryResult) {
        self.world.webhooks.record(delivery, result);
    }

    /// Every live object, by kind: what the control interface shows at `objects`, for those who live in this process.
    pub fn objects(&mut self, now: u64) -> serde_json::Value {
        self.advance(now);
        control::objects(&self.world)
    }

    /// Drops the calls that were to take effect later.
    pub(crate) fn forget_late(&mut self) {
        self.late.clear();
    }

    /// Applies everything that was due up to now, in order.
    fn advance(&mut self, now: u64) {
        while let Some(entry) = self.late.first_entry() {
            let at = entry.key().0;
            if at > now {
                break;
            }
            let request = entry.remove();
            self.world.advance(at);
            self.serve(at, &request);
        }
        self.world.advance(now);
    }

    fn serve(&mut self, now: u64, request: &Request<Bytes>) -> Reply {
        let call = Call::new(now, request);
        let answer = if is_control(request) {
            control::serve(self, &call)
        } else {
            route(&mut self.world, &call)
        };
        match answer {
            Ok(reply) => reply,
            Err(refusal) => {
                let throttled = matches!(
                    refusal,
                    Refusal::Gateway(429, ..) | Refusal::CustomerIo(429, _)
                );
                let reply = refusal.render(&self.world.ids.uuid());
                let wait = self.world.options.retry_after;
                if throttled && wait > 0 {
                    with_header(reply, "retry-after", &wait.to_string())
                } else {
                    reply
                }
            }
        }
    }
}

/// Whether a call is to the control interface, which is neither logged nor subject to faults.
pub(crate) fn is_control<B>(request: &Request<B>) -> bool {
    let path = request.uri().path();
    path == "/_emulator" || path.starts_with("/_emulator/")
}

fn route(world: &mut World, call: &Call<'_>) -> Answer {
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["ims", "token", "v3"] if call.method == http::Method::POST => ims::token(world, call),
        ["data", "foundation", "flowservice", rest @ ..] => {
            let caller = admit(world, call, Service::Flow)?;
            flow_service::serve(world, &caller, call, rest)
        }
        ["data", "foundation", "conversion", rest @ ..] => {
            let caller = admit(world, call, Service::DataPrep)?;
            data_prep::serve(world, &caller, call, rest)
        }
        ["data", "foundation", "schemaregistry", rest @ ..] => {
            let caller = admit(world, call, Service::Registry)?;
            schema_registry::serve(world, &caller, call, rest)
        }
        ["data", "foundation", "catalog", rest @ ..] => {
            let caller = admit(world, call, Service::Catalog)?;
            catalog::serve(world, &caller, call, rest)
        }
        ["collection", "batch", inlet] => inlet::batch(world, call, inlet),
        ["collection", inlet] => inlet::event(world, call, inlet),
        ["v1", rest @ ..] => customer_io::serve(world, call, rest),
        _ => Err(Refusal::NoRoute(404)),
    }
}

/// An error of a given status, as the service at a path words it.
fn shaped(path: &str, status: u16) -> Refusal {
    let message = format!("The call was answered with status {status} by a fault rule");
    let generic = || Refusal::Gateway(status, "500000", "Internal error");
    match (path, status) {
        (path, _) if path.starts_with("/v1/") => Refusal::CustomerIo(status, message),
        (path, _) if path.starts_with("/ims/") => {
            Refusal::Ims(status, "server_error", "a fault rule")
        }
        (path, _) if path.starts_with("/collection/") => {
            Refusal::Inlet(status, "Service fault", message)
        }
        (_, 429) => Refusal::Gateway(429, "429050", "Too many requests"),
        (_, 401) => Refusal::Gateway(401, "401013", "Oauth token is not valid"),
        (path, _) if path.starts_with("/data/foundation/flowservice") => match status {
            400 => flow("1100-400", message),
            403 => flow("2120-403", message),
            404 => flow("1439-404", message),
            412 => flow("1404-412", message),
            500 => flow("1102-500", message),
            503 => flow("1103-503", message),
            504 => flow("1104-504", message),
            _ => generic(),
        },
        (path, _) if path.starts_with("/data/foundation/conversion") => {
            Refusal::DataPrep(status, message)
        }
        (path, _) if path.starts_with("/data/foundation/catalog") => {
            Refusal::Catalog(status, "Fault", message)
        }
        (path, 404) if path.starts_with("/data/foundation/schemaregistry") => {
            Refusal::Registry("XDM-1010-404", "Resource not found", message)
        }
        (path, 500) if path.starts_with("/data/foundation/schemaregistry") => {
            Refusal::Registry("XDM-1900-500", "Internal error", message)
        }
        _ => generic(),
    }
}

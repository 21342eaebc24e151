//! Both ways out of one incarnation of the operator: kube's client and the platform's HTTP service, each call at its
//! own milliseconds, with the weather on the way.

use std::time::Duration;

use aep_operator::platform::{HttpService, NeverSent};
use bytes::Bytes;
use futures::StreamExt as _;
use futures::channel::mpsc::{self, UnboundedReceiver, UnboundedSender};
use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tower::BoxError;

use crate::api::{Answer, json_answer};
use crate::line::{Line, Moment};
use crate::weather::{KubeFault, PlatformFault, WatchFault};
use crate::wire::{self, ReplyBody};
use crate::world::World;

/// The longest a message takes in good weather, in milliseconds.
const KUBE_DELAY: u64 = 12;
const PLATFORM_DELAY: u64 = 60;

type Reply<B> = Result<Response<B>, BoxError>;

/// A client of the API server for one incarnation.
pub fn kube(world: &World, line: &Line) -> Client {
    let (world, line) = (world.clone(), line.clone());
    let service = tower::service_fn(move |request: Request<Body>| {
        let (world, line) = (world.clone(), line.clone());
        async move {
            let request = wire::whole(request).await?;
            let name = kube_name(&request);
            leave(&world, &line, &name, &request).await;
            if !line.pass(
                Moment::BeforeSend,
                request.method().as_str(),
                request.uri().path(),
            ) {
                return std::future::pending().await;
            }
            let (reply, replied) = oneshot::channel();
            tokio::spawn(carry_kube(world, line, request, reply));
            match replied.await {
                Ok(reply) => reply,
                Err(_) => std::future::pending().await,
            }
        }
    });
    Client::new(service, "default")
}

/// A request leaves at a millisecond of its own too: of two that are sent at the same time, in an order that a hash map
/// decides, a kill must always hit the same one.
async fn leave(world: &World, line: &Line, name: &str, request: &Request<Bytes>) {
    let number = line.number.to_string();
    // Those of an Event are the wall clock's times.
    let body = if name.ends_with("/events") {
        String::new()
    } else {
        String::from_utf8_lossy(request.body()).into_owned()
    };
    let mut dice = world.net.dice(&["leave", &number, name, &body]);
    world.net.slot(&mut dice, 1).await;
}

async fn carry_kube(
    world: World,
    line: Line,
    request: Request<Bytes>,
    reply: oneshot::Sender<Reply<ReplyBody>>,
) {
    let net = &world.net;
    let name = kube_name(&request);
    let number = line.number.to_string();
    let mut dice = net.dice(&["kube", &number, &name]);
    let watch = name.contains("watch=true");
    let fault = match world.weather.kube(&mut dice) {
        _ if world.is_cut_off(line.replica()) => Some(KubeFault::Hang),
        fault => fault,
    };
    net.count("kube calls");
    let delay = dice.between(1, KUBE_DELAY);
    net.slot(&mut dice, delay).await;
    let error = |text: &str| -> Reply<ReplyBody> { Err(text.into()) };
    let told = match fault {
        Some(KubeFault::LostRequest) => {
            note(&world, &line, &name, "kube: request lost", "");
            error("connection reset")
        }
        Some(KubeFault::Hang) => {
            note(&world, &line, &name, "kube: hang", "");
            return;
        }
        Some(KubeFault::Status(code)) => {
            note(&world, &line, &name, "kube: status", &code.to_string());
            let status = serde_json::json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": "the weather is bad", "reason": "InternalError", "code": code,
            });
            Ok(wire::complete(json_answer(code, &status)))
        }
        Some(KubeFault::LostReply | KubeFault::Slow(_)) | None => {
            let answer = world.api().handle(net.now(), &request);
            if !watch || fault.is_some() {
                let code = match &answer {
                    Answer::Whole(response) => response.status().as_u16(),
                    Answer::Watch(_) => 200,
                };
                let body = if request.uri().path().contains("/events") {
                    // Its times are the wall clock's.
                    String::new()
                } else {
                    String::from_utf8_lossy(request.body()).into_owned()
                };
                net.note(format!("kube #{number} {name} {body} -> {code}"));
            }
            if !line.pass(
                Moment::AfterCommit,
                request.method().as_str(),
                request.uri().path(),
            ) {
                note(&world, &line, &name, "killed after commit", "");
                return;
            }
            match (fault, answer) {
                (Some(KubeFault::LostReply), _) => {
                    note(&world, &line, &name, "kube: reply lost", "");
                    error("connection reset")
                }
                (_, Answer::Whole(response)) => Ok(wire::complete(response)),
                (_, Answer::Watch(lines)) => {
                    let (sender, receiver) = mpsc::unbounded();
                    let limit = watch_seconds(&request);
                    tokio::spawn(pump(
                        world.clone(),
                        line.clone(),
                        name.clone(),
                        lines,
                        sender,
                        limit,
                    ));
                    Ok(wire::streaming(receiver))
                }
            }
        }
    };
    let slow = match fault {
        Some(KubeFault::Slow(slow)) => {
            note(&world, &line, &name, "kube: slow", "");
            slow
        }
        _ => 0,
    };
    let delay = slow + dice.between(1, KUBE_DELAY);
    net.slot(&mut dice, delay).await;
    if !line.is_dead() {
        let _ = reply.send(told);
    }
}

/// A watch: each line arrives on its own, in order.
async fn pump(
    world: World,
    line: Line,
    name: String,
    mut lines: UnboundedReceiver<Bytes>,
    body: UnboundedSender<Result<Bytes, BoxError>>,
    limit: Duration,
) {
    let number = line.number.to_string();
    let mut dice = world.net.dice(&["watch", &number, &name]);
    let fault = world.weather.watch(&mut dice);
    let end = Instant::now() + limit;
    let mut told = 0;
    loop {
        match fault {
            Some(WatchFault::Ends(after)) if told >= after => {
                note(&world, &line, &name, "watch ends", "");
                return;
            }
            Some(WatchFault::Breaks(after)) if told >= after => {
                note(&world, &line, &name, "watch breaks", "");
                let _ = body.unbounded_send(Err("connection reset".into()));
                return;
            }
            _ => {}
        }
        let next = tokio::select! {
            biased;
            next = lines.next() => next,
            () = tokio::time::sleep_until(end) => None,
        };
        let Some(next) = next else { return };
        let slow = match fault {
            Some(WatchFault::Slow(slow)) => slow,
            _ => 0,
        };
        let delay = slow + dice.between(1, KUBE_DELAY);
        world.net.slot(&mut dice, delay).await;
        if line.is_dead() || body.unbounded_send(Ok(next)).is_err() {
            return;
        }
        told += 1;
    }
}

/// The platform for one incarnation.
pub fn platform(world: &World, line: &Line) -> HttpService {
    let (world, line) = (world.clone(), line.clone());
    HttpService::new(tower::service_fn(move |request: Request<Bytes>| {
        let (world, line) = (world.clone(), line.clone());
        async move {
            let called = name(&request);
            leave(&world, &line, &called, &request).await;
            if !line.pass(
                Moment::BeforeSend,
                request.method().as_str(),
                request.uri().path(),
            ) {
                return std::future::pending().await;
            }
            world.starts_call(line.replica(), &called);
            let (reply, replied) = oneshot::channel();
            tokio::spawn(carry_platform(world, line, request, reply));
            match replied.await {
                Ok(reply) => reply,
                Err(_) => std::future::pending().await,
            }
        }
    }))
}

async fn carry_platform(
    world: World,
    line: Line,
    request: Request<Bytes>,
    reply: oneshot::Sender<Reply<Bytes>>,
) {
    let net = &world.net;
    let name = name(&request);
    let number = line.number.to_string();
    let mut dice = net.dice(&["platform", &number, &name]);
    let fault = world.weather.platform(&mut dice);
    net.count("platform calls");
    let delay = dice.between(1, PLATFORM_DELAY);
    net.slot(&mut dice, delay).await;
    let told = match &fault {
        Some(PlatformFault::Refused) => {
            note(&world, &line, &name, "platform: refused", "");
            Err(NeverSent::new("connection refused").into())
        }
        Some(PlatformFault::LostRequest) => {
            note(&world, &line, &name, "platform: request lost", "");
            Err("connection reset".into())
        }
        fault => {
            if let Some(PlatformFault::Rule(word, rule)) = fault {
                let late = rule.commit_late_ms.unwrap_or_default();
                note(&world, &line, &name, word, &late.to_string());
                world.arm(rule);
                if late > 100_000 {
                    world.mark_very_late(request.body());
                    if name.contains("op=disable") {
                        world.stops_late();
                    }
                }
            }
            let (method, path) = (
                request.method().to_string(),
                request.uri().path().to_owned(),
            );
            let body = if path.contains("/ims/") {
                String::new()
            } else {
                String::from_utf8_lossy(request.body()).into_owned()
            };
            let answer = world.host.call(request).await;
            let code = answer.as_ref().map_or(0, |answer| answer.status().as_u16());
            net.note(format!("platform #{number} {name} {body} -> {code}"));
            if !line.pass(Moment::AfterCommit, &method, &path) {
                note(&world, &line, &name, "killed after commit", "");
                return;
            }
            answer.map_err(Into::into)
        }
    };
    let slow = match fault {
        Some(PlatformFault::Slow(slow)) => {
            note(&world, &line, &name, "platform: slow", "");
            slow
        }
        _ => 0,
    };
    let delay = slow + dice.between(1, PLATFORM_DELAY);
    net.slot(&mut dice, delay).await;
    if !line.is_dead() {
        let _ = reply.send(told);
    }
}

fn note(world: &World, line: &Line, name: &str, what: &'static str, more: &str) {
    world.net.count(what);
    world
        .net
        .note(format!("      #{} {name}: {what} {more}", line.number));
}

fn name<B>(request: &Request<B>) -> String {
    let path = request.uri().path_and_query().map_or("", |it| it.as_str());
    format!("{} {path}", request.method())
}

/// The same for the API server; names of Events hold the wall clock.
fn kube_name(request: &Request<Bytes>) -> String {
    let name = name(request);
    match name.find("/events") {
        Some(place) => name[..place + "/events".len()].to_owned(),
        None => name,
    }
}

fn watch_seconds(request: &Request<Bytes>) -> Duration {
    let query = request.uri().query().unwrap_or_default();
    let seconds = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("timeoutSeconds="))
        .and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(290))
}

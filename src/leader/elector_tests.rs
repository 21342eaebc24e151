//! Replicas in one election on a fake API server, under a paused clock.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use k8s_openapi::jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::{ServiceExt as _, service_fn};

use crate::clock::Clock;
use crate::platform::{HttpService, NeverSent};

use super::fake_leases::{Leases, Link, Mood};
use super::{Election, Elector, Lost, Standing, Tenure, Terms, fence, identity};

const LEASE: Duration = Duration::from_secs(15);
const RENEW: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_secs(2);
/// A look of a process that stands by comes up to a fifth later.
const LOOK: Duration = Duration::from_millis(2_400);

/// A replica that campaigns, leads, and ends when it has lost or is told to.
struct Replica {
    tenure: Tenure,
    link: Link,
    stop: CancellationToken,
    /// While set, nothing of it runs, and its clock goes on: SIGSTOP.
    stopped: Arc<AtomicBool>,
    task: JoinHandle<Result<(), Lost>>,
}

impl Replica {
    fn start(leases: &Leases, name: &str, seed: u64) -> Self {
        let (client, link) = leases.client();
        let election = Election {
            namespace: "aep-system".to_owned(),
            name: "aep-operator".to_owned(),
            terms: Terms::new(LEASE, None, None).unwrap(),
        };
        let mut random = StdRng::seed_from_u64(seed);
        let identity = identity(Some(name), &mut random);
        let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
        let (mut elector, tenure) = Elector::new(client, election, identity, clock, random);
        let (stop, stopped) = (CancellationToken::new(), Arc::<AtomicBool>::default());
        let told = stop.clone();
        let run = async move {
            if elector.campaign(&told).await {
                elector.keep(told.cancelled()).await?;
            }
            Ok(())
        };
        let task = tokio::spawn(stoppable(run, Arc::clone(&stopped)));
        Self {
            tenure,
            link,
            stop,
            stopped,
            task,
        }
    }

    async fn leads_within(&self, limit: Duration) -> Duration {
        let asked = Instant::now();
        let leads = async {
            while !self.tenure.is_valid() {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(limit, leads).await.expect("it leads");
        asked.elapsed()
    }
}

async fn stoppable<T>(run: impl Future<Output = T>, stopped: Arc<AtomicBool>) -> T {
    let mut run = pin!(run);
    let mut look = pin!(sleep(Duration::ZERO));
    std::future::poll_fn(move |context| {
        while stopped.load(Ordering::SeqCst) {
            // Not to be woken by what it waits for, but by the end of the stop.
            if look.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            look.as_mut()
                .reset(Instant::now() + Duration::from_millis(50));
        }
        run.as_mut().poll(context)
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn the_first_leads_at_once_and_says_so_in_the_lease() {
    let leases = Leases::default();
    let replica = Replica::start(&leases, "one", 1);
    assert!(!replica.tenure.is_valid());
    replica.leads_within(Duration::from_millis(100)).await;
    let spec = leases.spec();
    assert!(spec["holderIdentity"].as_str().unwrap().starts_with("one_"));
    assert_eq!(spec["leaseDurationSeconds"], 15);
    assert_eq!(spec["leaseTransitions"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_leader_leads_on_while_another_stands_by() {
    let leases = Leases::default();
    let one = Replica::start(&leases, "one", 1);
    one.leads_within(RETRY).await;
    let two = Replica::start(&leases, "two", 2);
    for _ in 0..3_600 {
        sleep(Duration::from_secs(1)).await;
        assert!(one.tenure.is_valid());
        assert_eq!(two.tenure.standing(), Standing::StandingBy);
    }
}

#[tokio::test(start_paused = true)]
async fn a_killed_leader_is_followed_when_its_lease_ends_and_not_before() {
    let leases = Leases::default();
    let one = Replica::start(&leases, "one", 1);
    one.leads_within(RETRY).await;
    let two = Replica::start(&leases, "two", 2);
    sleep(Duration::from_mins(1)).await;
    one.task.abort();
    let waited = two.leads_within(LEASE + LOOK).await;
    // The last renewal may be a retry period old.
    assert!(waited + RETRY >= LEASE, "{waited:?}");
    assert_eq!(leases.spec()["leaseTransitions"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_told_to_stop_hands_over_at_once() {
    let leases = Leases::default();
    let one = Replica::start(&leases, "one", 1);
    one.leads_within(RETRY).await;
    let two = Replica::start(&leases, "two", 2);
    sleep(Duration::from_mins(1)).await;
    one.stop.cancel();
    assert_eq!(one.task.await.unwrap(), Ok(()));
    assert!(!one.tenure.is_valid());
    two.leads_within(LOOK).await;
}

#[tokio::test(start_paused = true)]
async fn a_leader_without_api_server_gives_up_before_its_lease_ends() {
    for mood in [Mood::Lost, Mood::Mute, Mood::Refused(503)] {
        let leases = Leases::default();
        let one = Replica::start(&leases, "one", 1);
        one.leads_within(RETRY).await;
        let two = Replica::start(&leases, "two", 2);
        sleep(Duration::from_mins(1)).await;
        let cut = Instant::now();
        one.link.set(mood);
        while one.tenure.is_valid() {
            assert!(!two.tenure.is_valid(), "{mood:?}: both lead");
            sleep(Duration::from_millis(10)).await;
        }
        assert!(cut.elapsed() <= RENEW && cut.elapsed() + LOOK >= RENEW);
        let lost = one.task.await.unwrap().unwrap_err();
        assert!(matches!(lost, Lost::Deadline { .. }), "{mood:?}: {lost}");
        assert!(!two.tenure.is_valid(), "{mood:?}: too early");
        two.leads_within(LEASE * 2).await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_lost_answer_or_a_label_does_not_end_a_leadership() {
    let leases = Leases::default();
    let one = Replica::start(&leases, "one", 1);
    one.leads_within(RETRY).await;
    for mood in [Mood::Mute, Mood::Lost, Mood::Slow(Duration::from_secs(3))] {
        one.link.set(mood);
        sleep(Duration::from_millis(2_100)).await;
        one.link.set(Mood::Well);
        sleep(Duration::from_mins(1)).await;
        assert!(one.tenure.is_valid(), "{mood:?}");
    }
    leases.label();
    sleep(Duration::from_mins(1)).await;
    assert!(one.tenure.is_valid());
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_lease_was_deleted_steps_down_before_the_one_that_saw_it_leads() {
    let leases = Leases::default();
    let one = Replica::start(&leases, "one", 1);
    one.leads_within(RETRY).await;
    let two = Replica::start(&leases, "two", 2);
    sleep(Duration::from_mins(1)).await;
    leases.delete();
    while one.tenure.is_valid() {
        assert!(!two.tenure.is_valid(), "both lead");
        sleep(Duration::from_millis(10)).await;
    }
    let lost = one.task.await.unwrap().unwrap_err();
    assert!(lost.to_string().contains("deleted"), "{lost}");
    two.leads_within(LEASE + LOOK).await;
}

#[tokio::test(start_paused = true)]
async fn without_rights_it_keeps_asking_and_does_not_lead() {
    let leases = Leases::default();
    let one = Replica::start(&leases, "one", 1);
    one.link.set(Mood::Refused(403));
    sleep(Duration::from_mins(5)).await;
    assert_eq!(one.tenure.standing(), Standing::Starting);
    one.link.set(Mood::Well);
    one.leads_within(LOOK).await;
}

#[tokio::test(start_paused = true)]
async fn a_leader_stopped_past_its_lease_wakes_without_the_right_to_act() {
    let leases = Leases::default();
    let one = Replica::start(&leases, "one", 1);
    one.leads_within(RETRY).await;
    let two = Replica::start(&leases, "two", 2);
    sleep(Duration::from_mins(1)).await;
    one.stopped.store(true, Ordering::SeqCst);
    two.leads_within(LEASE + LOOK).await;
    // Nobody has told it yet; its clock is enough.
    assert!(!one.tenure.is_valid());
    one.stopped.store(false, Ordering::SeqCst);
    let lost = one.task.await.unwrap().unwrap_err();
    assert!(matches!(lost, Lost::Deadline { .. }), "{lost}");
    sleep(Duration::from_mins(1)).await;
    assert!(two.tenure.is_valid());
}

/// Three replicas, quarters of an hour of stops, cuts, late writes and restarts: never do two have the right to act, and
/// most of the time one has.
#[tokio::test(start_paused = true)]
async fn never_two_lead() {
    for seed in 0..4 {
        let mut random = StdRng::seed_from_u64(seed);
        let leases = Leases::default();
        let mut replicas: Vec<Replica> = (0..3)
            .map(|n| Replica::start(&leases, "r", seed * 1_000 + n))
            .collect();
        let mut led = 0;
        let ticks = 4_000_u32;
        for tick in 0..ticks {
            sleep(Duration::from_millis(250)).await;
            let leaders = replicas
                .iter()
                .filter(|replica| replica.tenure.is_valid())
                .count();
            assert!(leaders < 2, "seed {seed}: two lead after {tick} ticks");
            led += u32::try_from(leaders).unwrap();
            let n = random.random_range(0..replicas.len());
            let again = seed * 1_000 + 10 + u64::from(tick);
            if replicas[n].task.is_finished() {
                replicas[n] = Replica::start(&leases, "r", again);
            }
            let replica = &replicas[n];
            let some = Duration::from_millis(random.random_range(1..20_000));
            match random.random_range(0..250) {
                0 => replica.task.abort(),
                1 => replica.stop.cancel(),
                2..4 => replica.stopped.store(true, Ordering::SeqCst),
                4..20 => replica.stopped.store(false, Ordering::SeqCst),
                20 => replica.link.set(Mood::Lost),
                21 => replica.link.set(Mood::Mute),
                22 => replica.link.set(Mood::Late(some)),
                23 => replica.link.set(Mood::Slow(some)),
                24 => replica.link.set(Mood::Refused(503)),
                25..50 => replica.link.set(Mood::Well),
                _ => {}
            }
        }
        assert!(led > ticks / 2, "seed {seed}: led {led} of {ticks} ticks");
    }
}

#[tokio::test(start_paused = true)]
async fn past_the_deadline_no_call_is_started_and_one_under_way_is_awaited() {
    let leases = Leases::default();
    let one = Replica::start(&leases, "one", 1);
    let calls = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let slow = HttpService::new(service_fn(move |_: Request<Bytes>| {
        counted.fetch_add(1, Ordering::SeqCst);
        async {
            sleep(Duration::from_secs(20)).await;
            Ok(Response::new(Bytes::from_static(b"made")))
        }
    }));
    let fenced = fence(slow, one.tenure.clone());
    let call = || fenced.clone().oneshot(Request::new(Bytes::new()));
    let refused = call().await.unwrap_err();
    assert!(refused.is::<NeverSent>(), "before the election: {refused}");
    one.leads_within(RETRY).await;
    let under_way = tokio::spawn(call());
    sleep(Duration::from_millis(1)).await;
    one.link.set(Mood::Lost);
    sleep(RENEW).await;
    let refused = call().await.unwrap_err();
    assert!(refused.is::<NeverSent>(), "after it: {refused}");
    assert_eq!(under_way.await.unwrap().unwrap().body(), "made");
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

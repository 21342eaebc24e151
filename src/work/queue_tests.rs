//! The queue against what it promises, and against a plain model of it.

use futures::FutureExt as _;
use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn key(name: &str) -> Key {
    Key::new("n", name)
}

fn queue() -> Arc<Queue> {
    Arc::default()
}

fn add(queue: &Queue, name: &str) {
    queue.add(key(name), Cause::Change);
}

/// What a worker that is free would get now.
fn take(queue: &Arc<Queue>) -> Option<Running> {
    queue.next().now_or_never()
}

fn names(queue: &Arc<Queue>) -> Vec<String> {
    let taken = std::iter::from_fn(|| take(queue));
    taken.map(|running| running.key.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_resource_waits_once_however_often_it_is_triggered() {
    let queue = queue();
    add(&queue, "a");
    tokio::time::advance(SECOND).await;
    add(&queue, "a");
    add(&queue, "b");
    assert_eq!((queue.depth(), queue.adds()), (2, 2));
    tokio::time::advance(SECOND).await;
    let running = take(&queue).unwrap();
    assert_eq!((&running.key, running.waited), (&key("a"), 2 * SECOND));
    assert_eq!((queue.depth(), queue.under_way().len()), (1, 1));
    running.done(None);
    assert!(queue.under_way().is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_that_is_to_be_looked_at_later_waits_from_its_time_on() {
    let queue = queue();
    add(&queue, "a");
    take(&queue).unwrap().done(Some(10 * SECOND));
    assert_eq!((queue.depth(), queue.adds()), (0, 1));
    let begun = Instant::now();
    let running = queue.next().await;
    assert_eq!(
        (begun.elapsed().as_secs(), running.waited.as_secs()),
        (10, 0)
    );
    assert_eq!(running.cause, Cause::Due);
    assert_eq!(queue.adds(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_event_comes_before_a_later_look_and_is_not_followed_by_it() {
    let queue = queue();
    add(&queue, "a");
    take(&queue).unwrap().done(Some(10 * SECOND));
    add(&queue, "a");
    let running = take(&queue).unwrap();
    assert_eq!(
        (running.waited, running.cause),
        (Duration::ZERO, Cause::Change)
    );
    running.done(None);
    tokio::time::advance(20 * SECOND).await;
    assert!(take(&queue).is_none());
}

#[tokio::test(start_paused = true)]
async fn what_comes_in_while_it_is_worked_on_waits_until_it_is_free() {
    let queue = queue();
    add(&queue, "a");
    let running = take(&queue).unwrap();
    add(&queue, "a");
    assert_eq!(queue.depth(), 1);
    assert!(take(&queue).is_none(), "never twice at the same time");
    // What came in goes before the look that was put off.
    running.done(Some(10 * SECOND));
    let running = take(&queue).unwrap();
    drop(running);
    tokio::time::advance(20 * SECOND).await;
    assert!(take(&queue).is_none());
}

#[tokio::test(start_paused = true)]
async fn namespaces_take_turns() {
    let queue = queue();
    for name in ["1", "2", "3"] {
        queue.add(Key::new("many", name), Cause::Change);
    }
    queue.add(Key::new("few", "1"), Cause::Change);
    assert_eq!(names(&queue), ["many/1", "few/1", "many/2", "many/3"]);
}

#[tokio::test(start_paused = true)]
async fn a_change_goes_before_a_list_which_has_its_share() {
    let queue = queue();
    for number in 0..3 {
        queue.add(key(&format!("listed-{number}")), Cause::List);
    }
    for number in 0..6 {
        add(&queue, &format!("changed-{number}"));
    }
    // It stands there already.
    add(&queue, "listed-2");
    let order = names(&queue).join(" ").replace("n/", "");
    assert_eq!(
        order,
        "changed-0 changed-1 changed-2 listed-0 changed-3 changed-4 changed-5 listed-1 listed-2"
    );
}

#[tokio::test(start_paused = true)]
async fn one_whose_time_has_come_does_not_fall_behind_a_list() {
    let queue = queue();
    add(&queue, "a");
    take(&queue).unwrap().done(Some(SECOND));
    queue.add(key("b"), Cause::List);
    tokio::time::advance(SECOND).await;
    queue.add(key("a"), Cause::List);
    assert_eq!(names(&queue), ["n/a", "n/b"]);
}

#[tokio::test(start_paused = true)]
async fn whose_turn_it_is_to_call_goes_before_everybody() {
    let queue = queue();
    for name in ["a", "b", "c"] {
        add(&queue, name);
    }
    queue.add(key("d"), Cause::Turn);
    queue.add(key("c"), Cause::Turn);
    // It has its turn still.
    add(&queue, "d");
    assert_eq!(names(&queue).join(" "), "n/d n/c n/a n/b");
}

#[tokio::test(start_paused = true)]
async fn where_it_stood_before_its_turn_nobody_finds_it_while_it_is_worked_on() {
    let queue = queue();
    add(&queue, "a");
    queue.add(key("a"), Cause::Turn);
    let running = take(&queue).unwrap();
    add(&queue, "a");
    assert!(take(&queue).is_none(), "never twice at the same time");
    running.done(None);
    let running = take(&queue).unwrap();
    running.done(Some(SECOND));
    assert!(take(&queue).is_none());
    tokio::time::advance(SECOND).await;
    assert_eq!(names(&queue), ["n/a"]);
    assert!(queue.state().items.is_empty() && queue.state().later.is_empty());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_of_what_is_done() {
    let queue = queue();
    for cause in [Cause::List, Cause::Change, Cause::Turn, Cause::List] {
        queue.add(key("a"), cause);
    }
    while let Some(running) = take(&queue) {
        running.done(None);
    }
    let state = queue.state();
    assert!(state.items.is_empty() && state.later.is_empty());
    for lane in &state.lanes {
        assert!(lane.of.is_empty());
    }
}

/// What may happen to a queue.
#[derive(Clone, Debug)]
enum Deed {
    Add(u8, Cause),
    Take,
    /// Of those under way, one is done, and is to be looked at again after so many seconds.
    Done(usize, Option<u32>),
    Pass(u32),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let cause = prop_oneof![Just(Cause::Turn), Just(Cause::Change), Just(Cause::List)];
    let deed = prop_oneof![
        4 => (0..6u8, cause).prop_map(|(name, cause)| Deed::Add(name, cause)),
        4 => Just(Deed::Take),
        3 => (any::<usize>(), proptest::option::of(1..5u32)).prop_map(|(who, again)| Deed::Done(who, again)),
        1 => (1..5u32).prop_map(Deed::Pass),
    ];
    proptest::collection::vec(deed, 0..60)
}

/// A resource as the promises have it: nothing of order.
#[derive(Clone, Copy, Debug, Default)]
struct Plain {
    queued: bool,
    running: bool,
    later: Option<Instant>,
}

fn six(number: u8) -> Key {
    // Two namespaces.
    Key::new(
        if number.is_multiple_of(2) {
            "even"
        } else {
            "odd"
        },
        number.to_string(),
    )
}

fn plays(deeds: &[Deed]) {
    let (mut state, mut now) = (State::default(), Instant::now());
    let mut plain = [Plain::default(); 6];
    let of = |key: &Key| key.name().parse::<usize>().unwrap();
    let take = |state: &mut State, plain: &mut [Plain; 6], now: Instant| {
        for it in plain.iter_mut() {
            if it.later.is_some_and(|at| at <= now) {
                *it = Plain {
                    queued: true,
                    later: None,
                    ..*it
                };
            }
        }
        let taken = state.take(now).map(|it| it.key);
        let is_there = plain.iter().any(|it| it.queued && !it.running);
        assert_eq!(
            taken.is_some(),
            is_there,
            "what waits is given out, and nothing else"
        );
        if let Some(key) = &taken {
            let it = &mut plain[of(key)];
            assert!(
                it.queued && !it.running,
                "{key:?} is worked on, or does not wait"
            );
            *it = Plain {
                running: true,
                ..Plain::default()
            };
        }
        taken
    };
    let done = |state: &mut State, plain: &mut [Plain; 6], key: &Key, again: Option<Instant>| {
        if let Some(at) = again {
            state.put_off(key, at);
        }
        state.free(key);
        let it = &mut plain[of(key)];
        it.running = false;
        if !it.queued {
            it.later = again;
        }
    };
    let mut under_way: Vec<Key> = Vec::new();
    for deed in deeds {
        match deed {
            Deed::Add(number, cause) => {
                state.add(six(*number), *cause, now);
                let it = &mut plain[usize::from(*number)];
                *it = Plain {
                    queued: true,
                    later: None,
                    ..*it
                };
            }
            Deed::Take => under_way.extend(take(&mut state, &mut plain, now)),
            Deed::Done(who, again) if !under_way.is_empty() => {
                let key = under_way.swap_remove(who % under_way.len());
                let again = again.map(|seconds| now + SECOND * seconds);
                done(&mut state, &mut plain, &key, again);
            }
            Deed::Done(..) => {}
            Deed::Pass(seconds) => now += SECOND * *seconds,
        }
    }
    now += 10 * SECOND;
    for key in under_way {
        done(&mut state, &mut plain, &key, None);
    }
    while let Some(key) = take(&mut state, &mut plain, now) {
        done(&mut state, &mut plain, &key, None);
    }
    assert!(
        state.items.is_empty() && state.later.is_empty(),
        "{state:?}"
    );
    for lane in &state.lanes {
        assert!(lane.of.is_empty() && lane.turns.is_empty(), "{lane:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_happens_nothing_is_lost_nothing_is_given_out_twice_and_nothing_is_kept(deeds in deeds()) {
        plays(&deeds);
    }
}

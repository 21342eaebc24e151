//! Turns, as those who wait for them see them.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

fn budgets() -> Budgets {
    Budgets::new(None)
}

fn never() -> Wake {
    Arc::new(|| panic!("woken"))
}

fn throttled(retry_after: u64) -> ApiError {
    let class = Class::Throttled {
        retry_after: Some(Duration::from_secs(retry_after)),
    };
    ApiError::local("create_flow", class, "too many")
}

/// A budget that has met its limit: one call a second, or a little more before it was refused.
fn limited(budgets: &Budgets, retry_after: u64) -> Arc<Budget> {
    let budget = budgets.of("org", "prod");
    let pace = Pace {
        per_second: 1.3,
        at_once: 1.0,
    };
    budget.state().rate = Rate::documented(pace, Instant::now());
    let ticket = budget
        .ticket("first", "n", Urgency::Create, 1, never())
        .ok();
    let leave = ticket.and_then(|ticket| ticket.take()).unwrap();
    leave.answered(Err(&throttled(retry_after)));
    budget
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_everybodys_in_that_sandbox_and_nobodys_elsewhere() {
    let budgets = budgets();
    let budget = limited(&budgets, 7);
    let begun = Instant::now();
    let patience = Duration::from_secs(20);
    budget
        .wait(Urgency::UnderWay, 1, patience)
        .await
        .ok()
        .unwrap();
    assert!(
        begun.elapsed() >= Duration::from_secs(7),
        "{:?}",
        begun.elapsed()
    );
    let begun = Instant::now();
    let elsewhere = budgets.of("org", "dev");
    elsewhere
        .wait(Urgency::Poll, 5, patience)
        .await
        .ok()
        .unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_ticket_from_before_a_pause_is_of_no_use_in_it() {
    let budgets = budgets();
    let budget = budgets.of("org", "prod");
    let early = budget
        .ticket("early", "n", Urgency::Edit, 2, never())
        .ok()
        .unwrap();
    limited(&budgets, 7);
    assert!(early.take().is_none());
}

#[tokio::test(start_paused = true)]
async fn who_has_to_wait_longer_than_it_may_is_told_at_once() {
    let budget = limited(&budgets(), 60);
    let begun = Instant::now();
    let later = budget
        .wait(Urgency::UnderWay, 1, Duration::from_secs(5))
        .await
        .err()
        .unwrap();
    assert_eq!(later.pause, Duration::from_mins(1));
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn who_is_in_line_is_woken_once_and_finds_its_ticket() {
    let budgets = Arc::new(budgets());
    let budget = limited(&budgets, 3);
    let woken = Arc::new(AtomicUsize::new(0));
    let wake: Wake = {
        let woken = Arc::clone(&woken);
        Arc::new(move || {
            woken.fetch_add(1, Ordering::Relaxed);
        })
    };
    let ask = |wake| budget.ticket("a", "n", Urgency::Create, 2, wake);
    ask(Arc::clone(&wake)).err().unwrap();
    let turns = tokio::spawn({
        let budgets = Arc::clone(&budgets);
        async move { budgets.keep_turns().await }
    });
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(woken.load(Ordering::Relaxed), 0);
    // Asking again is no second place in line, and tells how long it has been.
    let later = ask(wake).err().unwrap();
    assert_eq!(later.waited, Duration::from_secs(2));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(woken.load(Ordering::Relaxed), 1);
    let ticket = ask(never()).ok().unwrap();
    // One at a time is all that may go here: the other one follows in its own time.
    assert!(ticket.take().is_some() && ticket.take().is_none());
    turns.abort();
}

/// Makes all of `calls` calls of what has begun, as a plan does; says when each was let go.
async fn carry_out(turn: Turn, calls: usize) -> Vec<Duration> {
    let begun = Instant::now();
    let plan = turn.go_on(calls).await.ok().unwrap();
    let calls = (0..calls).map(|_| async {
        let leave = plan.leave("delete_flow").await.unwrap();
        let at = begun.elapsed();
        leave.answered(Ok(()));
        at
    });
    futures::future::join_all(calls).await
}

#[tokio::test(start_paused = true)]
async fn what_has_begun_gets_through_at_the_lowest_rate_and_not_all_at_once() {
    let pace = Pace {
        per_second: 1.0,
        at_once: 1.0,
    };
    let budgets = budgets().paced(pace);
    let turn = || Turn::new(budgets.of("org", "prod"));
    // Each takes longer than anybody waits for others.
    let (one, other) = tokio::join!(carry_out(turn(), 8), carry_out(turn(), 7));
    let mut gone = [one, other].concat();
    gone.sort();
    let second = Duration::from_secs(1);
    assert!(
        gone.is_sorted_by(|one, next| *one + second <= *next),
        "{gone:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_has_begun_waits_through_a_pause() {
    let budgets = budgets();
    let budget = limited(&budgets, 1);
    let turn = Turn::new(Arc::clone(&budget));
    let plan = turn.go_on(3).await.ok().unwrap();
    let refused = plan.leave("delete_flow").await.unwrap();
    let begun = Instant::now();
    refused.answered(Err(&throttled(20)));
    plan.leave("delete_flow").await.unwrap().answered(Ok(()));
    assert!(begun.elapsed() >= Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_turn_when_the_process_is_about_to_end() {
    let budgets = budgets();
    let budget = limited(&budgets, 9);
    let turn = Turn::new(Arc::clone(&budget));
    let begun = Instant::now();
    let end = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        budgets.close();
    };
    let (waited, ()) = tokio::join!(turn.go_on(3), end);
    assert!(waited.is_err());
    assert!(turn.leave("get_flow").await.is_err());
    assert_eq!(begun.elapsed(), Duration::from_secs(2));
    // Where there is no limit nothing is waited for.
    let elsewhere = Turn::new(budgets.of("org", "dev"));
    assert!(elsewhere.leave("get_flow").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_listing_of_something_begun_does_not_hold_up_what_is_more_than_a_page() {
    let budgets = budgets();
    let budget = limited(&budgets, 1);
    let plan = Turn::new(Arc::clone(&budget)).go_on(1).await.ok().unwrap();
    let edit = budget.wait(Urgency::Edit, 1, Duration::from_mins(9));
    let pages = async {
        for page in 0..50 {
            if plan.leave("list_flows").await.is_err() {
                return page;
            }
        }
        50
    };
    tokio::select! {
        biased;
        pages = pages => panic!("{pages} pages before the edit"),
        edit = edit => assert!(edit.is_ok()),
    }
}

#[tokio::test(start_paused = true)]
async fn an_edit_is_served_before_a_mass_that_came_first() {
    let budgets = Arc::new(budgets());
    let budget = limited(&budgets, 1);
    let order = Arc::new(Mutex::new(Vec::new()));
    let wake = |name: &str| -> Wake {
        let (order, name) = (Arc::clone(&order), name.to_owned());
        Arc::new(move || order.lock().unwrap().push(name.clone()))
    };
    for n in 0..20 {
        let name = format!("mass-{n}");
        let wake = wake(&name);
        budget
            .ticket(&name, "n", Urgency::Create, 1, wake)
            .err()
            .unwrap();
    }
    budget
        .ticket("edit", "n", Urgency::Edit, 1, wake("edit"))
        .err()
        .unwrap();
    let turns = budgets.keep_turns();
    let _ = tokio::time::timeout(Duration::from_mins(2), turns).await;
    let order = order.lock().unwrap();
    assert_eq!(order.len(), 21);
    assert_eq!(order[0], "edit");
}

/// How long `name` has waited, as it is told when it asks for more than is there.
fn waited(turn: &Turn, name: &str) -> Duration {
    let asked = turn.ticket(name, "n", Urgency::Poll, 50, Arc::new(|| {}));
    asked.err().unwrap().waited
}

#[tokio::test(start_paused = true)]
async fn who_got_through_begins_anew_even_if_a_pause_took_its_ticket() {
    let budget = limited(&budgets(), 2);
    let turn = Turn::new(Arc::clone(&budget));
    let ask = || turn.ticket("a", "n", Urgency::Poll, 1, Arc::new(|| {}));
    let other = budget.wait(Urgency::UnderWay, 1, Duration::from_secs(9));
    let other = other.await.ok().unwrap().take().unwrap();
    assert!(ask().is_err());
    tokio::time::advance(Duration::from_secs(2)).await;
    let begun = ask().ok().unwrap();
    other.answered(Err(&throttled(3)));
    begun.leave("get_flow").await.unwrap().answered(Ok(()));
    assert_eq!(waited(&turn, "a"), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn who_needs_no_call_any_more_has_waited_and_who_misses_its_turn_still_waits() {
    let budget = limited(&budgets(), 2);
    let turn = Turn::new(Arc::clone(&budget));
    let ask = || turn.ticket("a", "n", Urgency::Poll, 1, Arc::new(|| {}));
    assert!(ask().is_err());
    // It is woken, and something else holds it up.
    tokio::time::advance(Duration::from_secs(4)).await;
    budget.pump();
    tokio::time::advance(KEPT).await;
    budget.pump();
    let waited = || budget.state().delays.told("a", Instant::now());
    assert_eq!(waited(), Duration::from_secs(14));
    // It gets what it asks for, and does not need it.
    drop(ask().ok().unwrap());
    assert_eq!(waited(), Duration::ZERO);
}

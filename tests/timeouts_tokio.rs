//! TMO: deadlines over tokio's clock, which is paused here.

#![cfg(feature = "tokio")]

mod support;

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use shieldable::time::{timeout, timeout_at};
use shieldable::{CancelScope, Elapsed, checkpoint, shield_scope, shielded};
use support::panic_text;
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::{Instant, advance, sleep};

const SHORT: Duration = Duration::from_millis(10);
const LONG: Duration = Duration::from_millis(50);

/// TMO-3: also between two ticks of tokio's timer, which counts whole milliseconds.
#[tokio::test(start_paused = true)]
async fn a_timeout_of_zero_polls_its_body_once() {
    advance(Duration::from_micros(300)).await;
    let polls = AtomicUsize::new(0);
    let body = poll_fn(|_| {
        polls.fetch_add(1, Ordering::Relaxed);
        Poll::<()>::Pending
    });
    let mut timed = pin!(timeout(Duration::ZERO, body));
    assert_eq!(timed.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Err(Elapsed::new())));
    assert_eq!(polls.load(Ordering::Relaxed), 1);
    assert_eq!(timeout(Duration::ZERO, async { 7 }).await, Ok(7));
}

/// TMO-2: a deadline in the past is no exception.
#[tokio::test(start_paused = true)]
async fn a_deadline_in_the_past_lets_a_ready_body_through() {
    let start = Instant::now();
    advance(LONG).await;
    assert_eq!(timeout_at(start, async { 7 }).await, Ok(7));
    assert_eq!(timeout_at(start, pending::<()>()).await, Err(Elapsed::new()));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_ends_at_its_deadline_and_not_before() {
    let start = Instant::now();
    assert!(timeout(SHORT, sleep(LONG)).await.is_err());
    assert_eq!(start.elapsed(), SHORT);
    assert!(timeout(LONG, sleep(SHORT)).await.is_ok());
    assert_eq!(start.elapsed(), 2 * SHORT);
    assert!(timeout_at(start + LONG, pending::<()>()).await.is_err());
    assert_eq!(start.elapsed(), LONG);
}

/// TMO-5
#[tokio::test(start_paused = true)]
async fn a_deadline_inside_a_shield_waits_for_the_shield_and_the_next_suspension() {
    let start = Instant::now();
    let outcome = timeout(SHORT, async {
        shielded(sleep(LONG)).await;
        assert_eq!(start.elapsed(), LONG);
        yield_now().await;
    })
    .await;
    assert!(outcome.is_err());
    assert_eq!(start.elapsed(), LONG);
}

/// TMO-9
#[tokio::test(start_paused = true)]
async fn a_deadline_at_the_end_of_the_clock_or_beyond_it_is_far_ahead() {
    let seconds = (0..64).rev().map(|bit| Duration::from_secs(1 << bit));
    let parts = (0..30).rev().map(|bit| Duration::from_nanos(1 << bit));
    let end = seconds.chain(parts).fold(Instant::now(), |end, step| end.checked_add(step).unwrap_or(end));
    assert_eq!(end.checked_add(Duration::from_nanos(1)), None);
    assert_eq!(timeout_at(end, sleep(LONG)).await, Ok(()));
    assert_eq!(timeout(Duration::MAX, sleep(LONG)).await, Ok(()));
    let mut endless = pin!(timeout(Duration::MAX, pending::<()>()));
    advance(Duration::from_secs(86_400 * 365)).await;
    assert!(endless.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

/// Runs `body` under a timeout while another task moves the clock past the deadline.
async fn run_out_of_time(body: impl Future<Output = &'static str>) -> Result<&'static str, Elapsed> {
    let clock = tokio::spawn(advance(LONG));
    let outcome = timeout(SHORT, body).await;
    clock.await.unwrap();
    outcome
}

/// More turns than any of these loops needs when its deadline is looked at.
const TURNS: u32 = 100_000;

/// TMO-8: the body is ready again and again, until tokio's cooperative budget makes it suspend, in every poll.
#[tokio::test(start_paused = true)]
async fn a_body_that_uses_up_the_cooperative_budget_does_not_outlive_its_deadline() {
    let free = Semaphore::new(1);
    let outcome = run_out_of_time(async {
        for _ in 0..TURNS {
            drop(free.acquire().await);
        }
        "the deadline was never looked at"
    });
    assert_eq!(outcome.await, Err(Elapsed::new()));
}

/// CHK-4
#[tokio::test(start_paused = true)]
async fn a_loop_of_checkpoints_does_not_outlive_its_deadline() {
    let outcome = run_out_of_time(async {
        for _ in 0..TURNS {
            checkpoint().await;
        }
        "the deadline was never looked at"
    });
    assert_eq!(outcome.await, Err(Elapsed::new()));
}

/// CHK-4: a shield around the timeout changes nothing for it.
#[tokio::test(start_paused = true)]
async fn a_loop_of_checkpoints_in_a_timeout_inside_a_shield_does_not_outlive_its_deadline() {
    let outcome = CancelScope::new(async {
        let _shield = shield_scope();
        let outcome = run_out_of_time(async {
            for _ in 0..TURNS {
                checkpoint().await;
            }
            "the deadline was never looked at"
        });
        outcome.await
    });
    assert_eq!(outcome.await, Ok(Err(Elapsed::new())));
}

#[test]
fn a_timeout_outside_a_runtime_panics_with_tokios_own_message() {
    let text = panic_text(|| drop(timeout(SHORT, pending::<()>())));
    assert!(text.contains("runtime"), "{text}");
}

//! D11: deadlines, over a timer of the test's own and over tokio's paused clock.

mod support;

use std::future::{Future, pending, poll_fn, ready};
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use shieldable::time::{timeout, timeout_at};
use shieldable::{CancelScope, Elapsed, ShieldScope, ShieldableTask, TaskHandle, checkpoint, shield_scope, shielded};
use shieldable::{is_shielded, timeout_with};
use support::{Driven, Log, Slot, panic_text, suspend};
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::{Instant, advance, sleep};

const SHORT: Duration = Duration::from_millis(10);
const LONG: Duration = Duration::from_millis(50);

/// A deadline that passes when the test says so, and tells how often it was polled.
#[derive(Clone, Default)]
struct Deadline(Rc<std::cell::Cell<(bool, usize)>>);

impl Deadline {
    fn pass(&self) {
        let (_, polls) = self.0.get();
        self.0.set((true, polls));
    }

    fn polls(&self) -> usize {
        self.0.get().1
    }

    /// The timer; polled again after it was ready, it panics.
    fn timer(&self) -> impl Future<Output = ()> + use<> {
        let cell = self.0.clone();
        let mut over = false;
        poll_fn(move |_| {
            assert!(!over, "an elapsed timer was polled again");
            let (passed, polls) = cell.get();
            cell.set((passed, polls + 1));
            over = passed;
            if passed { Poll::Ready(()) } else { Poll::Pending }
        })
    }
}

/// TMO-2
#[test]
fn a_value_beats_a_deadline_that_has_passed() {
    let deadline = Deadline::default();
    deadline.pass();
    assert_eq!(Driven::new(timeout_with(deadline.timer(), ready(7))).finishes(), Ok(7));
    assert_eq!(deadline.polls(), 0, "the timer is looked at only if the body is pending");
}

/// TMO-2, TMO-6: also if the deadline passed while the body slept.
#[test]
fn a_value_that_comes_in_the_poll_after_the_deadline_is_the_result() {
    let deadline = Deadline::default();
    let mut timed = Driven::new(timeout_with(deadline.timer(), async {
        suspend().await;
        7
    }));
    timed.suspends();
    deadline.pass();
    assert_eq!(timed.finishes(), Ok(7));
}

/// TMO-1: body, then timer, then delivery; all in one poll.
#[test]
fn one_poll_polls_the_body_and_then_the_timer_and_then_delivers() {
    let log = Log::new();
    let timer = async { log.note("timer") };
    let mut timed = Driven::new(timeout_with(timer, async {
        let _local = log.on_drop("delivered");
        log.note("body");
        suspend().await;
        log.note("resumed");
    }));
    assert_eq!(timed.finishes(), Err(Elapsed::new()));
    log.assert(&["body", "timer", "delivered"]);
}

/// TMO-1: the scope's own request comes first of all.
#[test]
fn a_deadline_that_a_shield_held_back_is_delivered_before_the_body_is_polled_again() {
    let log = Log::new();
    let guard = Slot::<ShieldScope>::new();
    let mut timed = Driven::new(timeout_with(ready(()), async {
        guard.put(shield_scope());
        suspend().await;
        log.note("resumed");
    }));
    timed.suspends();
    drop(guard.take());
    assert_eq!(timed.take_wakes(), 1);
    assert_eq!(timed.finishes(), Err(Elapsed::new()));
    log.assert(&[]);
}

/// TMO-4, TMO-5
#[test]
fn the_timer_runs_while_the_body_is_shielded_and_not_after_it_has_elapsed() {
    let deadline = Deadline::default();
    let mut timed = Driven::new(timeout_with(deadline.timer(), async {
        let shield = shield_scope();
        for _ in 0..4 {
            suspend().await;
        }
        drop(shield);
        suspend().await;
    }));
    timed.suspends();
    timed.suspends();
    assert_eq!(deadline.polls(), 2);
    deadline.pass();
    timed.suspends();
    timed.suspends();
    assert_eq!(deadline.polls(), 3);
    assert_eq!(timed.take_wakes(), 0, "a deadline behind a shield does not make the task spin");
    assert_eq!(timed.finishes(), Err(Elapsed::new()), "the first suspension after the shield");
}

/// TMO-6, NST-1
#[test]
fn a_deadline_that_a_shield_outlasts_leaves_nothing_behind() {
    let task = ShieldableTask::new(async {
        let value = timeout_with(
            ready(()),
            shielded(async {
                suspend().await;
                7
            }),
        )
        .await;
        suspend().await;
        suspend().await;
        (value, TaskHandle::current().cancelling(), is_shielded())
    });
    let mut task = Driven::new(task);
    for _ in 0..3 {
        task.suspends();
    }
    assert_eq!(task.finishes(), Ok((Ok(7), 0, false)));
}

/// TMO-4: the request is the timeout's own.
#[test]
fn a_passed_deadline_is_no_request_to_the_task_around() {
    let task = ShieldableTask::new(async {
        assert!(timeout_with(ready(()), pending::<()>()).await.is_err());
        suspend().await;
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    assert_eq!(handle.cancelling(), 0);
    assert!(task.finishes().is_ok());
}

/// TMO-7
#[test]
fn nested_deadlines_that_have_both_passed_are_decided_from_the_inside_out() {
    let both = timeout_with(ready(()), timeout_with(ready(()), pending::<()>()));
    assert_eq!(Driven::new(both).finishes(), Ok(Err(Elapsed::new())));
    let outer = timeout_with(ready(()), timeout_with(pending::<()>(), pending::<()>()));
    assert_eq!(Driven::new(outer).finishes(), Err(Elapsed::new()));
}

/// TMO-7: the shield inside held both back; its guard is then dropped elsewhere.
#[test]
fn nested_deadlines_behind_one_shield_are_decided_from_the_inside_out() {
    let guard = Slot::<ShieldScope>::new();
    let mut both = Driven::new(timeout_with(
        ready(()),
        timeout_with(ready(()), async {
            guard.put(shield_scope());
            pending::<()>().await;
        }),
    ));
    both.suspends();
    drop(guard.take());
    assert_eq!(both.finishes(), Ok(Err(Elapsed::new())));
}

/// D5 and TMO-4 together: a cancelled task and a passed deadline are two requests to two scopes.
#[test]
fn a_task_cancelled_while_its_timeout_elapses_ends_at_the_outermost() {
    let deadline = Deadline::default();
    let task = ShieldableTask::new(timeout_with(deadline.timer(), pending::<()>()));
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    deadline.pass();
    handle.cancel();
    assert!(task.finishes().is_err());
    assert_eq!(deadline.polls(), 1);
}

/// SCP-8
#[test]
fn a_timeout_polled_after_its_result_panics() {
    let mut valued = Driven::new(timeout_with(pending::<()>(), async {}));
    assert!(valued.finishes().is_ok());
    valued.panics();
    let mut elapsed = Driven::new(timeout_with(ready(()), pending::<()>()));
    assert!(elapsed.finishes().is_err());
    elapsed.panics();
}

#[test]
fn elapsed_is_a_timed_out_io_error() {
    let error = std::io::Error::from(Elapsed::new());
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
}

/// TMO-3
#[tokio::test(start_paused = true)]
async fn a_timeout_of_zero_polls_its_body_once() {
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
async fn a_duration_too_long_for_the_clock_means_the_far_future() {
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

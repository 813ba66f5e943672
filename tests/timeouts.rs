//! TMO: deadlines over a timer of the test's own, polled by hand.

mod support;

use std::future::{Future, pending, poll_fn, ready};
use std::rc::Rc;
use std::task::Poll;

use shieldable::{Elapsed, ShieldScope, ShieldableTask, TaskHandle, is_shielded, shield_scope, shielded, timeout_with};
use support::{Driven, Log, Slot, suspend};

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

/// NST-1 and TMO-4 together: a cancelled task and a passed deadline are two requests to two scopes.
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

//! The numbers of SPEC.md section 5 that a program can reach, apart from the depth of a lock. A file of its own: some
//! take millions of steps.

mod support;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use shieldable::{CancelScope, ShieldableTask, checkpoint, is_shielded, shield_scope};
use support::{Driven, panic_text};

const LIMIT: usize = 1 << 24;

/// HDL-12
#[test]
fn the_count_of_requests_saturates() {
    let scope = CancelScope::new(async {});
    let handle = scope.handle();
    for _ in 0..LIMIT + 1 {
        assert!(handle.cancel());
    }
    assert_eq!(handle.cancelling(), LIMIT - 1);
    assert_eq!(handle.uncancel(), LIMIT - 2);
    assert!(Driven::new(scope).finishes().is_err());
}

/// DLV-2: as many bits as the count has, each of them counts.
#[test]
fn any_number_of_requests_keeps_the_body_from_being_polled() {
    for bit in 0..24 {
        let scope = CancelScope::new(async { panic!("polled after {} requests", 1 << bit) });
        let handle = scope.handle();
        (0..1 << bit).for_each(|_| assert!(handle.cancel()));
        let outcome: Result<(), _> = Driven::new(scope).finishes();
        assert!(outcome.is_err());
    }
}

/// SHD-12
#[test]
fn one_shield_too_many_panics_and_is_not_opened() {
    let task = ShieldableTask::new(async {
        let one = shield_scope();
        for _ in 1..LIMIT {
            std::mem::forget(shield_scope());
        }
        let text = panic_text(|| drop(shield_scope()));
        assert!(text.contains("shields"), "{text}");
        drop(one);
        drop(shield_scope());
        is_shielded()
    });
    assert_eq!(Driven::new(task).finishes(), Ok(true));
}

/// SHD-12: those that are open count, and not those that were closed outside the polls.
#[test]
fn shields_that_were_closed_elsewhere_make_room_for_others() {
    const AT_A_TIME: usize = 1 << 18;
    let guards = RefCell::new(Vec::with_capacity(AT_A_TIME));
    let mut task = Driven::new(ShieldableTask::new(poll_fn(|_| {
        guards.borrow_mut().extend((0..AT_A_TIME).map(|_| shield_scope()));
        Poll::<()>::Pending
    })));
    for _ in 0..=LIMIT / AT_A_TIME {
        task.suspends();
        guards.borrow_mut().clear();
    }
}

/// CHK-4
#[test]
fn a_long_run_of_checkpoints_in_one_poll_suspends_once_and_starts_afresh() {
    let passed = Rc::new(Cell::new(0));
    let mut task = Driven::new(ShieldableTask::new({
        let passed = passed.clone();
        async move {
            for _ in 0..257 {
                checkpoint().await;
                passed.set(passed.get() + 1);
            }
        }
    }));
    task.suspends();
    assert_eq!(passed.get(), 128);
    assert_eq!(task.take_wakes(), 1);
    assert_eq!(task.finishes(), Ok(()), "the one that suspended, and 128 more");
}

//! RLK: hand-overs of the re-entrant lock, and acquisitions that move from task to task while they wait.

#[path = "support/hooks.rs"]
mod hooks;
#[path = "support/stage.rs"]
mod stage;
mod support;

use std::task::{Context, Waker};

use hooks::Hooks;
use shieldable::{CancelScope, RLock, ShieldableTask, TryLockError};
use stage::{Stage, acquisition, granted, shared};
use support::{Driven, panic_text};

/// RLK-4
#[test]
fn a_hand_over_makes_the_waiting_task_the_owner_before_it_is_polled() {
    let lock = shared();
    let (mut first, mut second, mut third) = (Stage::new(), Stage::new(), Stage::new());
    let held = first.try_lock(&lock).unwrap();
    let waiting = acquisition(&lock);
    assert!(second.poll(&waiting).is_pending());
    drop(held);
    assert!(!first.holds(&lock));
    assert_eq!(first.try_lock(&lock).unwrap_err(), TryLockError::WouldBlock);
    assert_eq!(third.try_lock(&lock).unwrap_err(), TryLockError::WouldBlock);
    // Another branch of the second task is inside already.
    assert!(second.holds(&lock));
    let branch = second.try_lock(&lock).unwrap();
    let own = granted(second.poll(&waiting));
    drop(own);
    assert!(lock.is_locked());
    drop(branch);
    assert!(!lock.is_locked());
}

/// RLK-5
#[test]
fn a_queued_acquisition_that_the_owner_polls_enters_and_leaves_the_queue() {
    let lock = shared();
    let (mut owner, mut other) = (Stage::new(), Stage::new());
    let held = owner.try_lock(&lock).unwrap();
    let moving = acquisition(&lock);
    assert!(other.poll(&moving).is_pending());
    let entered = granted(owner.poll(&moving));
    drop(held);
    assert!(owner.holds(&lock), "not handed over to the place that it left");
    drop(entered);
    assert!(!lock.is_locked());
    assert_eq!(other.take_wakes(), 0);
}

/// RLK-5: with others queued before and behind.
#[test]
fn the_queue_closes_up_behind_an_acquisition_that_left_with_the_owner() {
    let lock = shared();
    let (mut owner, mut front, mut back) = (Stage::new(), Stage::new(), Stage::new());
    let held = owner.try_lock(&lock).unwrap();
    let (first, moving, last) = (acquisition(&lock), acquisition(&lock), acquisition(&lock));
    assert!(front.poll(&first).is_pending());
    assert!(back.poll(&moving).is_pending());
    assert!(back.poll(&last).is_pending());
    drop((granted(owner.poll(&moving)), held));
    drop(granted(front.poll(&first)));
    drop(granted(back.poll(&last)));
    assert!(!lock.is_locked());
}

/// RLK-6
#[test]
fn a_queued_acquisition_that_moves_keeps_its_place_for_the_task_that_polls_it() {
    let lock = shared();
    let (mut owner, mut a, mut b, mut behind) = (Stage::new(), Stage::new(), Stage::new(), Stage::new());
    let held = owner.try_lock(&lock).unwrap();
    let (moving, last) = (acquisition(&lock), acquisition(&lock));
    assert!(a.poll(&moving).is_pending());
    assert!(behind.poll(&last).is_pending());
    assert!(b.poll(&moving).is_pending());
    drop(held);
    assert_eq!((a.take_wakes(), b.take_wakes(), behind.take_wakes()), (0, 1, 0));
    assert!(!a.holds(&lock) && b.holds(&lock));
    drop(granted(b.poll(&moving)));
    drop(granted(behind.poll(&last)));
}

/// RLK-7
#[test]
fn an_acquisition_granted_to_one_task_and_polled_by_another_passes_on_and_queues_anew() {
    let lock = shared();
    let (mut owner, mut a, mut b, mut c) = (Stage::new(), Stage::new(), Stage::new(), Stage::new());
    let held = owner.try_lock(&lock).unwrap();
    let (moving, next) = (acquisition(&lock), acquisition(&lock));
    assert!(a.poll(&moving).is_pending());
    assert!(c.poll(&next).is_pending());
    drop(held);
    assert!(a.holds(&lock));
    assert!(b.poll(&moving).is_pending(), "the next in the queue is first");
    assert!(!a.holds(&lock) && !b.holds(&lock) && c.holds(&lock));
    assert_eq!(c.take_wakes(), 1);
    drop(granted(c.poll(&next)));
    assert_eq!(b.take_wakes(), 1);
    assert!(b.holds(&lock));
    drop(granted(b.poll(&moving)));
    assert!(!lock.is_locked());
}

/// RLK-7: with nobody else waiting it is the poller's at once.
#[test]
fn an_acquisition_granted_to_one_task_is_ready_for_another_if_nobody_waits() {
    let lock = shared();
    let (mut owner, mut a, mut b) = (Stage::new(), Stage::new(), Stage::new());
    let held = owner.try_lock(&lock).unwrap();
    let moving = acquisition(&lock);
    assert!(a.poll(&moving).is_pending());
    drop(held);
    let guard = granted(b.poll(&moving));
    assert!(b.holds(&lock) && !a.holds(&lock));
    drop(guard);
    assert!(!lock.is_locked());
}

/// RLK-7: what the first task entered meanwhile stays its own.
#[test]
fn a_grant_that_is_passed_on_leaves_the_other_levels_of_its_task_alone() {
    let lock = shared();
    let (mut owner, mut a, mut b) = (Stage::new(), Stage::new(), Stage::new());
    let held = owner.try_lock(&lock).unwrap();
    let moving = acquisition(&lock);
    assert!(a.poll(&moving).is_pending());
    drop(held);
    let branch = a.try_lock(&lock).unwrap();
    assert!(b.poll(&moving).is_pending());
    assert!(a.holds(&lock));
    drop(branch);
    assert!(b.holds(&lock));
    drop(granted(b.poll(&moving)));
    assert!(!lock.is_locked());
}

/// RLK-8
#[test]
fn an_acquisition_polled_without_a_task_panics_and_takes_nothing() {
    let lock = shared();
    let mut fresh = Driven::new(lock.lock());
    let text = fresh.panics();
    assert!(text.contains("current task") && text.contains("ShieldableTask"), "{text}");
    assert!(!lock.is_locked());
    // A scope alone is nobody.
    Driven::new(CancelScope::new(lock.lock())).panics();
    assert!(!lock.is_locked());
}

/// RLK-8
#[test]
fn an_acquisition_that_loses_its_task_leaves_the_queue() {
    let lock = shared();
    let (mut owner, mut a, mut b) = (Stage::new(), Stage::new(), Stage::new());
    let held = owner.try_lock(&lock).unwrap();
    let (moving, next) = (acquisition(&lock), acquisition(&lock));
    assert!(a.poll(&moving).is_pending());
    assert!(b.poll(&next).is_pending());
    panic_text(|| drop(moving.poll(&mut Context::from_waker(Waker::noop()))));
    drop(held);
    assert_eq!((a.take_wakes(), b.take_wakes()), (0, 1));
    drop(granted(b.poll(&next)));
    assert!(!lock.is_locked());
}

/// RLK-8
#[test]
fn a_granted_acquisition_that_loses_its_task_passes_the_lock_on() {
    let lock = shared();
    let (mut owner, mut a, mut b) = (Stage::new(), Stage::new(), Stage::new());
    let held = owner.try_lock(&lock).unwrap();
    let (moving, next) = (acquisition(&lock), acquisition(&lock));
    assert!(a.poll(&moving).is_pending());
    assert!(b.poll(&next).is_pending());
    drop(held);
    assert_eq!(b.take_wakes(), 0);
    panic_text(|| drop(moving.poll(&mut Context::from_waker(Waker::noop()))));
    assert_eq!(b.take_wakes(), 1);
    drop(granted(b.poll(&next)));
    assert!(!lock.is_locked());
}

/// RLK-10, RLK-5: a queued acquisition that reaches its limit leaves the queue, too.
#[test]
fn a_queued_acquisition_polled_by_an_owner_at_its_limit_panics_and_leaves_the_queue() {
    let lock = shared();
    let (mut owner, mut other) = (Stage::new(), Stage::new());
    let levels: Vec<_> = (0..4095).map(|_| owner.try_lock(&lock).unwrap()).collect();
    let moving = acquisition(&lock);
    assert!(other.poll(&moving).is_pending());
    let polled = moving.clone();
    owner.run_with(move |cx| panic_text(|| drop(polled.poll(cx))));
    drop(levels);
    assert!(!lock.is_locked());
    moving.cut();
}

/// RLK-5, RLK-10: it had entered, but nobody got a guard of it.
#[test]
fn an_acquisition_that_unwinds_out_of_the_poll_in_which_it_entered_does_not_keep_the_lock() {
    let lock = shared();
    let (mut owner, mut other) = (Stage::new(), Stage::new());
    let held = owner.try_lock(&lock).unwrap();
    let moving = acquisition(&lock);
    let former = Hooks::new();
    let queued = other.run({
        let (moving, waker) = (moving.clone(), former.waker());
        move || moving.poll(&mut Context::from_waker(&waker)).is_pending()
    });
    assert!(queued);
    former.on_drop(|| panic!("in drop"));
    let polled = moving.clone();
    assert_eq!(owner.run_with(move |cx| panic_text(|| drop(polled.poll(cx)))), "in drop");
    drop(held);
    assert!(!lock.is_locked());
    moving.cut();
}

/// Runs `f` in the poll of a new task.
fn in_a_task<R>(mut f: impl FnMut(&mut Context<'_>) -> R) -> R {
    let body = std::future::poll_fn(|cx| std::task::Poll::Ready(f(cx)));
    Driven::new(ShieldableTask::new(body)).finishes().unwrap()
}

/// RLK-7: having passed its grant on, it waits like everybody else.
#[test]
fn an_acquisition_that_passed_its_grant_on_is_not_granted_before_its_turn_comes_again() {
    let lock = RLock::new(());
    let held = in_a_task(|_| lock.try_lock().unwrap());
    let mut moved = Box::pin(lock.lock());
    in_a_task(|cx| assert!(moved.as_mut().poll(cx).is_pending()));
    let mut next = Driven::new(ShieldableTask::new(lock.lock()));
    next.suspends();

    drop(held); // granted to the task that polled `moved`, which is no more
    let mut polls = 0;
    let mut other = Driven::new(ShieldableTask::new(std::future::poll_fn(|cx| {
        polls += 1;
        moved.as_mut().poll(cx)
    })));
    other.suspends();
    other.suspends();
    let held = next.finishes().unwrap();
    other.suspends();
    drop(held);
    drop(other.finishes().unwrap());
    drop(other);
    assert_eq!(polls, 4);
}

/// RLK-8: a place that was given up with a panic is given up, though the future that had it is still there.
#[test]
fn an_acquisition_that_panicked_without_a_task_is_out_of_the_queue_before_it_is_dropped() {
    let lock = RLock::new(());
    let held = in_a_task(|_| lock.try_lock().unwrap());
    let mut lost = Box::pin(lock.lock());
    in_a_task(|cx| assert!(lost.as_mut().poll(cx).is_pending()));
    let mut next = Driven::new(ShieldableTask::new(lock.lock()));
    next.suspends();

    let outside = &mut Context::from_waker(Waker::noop());
    panic_text(|| drop(lost.as_mut().poll(outside)));
    drop(held);
    drop(next.finishes().unwrap());
    drop(lost);
}

//! The re-entrant lock: levels, owners, and acquisitions that change hands.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use crate::common::*;

pub const MODELS: &[Model] = &[
    model!(two_tasks_take_turns: "one had to wait", "nobody had to wait"),
    model!(re_entrant_guards_dropped_on_two_threads_race_a_new_owner: "had to wait", "did not").bounded(3),
    model!(the_last_of_two_guards_dropped_on_two_threads_hands_over: "handed over"),
    model!(re_entry_races_the_last_guard_dropped_elsewhere: "re-entered", "handed over first"),
    model!(re_entry_races_the_last_guard_of_a_lock_nobody_waits_for: "entered"),
    model!(a_release_makes_the_waiting_task_the_owner_at_once: "already the owner", "not yet the owner"),
    model!(an_acquisition_polled_first_by_one_task_and_then_by_another_races_the_release:
        "granted to the first task", "granted to the second task, or free"),
    model!(an_acquisition_that_changes_tasks_races_the_release_and_a_third_task:
        "granted to the first task", "granted to the second task, or free"),
    model!(a_queued_acquisition_dropped_races_the_release: "granted first", "dropped first"),
];

pub type Shared = Arc<RLock<Payload>>;

pub fn shared() -> Shared {
    Arc::new(RLock::new(Payload::new(0)))
}

/// Runs the closure as the body of a task that ends in its first poll.
pub fn in_a_task<R>(body: impl FnOnce() -> R) -> R {
    run("a passing task", ShieldableTask::new(async { body() })).expect("nobody has its handle")
}

/// Two guards of one task that has ended.
fn two_guards(lock: &Shared) -> (OwnedRLockGuard<Payload>, OwnedRLockGuard<Payload>) {
    in_a_task(|| (lock.clone().try_lock_owned().unwrap(), lock.clone().try_lock_owned().unwrap()))
}

/// Polls an acquisition once on behalf of the task that awaits this, where it has to queue.
pub async fn queues(mut acquisition: Pin<&mut (impl Future + ?Sized)>) {
    poll_fn(|cx| {
        assert!(acquisition.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

/// A task of its own that takes one turn and tells whether it had to wait.
fn take_a_turn(task: &'static str, lock: &Shared) -> bool {
    let acquired = Runner::new(task, ShieldableTask::new(lock.clone().lock_owned())).finish_and_tell();
    acquired.output.expect("nobody has its handle").bump();
    acquired.polls > 1
}

#[track_caller]
pub fn free_after(turns: u32, lock: &Shared) {
    assert!(!lock.is_locked());
    in_a_task(|| assert_eq!(lock.try_lock().expect("everybody is gone").get(), turns));
}

fn two_tasks_take_turns() {
    let lock = shared();
    let other = spawn("other", {
        let lock = lock.clone();
        move || take_a_turn("the other", &lock)
    });

    let waited = take_a_turn("the one", &lock) | other.join().unwrap();
    saw(if waited { "one had to wait" } else { "nobody had to wait" });
    free_after(2, &lock);
}

fn re_entrant_guards_dropped_on_two_threads_race_a_new_owner() {
    let lock = shared();
    let (one, two) = two_guards(&lock);
    let others = [("one", one), ("two", two)].map(|(name, guard)| {
        spawn(name, move || {
            assert_eq!(guard.get(), 0);
            call("release one level", || drop(guard));
        })
    });

    saw(if take_a_turn("the next", &lock) { "had to wait" } else { "did not" });
    for other in others {
        other.join().unwrap();
    }
    free_after(1, &lock);
}

fn the_last_of_two_guards_dropped_on_two_threads_hands_over() {
    let lock = shared();
    let (one, two) = two_guards(&lock);
    let next = Runner::new("the next", ShieldableTask::new(lock.clone().lock_owned())).suspends();
    let other = spawn("other", move || {
        assert_eq!(one.get(), 0);
        call("release one level", || drop(one));
    });

    assert_eq!(two.get(), 0);
    call("release one level", || drop(two));
    next.finish().expect("nobody has its handle").bump();
    saw("handed over");
    other.join().unwrap();
    free_after(1, &lock);
}

fn re_entry_races_the_last_guard_dropped_elsewhere() {
    let lock = shared();
    let slot = Slot::new();
    let waiter = Runner::new("the waiter", ShieldableTask::new(lock.clone().lock_owned()));
    let has_been_handed_over = waiter.woken_flag();
    let owner = ShieldableTask::new({
        let (lock, slot) = (lock.clone(), slot.clone());
        async move {
            slot.put(lock.clone().try_lock_owned().unwrap());
            yield_once().await;
            match lock.try_lock() {
                Ok(again) => {
                    yield_once().await;
                    assert!(lock.is_held_by_current() && !has_been_handed_over(), "two owners");
                    drop(again);
                    "re-entered"
                }
                Err(_) => "handed over first",
            }
        }
    });
    let owner = Runner::new("the owner", owner).suspends();
    let guard = slot.take();
    let waiter = waiter.suspends();
    let other = spawn("other", move || call("release", || drop(guard)));

    saw(owner.finish().expect("nobody has its handle"));
    waiter.finish().expect("nobody has its handle").bump();
    other.join().unwrap();
    free_after(1, &lock);
}

fn re_entry_races_the_last_guard_of_a_lock_nobody_waits_for() {
    let lock = shared();
    let slot = Slot::new();
    let owner = ShieldableTask::new({
        let (lock, slot) = (lock.clone(), slot.clone());
        async move {
            slot.put(lock.clone().try_lock_owned().unwrap());
            yield_once().await;
            let again = call("try_lock", || lock.try_lock().expect("free, or its own"));
            assert!(lock.is_held_by_current() && lock.is_locked());
            drop(again);
        }
    });
    let owner = Runner::new("the owner", owner).suspends();
    let guard = slot.take();
    let other = spawn("other", move || call("release", || drop(guard)));

    assert_eq!(owner.finish(), Ok(()));
    saw("entered");
    other.join().unwrap();
    free_after(0, &lock);
}

fn a_release_makes_the_waiting_task_the_owner_at_once() {
    let lock = shared();
    let guard = in_a_task(|| lock.clone().try_lock_owned().unwrap());
    // Two branches of one task: one waits, the other looks in.
    let task = ShieldableTask::new({
        let lock = lock.clone();
        async move {
            let mut waits = Box::pin(lock.clone().lock_owned());
            queues(waits.as_mut()).await;
            yield_once().await;
            saw(match lock.try_lock() {
                Ok(again) => {
                    again.bump();
                    "already the owner"
                }
                Err(_) => "not yet the owner",
            });
            waits.await.bump();
        }
    });
    let task = Runner::new("the task", task).suspends();
    let holder = bump_and_release(guard);

    assert_eq!(task.finish(), Ok(()));
    holder.join().unwrap();
    in_a_task(|| assert!((2..=3).contains(&lock.try_lock().expect("everybody is gone").get())));
}

type Acquisition = Pin<Box<dyn Future<Output = OwnedRLockGuard<Payload>>>>;

/// An acquisition that a first task has polled, put in the queue and lost to a second one.
pub fn changes_tasks(
    lock: &Shared,
) -> (Runner<impl Future<Output = ()> + use<>>, Runner<impl Future<Output = bool> + use<>>) {
    let slot: Slot<Acquisition> = Slot::new();
    slot.put(Box::pin(lock.clone().lock_owned()));
    let first = ShieldableTask::new({
        let slot = slot.clone();
        async move {
            let mut acquisition = slot.take();
            queues(acquisition.as_mut()).await;
            slot.put(acquisition);
            pending::<()>().await
        }
    });
    let first = Runner::new("the first task", async { _ = first.await }).suspends();
    let second = ShieldableTask::new({
        let lock = lock.clone();
        async move {
            let guard = slot.take().await;
            guard.bump();
            lock.is_held_by_current()
        }
    });
    (first, Runner::new("the second task", async { second.await.expect("nobody has its handle") }))
}

fn an_acquisition_polled_first_by_one_task_and_then_by_another_races_the_release() {
    let lock = shared();
    let guard = in_a_task(|| lock.clone().try_lock_owned().unwrap());
    let (first, second) = changes_tasks(&lock);
    let holder = bump_and_release(guard);

    assert!(second.finish(), "the task that has the guard is not the owner");
    saw(if first.was_woken() { "granted to the first task" } else { "granted to the second task, or free" });
    holder.join().unwrap();
    free_after(2, &lock);
}

fn an_acquisition_that_changes_tasks_races_the_release_and_a_third_task() {
    let lock = shared();
    let guard = in_a_task(|| lock.clone().try_lock_owned().unwrap());
    let (first, second) = changes_tasks(&lock);
    let third = Runner::new("the third task", ShieldableTask::new(lock.clone().lock_owned())).suspends();
    let holder = bump_and_release(guard);
    let other = spawn("other", move || third.finish().expect("nobody has its handle").bump());

    assert!(second.finish(), "the task that has the guard is not the owner");
    saw(if first.was_woken() { "granted to the first task" } else { "granted to the second task, or free" });
    holder.join().unwrap();
    other.join().unwrap();
    free_after(3, &lock);
}

fn a_queued_acquisition_dropped_races_the_release() {
    let lock = shared();
    let (one, two) = two_guards(&lock);
    let waiter = Runner::new("the waiter", ShieldableTask::new(lock.clone().lock_owned())).suspends();
    let holder = spawn("holder", move || {
        call("release one level", || drop(one));
        call("release", || drop(two));
    });

    let granted = drop_and_tell("drop the waiter", waiter);
    saw(if granted { "granted first" } else { "dropped first" });
    holder.join().unwrap();
    free_after(0, &lock);
}

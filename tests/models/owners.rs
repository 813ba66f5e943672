//! Whose a place in the queue is, and who may enter: acquisitions that change hands, or lose theirs, while the lock is
//! released, and tasks that are made at once.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::aged;
use crate::common::*;
use crate::reentrant::{changes_tasks, free_after, in_a_task, shared};
use crate::timeline::lanes_catch;

pub const MODELS: &[Model] = &[
    model!(tasks_that_are_made_at_once_are_different_owners: "the one has it", "the other has it"),
    model!(a_thread_that_has_used_up_its_ids_goes_on_with_none_of_another:
        "the other came first", "the other came later"),
    model!(an_acquisition_polled_without_a_task_races_the_release: "granted first", "left first"),
    model!(an_acquisition_that_changes_tasks_keeps_its_place_before_a_third_task:
        "granted to the first task", "granted to the second task"),
    model!(a_queued_acquisition_polled_by_the_owner_races_the_last_guard_dropped_elsewhere:
        "entered again", "handed over first"),
    model!(the_queue_closes_up_behind_a_waiter_that_leaves_while_the_lock_is_released: "granted first", "left first"),
];

fn a_thread_that_has_used_up_its_ids_goes_on_with_none_of_another() {
    /// So many a thread takes at a time.
    const BLOCK: usize = 1024;
    let id = || aged::ShieldableTask::new(async {}).handle().id();
    let other = spawn("other", move || call("make a task", id));

    let mine: Vec<_> = (0..=BLOCK).map(|_| id()).collect();
    let other = other.join().unwrap();
    assert!(!mine.contains(&other));
    saw(if other < mine[0] { "the other came first" } else { "the other came later" });
}

/// With the first thread's own they are three, so that numbers which come in turns would be noticed, too.
fn tasks_that_are_made_at_once_are_different_owners() {
    fn tries(lock: &Arc<aged::RLock>) -> (aged::TaskId, Option<aged::OwnedRLockGuard>) {
        let task = aged::ShieldableTask::new(async { lock.clone().try_lock_owned().ok() });
        let id = task.handle().id();
        (id, run("a task", task).expect("nobody has its handle"))
    }
    let lock = Arc::new(aged::RLock::new(()));
    let mine = aged::ShieldableTask::new(async {}).handle().id();
    let other = spawn("other", {
        let lock = lock.clone();
        move || call("try_lock", || tries(&lock))
    });

    let one = spawn("one", {
        let lock = lock.clone();
        move || call("try_lock", || tries(&lock))
    });
    let ((one, guard_of_one), (other, guard_of_other)) = (one.join().unwrap(), other.join().unwrap());
    assert!(mine != one && mine != other && one != other, "an id was given out twice");
    saw(match (&guard_of_one, &guard_of_other) {
        (Some(_), None) => "the one has it",
        (None, Some(_)) => "the other has it",
        both => panic!("{both:?}"),
    });
}

/// Puts an acquisition in the queue for a task that is over after that; tells whether that task has been woken.
fn queue_for_a_passing_task<F: Future>(acquisition: F) -> (Pin<Box<F>>, impl Fn() -> bool) {
    let mut acquisition = Some(Box::pin(acquisition));
    let passing = ShieldableTask::new(poll_fn(move |cx| {
        let mut acquisition = acquisition.take().expect("polled once");
        assert!(acquisition.as_mut().poll(cx).is_pending());
        Poll::Ready(acquisition)
    }));
    let passing = Runner::new("the passing task", passing);
    let was_woken = passing.woken_flag();
    (passing.finish().expect("nobody has its handle"), was_woken)
}

/// Its place is given up though the future that had it is still there, and what was granted to it is passed on.
fn an_acquisition_polled_without_a_task_races_the_release() {
    lanes_catch();
    let lock = shared();
    let guard = in_a_task(|| lock.clone().try_lock_owned().unwrap());
    let (mut lost, was_granted) = queue_for_a_passing_task(lock.lock());
    let next = Runner::new("the next", ShieldableTask::new(lock.clone().lock_owned())).suspends();
    let holder = bump_and_release(guard);

    let mut poll = || lost.as_mut().poll(&mut Context::from_waker(Waker::noop())).map(drop);
    assert!(catch_unwind(AssertUnwindSafe(|| call("poll without a task", &mut poll))).is_err());
    let granted_first = was_granted();
    next.finish().expect("nobody has its handle").bump();
    holder.join().unwrap();
    assert_eq!(was_granted(), granted_first, "what has left is granted nothing");
    saw(if granted_first { "granted first" } else { "left first" });
    free_after(2, &lock);
}

fn an_acquisition_that_changes_tasks_keeps_its_place_before_a_third_task() {
    let lock = shared();
    let guard = in_a_task(|| lock.clone().try_lock_owned().unwrap());
    let (first, second) = changes_tasks(&lock);
    let third = Runner::new("the third task", ShieldableTask::new(lock.clone().lock_owned())).suspends();
    let holder = bump_and_release(guard);

    let mut second = second.suspends();
    holder.join().unwrap();
    if first.was_woken() {
        saw("granted to the first task");
        assert!(third.was_woken(), "it is passed on");
        third.finish().expect("nobody has its handle").bump();
        assert!(second.finish(), "the task that has the guard is not the owner");
    } else {
        saw("granted to the second task");
        assert!(second.was_woken());
        assert_eq!(second.poll(), Poll::Ready(true), "it was not granted to the task that polled last");
        third.finish().expect("nobody has its handle").bump();
    }
    free_after(3, &lock);
}

/// What a future gives, and the future itself.
async fn keeping<F: Future>(mut future: Pin<Box<F>>) -> (F::Output, Pin<Box<F>>) {
    (future.as_mut().await, future)
}

/// Whichever comes first, the owner is in and the place is empty, though the future that had it is still there.
fn a_queued_acquisition_polled_by_the_owner_races_the_last_guard_dropped_elsewhere() {
    let lock = shared();
    let slot = Slot::new();
    let moving = Slot::new();
    let owner = ShieldableTask::new(async {
        slot.put(lock.clone().try_lock_owned().unwrap());
        yield_once().await;
        keeping(moving.take()).await
    });
    let owner = Runner::new("the owner", owner).suspends();
    let guard = slot.take();
    let (acquisition, was_granted) = queue_for_a_passing_task(lock.lock());
    moving.put(acquisition);
    let other = spawn("other", move || call("release", || drop(guard)));

    let (guard, acquisition) = owner.finish().expect("nobody has its handle");
    other.join().unwrap();
    saw(if was_granted() { "handed over first" } else { "entered again" });
    drop(guard);
    free_after(0, &lock);
    drop(acquisition);
}

fn the_queue_closes_up_behind_a_waiter_that_leaves_while_the_lock_is_released() {
    let lock = Arc::new(Lock::new(Payload::new(0)));
    let guard = lock.clone().try_lock_owned().unwrap();
    let [first, leaves, last] = ["the first", "the one that leaves", "the last"]
        .map(|name| Runner::new(name, lock.clone().lock_owned()).suspends());
    let holder = bump_and_release(guard);

    assert!(!drop_and_tell("drop the one that leaves", leaves));
    saw(if first.was_woken() { "granted first" } else { "left first" });
    first.finish().bump();
    last.finish().bump();
    holder.join().unwrap();
    assert_eq!(lock.try_lock().expect("everybody is gone").get(), 3);
}

//! The plain lock: exclusion, hand-over, and waiters that go away.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use crate::common::*;

pub const MODELS: &[Model] = &[
    model!(two_lockers_take_turns: "one had to wait", "nobody had to wait"),
    model!(three_lockers_take_turns: "two had to wait", "fewer had to wait").bounded(2),
    model!(hand_over_races_the_drop_of_the_woken_waiter_and_a_new_locker:
        "dropped after the hand-over", "dropped before the hand-over", "the new one had to wait", "the new one did not")
    .bounded(3),
    model!(the_only_waiter_is_dropped_while_the_lock_is_released: "granted first", "dropped first"),
    model!(a_release_on_its_way_to_a_waiter_that_left_finds_the_lock_taken_anew: "taken anew", "not yet given up", "granted first"),
    model!(cancel_of_a_queued_waiter_then_release: "cancelled"),
    model!(release_then_cancel_of_a_queued_waiter: "the lock", "cancelled"),
    model!(cancel_of_a_queued_waiter_races_the_release: "the lock", "cancelled"),
    model!(try_lock_races_the_hand_over: "before the release", "after the release"),
    model!(try_lock_races_the_release: "taken", "held"),
    model!(waiters_get_the_lock_in_the_order_of_their_first_polls: "in order"),
    model!(a_waiter_that_moves_to_another_waker_races_the_release: "the former waker was called", "it was not"),
    model!(a_guard_released_on_another_thread_carries_its_work: "waited", "did not wait"),
    model!(a_waker_that_drops_another_acquisition_finds_the_queue_unlocked: "granted first", "polled first"),
];

type Shared = Arc<Lock<Payload>>;

fn shared() -> Shared {
    Arc::new(Lock::new(Payload::new(0)))
}

/// Takes the lock, works, releases; tells whether it had to wait.
fn take_a_turn(task: &'static str, lock: &Shared) -> bool {
    let acquired = Runner::new(task, lock.clone().lock_owned()).finish_and_tell();
    acquired.output.bump();
    call("release", || drop(acquired.output));
    acquired.polls > 1
}

/// Nobody has it any more, and everybody had a turn.
#[track_caller]
fn free_after(turns: u32, lock: &Shared) {
    assert_eq!(lock.try_lock().expect("everybody is gone").get(), turns);
}

fn two_lockers_take_turns() {
    let lock = shared();
    let other = spawn("other", {
        let lock = lock.clone();
        move || take_a_turn("the other", &lock)
    });

    let waited = take_a_turn("the one", &lock) | other.join().unwrap();
    saw(if waited { "one had to wait" } else { "nobody had to wait" });
    free_after(2, &lock);
}

fn three_lockers_take_turns() {
    let lock = shared();
    let others = ["second", "third"].map(|name| {
        let lock = lock.clone();
        spawn(name, move || take_a_turn(name, &lock))
    });

    let mut waited = usize::from(take_a_turn("first", &lock));
    for other in others {
        waited += usize::from(other.join().unwrap());
    }
    saw(if waited == 2 { "two had to wait" } else { "fewer had to wait" });
    free_after(3, &lock);
}

fn hand_over_races_the_drop_of_the_woken_waiter_and_a_new_locker() {
    let lock = shared();
    let guard = lock.clone().try_lock_owned().unwrap();
    let waiter = Runner::new("the waiter", lock.clone().lock_owned()).suspends();
    let holder = bump_and_release(guard);
    let dropper = spawn("dropper", move || {
        let granted = drop_and_tell("drop the waiter", waiter);
        saw(if granted { "dropped after the hand-over" } else { "dropped before the hand-over" });
    });

    let waited = take_a_turn("the new locker", &lock);
    saw(if waited { "the new one had to wait" } else { "the new one did not" });
    holder.join().unwrap();
    dropper.join().unwrap();
    free_after(2, &lock);
}

fn the_only_waiter_is_dropped_while_the_lock_is_released() {
    let lock = shared();
    let guard = lock.clone().try_lock_owned().unwrap();
    let waiter = Runner::new("the waiter", lock.clone().lock_owned()).suspends();
    let holder = bump_and_release(guard);

    let granted = drop_and_tell("drop the waiter", waiter);
    saw(if granted { "granted first" } else { "dropped first" });
    holder.join().unwrap();
    free_after(1, &lock);
}

/// The last guard gives the lock up because somebody waits. That one leaves before the lock can be handed over; then
/// the lock is free, is taken, waited for and given up again, while the first release is still on its way.
fn a_release_on_its_way_to_a_waiter_that_left_finds_the_lock_taken_anew() {
    let lock = shared();
    let guard = lock.clone().try_lock_owned().unwrap();
    let leaves = Runner::new("the one that leaves", lock.clone().lock_owned()).suspends();
    let holder = bump_and_release(guard);

    let granted = drop_and_tell("drop the one that leaves", leaves);
    let turns = match call("try_lock", || lock.clone().try_lock_owned()) {
        Ok(guard) => {
            saw(if granted { "granted first" } else { "taken anew" });
            // Polled a second time, so that a grant while the guard is held would be seen.
            let next = Runner::new("the next", lock.clone().lock_owned()).suspends().suspends();
            guard.bump();
            call("release anew", || drop(guard));
            next.finish().bump();
            3
        }
        Err(error) => {
            assert_eq!(error, TryLockError::WouldBlock);
            saw("not yet given up");
            1
        }
    };
    holder.join().unwrap();
    free_after(turns, &lock);
}

/// A task in the queue that will take one turn, and the guard that it waits for.
fn queued_task(
    lock: &Shared,
) -> (Runner<impl Future<Output = Result<(), Cancelled>> + use<>>, TaskHandle, OwnedLockGuard<Payload>) {
    let guard = lock.clone().try_lock_owned().unwrap();
    let task = ShieldableTask::new({
        let lock = lock.clone();
        async move { lock.lock().await.bump() }
    });
    let handle = task.handle();
    (Runner::new("the task", task).suspends(), handle, guard)
}

fn outcome_of_the_queued(output: Result<(), Cancelled>, lock: &Shared) {
    free_after(if output.is_ok() { 2 } else { 1 }, lock);
    saw(if output.is_ok() { "the lock" } else { "cancelled" });
}

fn cancel_of_a_queued_waiter_then_release() {
    let lock = shared();
    let (task, handle, guard) = queued_task(&lock);
    let other = spawn("other", move || {
        guard.bump();
        call("cancel", || handle.cancel());
        call("release", || drop(guard));
    });

    let output = task.finish();
    other.join().unwrap();
    // Granted by the time of its first poll after the cancel: the request still comes first.
    outcome_of_the_queued(output, &lock);
}

fn release_then_cancel_of_a_queued_waiter() {
    let lock = shared();
    let (task, handle, guard) = queued_task(&lock);
    let other = spawn("other", move || {
        guard.bump();
        call("release", || drop(guard));
        call("cancel", || handle.cancel());
    });

    let output = task.finish();
    other.join().unwrap();
    outcome_of_the_queued(output, &lock);
}

fn cancel_of_a_queued_waiter_races_the_release() {
    let lock = shared();
    let (task, handle, guard) = queued_task(&lock);
    let canceller = spawn("canceller", move || call("cancel", || handle.cancel()));
    let holder = bump_and_release(guard);

    let output = task.finish();
    canceller.join().unwrap();
    holder.join().unwrap();
    outcome_of_the_queued(output, &lock);
}

fn try_lock_races_the_hand_over() {
    let lock = shared();
    let guard = lock.clone().try_lock_owned().unwrap();
    let waiter = Runner::new("the waiter", lock.clone().lock_owned()).suspends();
    let released = Flag::default();
    let barger = spawn("barger", {
        let (lock, released) = (lock.clone(), released.clone());
        move || {
            saw(if released.is_set() { "after the release" } else { "before the release" });
            assert!(lock.is_locked());
            assert_eq!(call("try_lock", || lock.try_lock().map(drop)), Err(TryLockError::WouldBlock));
        }
    });

    call("release", || drop(guard));
    released.set();
    let guard = waiter.finish();
    barger.join().unwrap();
    drop(guard);
    free_after(0, &lock);
}

fn try_lock_races_the_release() {
    let lock = shared();
    let guard = lock.clone().try_lock_owned().unwrap();
    let other = spawn("other", {
        let lock = lock.clone();
        move || match call("try_lock", || lock.clone().try_lock_owned().is_ok().then_some(())) {
            Some(()) => saw("taken"),
            None => saw("held"),
        }
    });

    guard.bump();
    call("release", || drop(guard));
    other.join().unwrap();
    free_after(1, &lock);
}

fn waiters_get_the_lock_in_the_order_of_their_first_polls() {
    let lock = shared();
    let guard = lock.clone().try_lock_owned().unwrap();
    let first = Runner::new("the first", lock.clone().lock_owned()).suspends();
    let second = Runner::new("the second", lock.clone().lock_owned()).suspends();
    let order = Arc::new(Mutex::new(Vec::new()));
    let other = spawn("other", {
        let order = order.clone();
        move || {
            let guard = second.finish();
            guard.bump();
            order.lock().unwrap().push("second");
        }
    });

    call("release", || drop(guard));
    let guard = first.finish();
    guard.bump();
    order.lock().unwrap().push("first");
    drop(guard);
    other.join().unwrap();
    assert_eq!(*order.lock().unwrap(), ["first", "second"]);
    saw("in order");
    free_after(2, &lock);
}

fn a_waiter_that_moves_to_another_waker_races_the_release() {
    let lock = shared();
    let guard = lock.clone().try_lock_owned().unwrap();
    let waiter = Runner::new("the waiter, at first,", lock.clone().lock_owned()).suspends();
    let waiter = waiter.move_to_another_waker("the waiter");
    let holder = bump_and_release(guard);

    let Finished { output, former_was_called, .. } = waiter.finish_and_tell();
    output.bump();
    saw(if former_was_called { "the former waker was called" } else { "it was not" });
    holder.join().unwrap();
    drop(output);
    free_after(2, &lock);
}

fn a_guard_released_on_another_thread_carries_its_work() {
    let lock = shared();
    let guard = lock.clone().try_lock_owned().unwrap();
    let other = spawn("other", move || {
        guard.bump();
        call("release", || drop(guard));
    });

    saw(if take_a_turn("the next", &lock) { "waited" } else { "did not wait" });
    other.join().unwrap();
    free_after(2, &lock);
}

fn a_waker_that_drops_another_acquisition_finds_the_queue_unlocked() {
    let lock = shared();
    let guard = lock.clone().try_lock_owned().unwrap();
    let mut other = Box::pin(lock.clone().lock_owned());
    let held = Slot::new();
    let waker = waker_that({
        let held = held.clone();
        move || drop(held.take())
    });
    let mut waiter = Box::pin(lock.clone().lock_owned());
    assert!(waiter.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert!(other.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    held.put(other);
    let holder = spawn("holder", move || call("release", || drop(guard)));

    let early = waiter.as_mut().poll(&mut Context::from_waker(&waker));
    saw(if early.is_ready() { "granted first" } else { "polled first" });
    holder.join().unwrap();
    drop(match early {
        Poll::Ready(guard) => guard,
        Poll::Pending => run("the waiter", waiter),
    });
    free_after(0, &lock);
}

//! Wakers are user code: their `clone`, `wake` and `drop` may cancel, drop guards, panic, or poll a task.

#[path = "support/hooks.rs"]
mod hooks;
mod support;

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use hooks::Hooks;
use shieldable::{
    CancelScope, Cancelled, Lock, OwnedLockGuard, ShieldableTask, TaskHandle, Waiter, is_shielded, shield_scope,
};
use support::{Driven, OnDrop, Slot, panic_text, suspend};

type Outcome = Result<(), Cancelled>;
type Task = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A task that sleeps for ever, and its handle.
fn sleeper() -> (Task, TaskHandle) {
    let task = ShieldableTask::new(pending::<()>());
    let handle = task.handle();
    (Box::pin(task), handle)
}

/// A task that sleeps for ever inside a shield that it hands out.
fn shielded_sleeper() -> (Task, TaskHandle, Slot<shieldable::ShieldScope>) {
    let guard = Slot::new();
    let task = ShieldableTask::new({
        let guard = guard.clone();
        async move {
            guard.put(shield_scope());
            pending::<()>().await
        }
    });
    let handle = task.handle();
    (Box::pin(task), handle, guard)
}

const DELIVERED: Poll<Outcome> = Poll::Ready(Err(Cancelled::new()));

/// DLV-10: the request came between `Pending` and the registration.
#[test]
fn a_clone_that_cancels_the_task_being_registered_is_delivered_in_that_poll() {
    let (mut task, handle) = sleeper();
    let hooks = Hooks::new();
    hooks.on_clone(move || assert!(handle.cancel()));
    assert_eq!(hooks.poll(task.as_mut()), DELIVERED);
    assert!(hooks.all_ran());
}

/// DLV-10, SHD-6: and so is a shield that is closed there.
#[test]
fn a_clone_that_drops_the_last_guard_lets_the_request_in_in_that_poll() {
    let (mut task, handle, guard) = shielded_sleeper();
    assert!(Hooks::new().poll(task.as_mut()).is_pending());
    handle.cancel();
    let hooks = Hooks::new();
    hooks.on_clone(move || drop(guard.take()));
    assert_eq!(hooks.poll(task.as_mut()), DELIVERED);
}

/// SCP-3: the poll unwinds, and the task is as it was before it.
#[test]
fn a_clone_that_panics_leaves_the_task_with_its_former_waker() {
    let (mut task, handle) = sleeper();
    let former = Hooks::new();
    assert!(former.poll(task.as_mut()).is_pending());
    let hooks = Hooks::new();
    hooks.on_clone(|| panic!("in clone"));
    assert_eq!(panic_text(|| _ = hooks.poll(task.as_mut())), "in clone");
    assert!(TaskHandle::try_current().is_none() && !handle.is_finished());
    handle.cancel();
    assert_eq!(former.wakes(), 1);
    assert_eq!(hooks.poll(task.as_mut()), DELIVERED);
}

/// NST-5: the inner scope is still suspended with a shield, so the one around it is still shielded.
#[test]
fn a_clone_that_panics_leaves_the_scope_around_a_shielded_scope_shielded() {
    let (mut inner, _, guard) = shielded_sleeper();
    let panicking = Hooks::new();
    panicking.on_clone(|| panic!("in clone"));
    let task = ShieldableTask::new(async move {
        assert_eq!(panic_text(|| _ = panicking.poll(inner.as_mut())), "in clone");
        let shielded = is_shielded();
        drop(guard.take());
        drop(inner);
        (shielded, is_shielded())
    });
    assert_eq!(Driven::new(task).finishes(), Ok((true, false)));
}

/// SCP-2: the task whose waker is cloned is not current then.
#[test]
fn a_clone_that_polls_another_task_to_its_end_finds_its_own_surroundings() {
    let (mut task, handle) = sleeper();
    let hooks = Hooks::new();
    hooks.on_clone(|| {
        assert!(TaskHandle::try_current().is_none());
        let mut other = Driven::new(ShieldableTask::new(async { TaskHandle::current() }));
        assert!(other.finishes().unwrap().is_finished());
    });
    assert!(hooks.poll(task.as_mut()).is_pending());
    assert!(hooks.all_ran());
    handle.cancel();
    assert_eq!(hooks.wakes(), 1);
}

/// DLV-10: the new waker is in place when the former one is dropped.
#[test]
fn a_former_waker_whose_drop_cancels_the_task_is_delivered_in_that_poll() {
    let (mut task, handle) = sleeper();
    let former = Hooks::new();
    assert!(former.poll(task.as_mut()).is_pending());
    former.on_drop(move || assert!(handle.cancel()));
    let new = Hooks::new();
    assert_eq!(new.poll(task.as_mut()), DELIVERED);
    assert!(former.all_ran());
    assert_eq!((former.wakes(), new.wakes()), (0, 1));
}

#[test]
fn a_former_waker_whose_drop_closes_the_last_shield_lets_the_request_in_in_that_poll() {
    let (mut task, handle, guard) = shielded_sleeper();
    assert!(Hooks::new().poll(task.as_mut()).is_pending());
    handle.cancel();
    let former = Hooks::new();
    assert!(former.poll(task.as_mut()).is_pending());
    former.on_drop(move || drop(guard.take()));
    assert_eq!(Hooks::new().poll(task.as_mut()), DELIVERED);
}

/// The poll unwinds, the task is to be polled again, and the new waker is the one that is called from now on.
#[test]
fn a_former_waker_whose_drop_panics_leaves_the_task_with_the_new_one() {
    let (mut task, handle) = sleeper();
    let former = Hooks::new();
    assert!(former.poll(task.as_mut()).is_pending());
    former.on_drop(|| panic!("in drop"));
    let new = Hooks::new();
    assert_eq!(panic_text(|| _ = new.poll(task.as_mut())), "in drop");
    assert_eq!((former.wakes(), new.wakes()), (0, 1));
    handle.cancel();
    assert_eq!((former.wakes(), new.wakes()), (0, 2));
    assert_eq!(new.poll(task.as_mut()), DELIVERED);
}

/// A waker that owns a whole task, as those of executors do.
struct Owns(#[allow(dead_code)] Mutex<Task>);

impl Wake for Owns {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn an_old_waker_that_is_the_last_reference_of_a_task_whose_destructor_cancels_us_is_heard() {
    let (mut task, handle) = sleeper();
    let mut other = Box::pin(ShieldableTask::new(async move {
        let _local = OnDrop(|| assert!(handle.cancel()));
        pending::<()>().await
    }));
    assert!(other.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let old = Waker::from(Arc::new(Owns(Mutex::new(other))));
    assert!(task.as_mut().poll(&mut Context::from_waker(&old)).is_pending());
    drop(old);
    assert_eq!(Hooks::new().poll(task.as_mut()), DELIVERED);
}

/// A task that returns when it is polled for the second time, and its handle.
fn napper() -> (Task, TaskHandle) {
    let task = ShieldableTask::new(suspend());
    let handle = task.handle();
    (Box::pin(task), handle)
}

/// HDL-1, HDL-11: the waker goes when the scope is done.
#[test]
fn a_waker_dropped_at_the_end_finds_the_task_finished() {
    let (mut task, handle) = napper();
    let hooks = Hooks::new();
    assert!(hooks.poll(task.as_mut()).is_pending());
    hooks.on_drop({
        let handle = handle.clone();
        move || assert!(handle.is_finished() && !handle.cancel())
    });
    assert_eq!(hooks.poll(task.as_mut()), Poll::Ready(Ok(())));
    assert!(hooks.all_ran());
}

#[test]
fn a_waker_whose_drop_panics_at_the_end_propagates_and_leaves_the_task_finished() {
    let (mut task, handle) = napper();
    let hooks = Hooks::new();
    assert!(hooks.poll(task.as_mut()).is_pending());
    hooks.on_drop(|| panic!("in drop"));
    assert_eq!(panic_text(|| _ = hooks.poll(task.as_mut())), "in drop");
    assert!(handle.is_finished() && TaskHandle::try_current().is_none());
}

/// HDL-2: it is being called, and so is not called again.
#[test]
fn a_wake_that_cancels_the_same_task_again_ends_and_both_requests_stand() {
    let (mut task, handle) = sleeper();
    let hooks = Hooks::new();
    assert!(hooks.poll(task.as_mut()).is_pending());
    hooks.on_wake({
        let handle = handle.clone();
        move || assert!(handle.cancel())
    });
    assert!(handle.cancel());
    assert_eq!((hooks.wakes(), handle.cancelling()), (1, 2));
    assert_eq!(hooks.poll(task.as_mut()), DELIVERED);
}

#[test]
fn a_wake_that_drops_a_guard_of_the_same_task_ends_and_the_shield_is_closed() {
    let (mut task, handle, guard) = shielded_sleeper();
    let hooks = Hooks::new();
    assert!(hooks.poll(task.as_mut()).is_pending());
    hooks.on_wake(move || drop(guard.take()));
    handle.cancel();
    assert_eq!(hooks.wakes(), 1);
    assert_eq!(hooks.poll(task.as_mut()), DELIVERED);
}

/// HDL-2: the request stands; the waker has been called, whatever it made of that.
#[test]
fn a_wake_that_panics_goes_on_to_whoever_cancelled_and_the_request_stands() {
    let (mut task, handle) = sleeper();
    let hooks = Hooks::new();
    assert!(hooks.poll(task.as_mut()).is_pending());
    hooks.on_wake(|| panic!("in wake"));
    assert_eq!(panic_text(|| _ = handle.cancel()), "in wake");
    assert_eq!(handle.cancelling(), 1);
    assert!(handle.cancel());
    assert_eq!((hooks.wakes(), handle.cancelling()), (1, 2));
    assert_eq!(hooks.poll(task.as_mut()), DELIVERED);
}

/// Polls its task in `wake`, as an executor without a queue would.
struct Inline(Mutex<Option<Task>>, Mutex<Option<Outcome>>);

impl Wake for Inline {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let Ok(mut place) = self.0.try_lock() else { return };
        let Some(task) = place.as_mut() else { return };
        let waker = Waker::from(self.clone());
        if let Poll::Ready(outcome) = task.as_mut().poll(&mut Context::from_waker(&waker)) {
            *self.1.lock().unwrap() = Some(outcome);
            *place = None;
        }
    }
}

/// HDL-3: from anywhere, so from inside its own wake too.
#[test]
fn a_wake_that_polls_the_task_to_its_end_ends_it_inside_cancel() {
    let (task, handle) = sleeper();
    let inline = Arc::new(Inline(Mutex::new(Some(task)), Mutex::default()));
    inline.wake_by_ref();
    assert!(handle.cancel(), "it was alive when asked");
    assert!(handle.is_finished());
    assert_eq!(inline.1.lock().unwrap().take(), Some(Err(Cancelled::new())));
    assert_eq!(Arc::strong_count(&inline), 1, "no waker is left behind");
}

/// SHD-6: the guard's own memory must outlive the wake that ends its scope.
#[test]
fn a_wake_that_polls_the_task_to_its_end_ends_it_inside_the_drop_of_its_last_guard() {
    let (task, handle, guard) = shielded_sleeper();
    let inline = Arc::new(Inline(Mutex::new(Some(task)), Mutex::default()));
    inline.wake_by_ref();
    handle.cancel();
    drop(handle);
    assert!(inline.1.lock().unwrap().is_none());
    drop(guard.take());
    assert_eq!(inline.1.lock().unwrap().take(), Some(Err(Cancelled::new())));
    assert_eq!(Arc::strong_count(&inline), 1);
}

// The same for locks and the waiter (LCK-11).

fn queued(lock: &Arc<Lock<u32>>) -> Pin<Box<impl Future<Output = OwnedLockGuard<u32>> + Send + use<>>> {
    Box::pin(lock.clone().lock_owned())
}

/// A lock that is held, and who holds it.
fn held_lock() -> (Arc<Lock<u32>>, Slot<OwnedLockGuard<u32>>) {
    let (lock, held) = (Arc::new(Lock::new(0)), Slot::new());
    held.put(lock.clone().try_lock_owned().unwrap());
    (lock, held)
}

#[test]
fn a_clone_that_releases_the_lock_being_waited_for_makes_that_poll_ready() {
    let (lock, held) = held_lock();
    let mut waiting = queued(&lock);
    let hooks = Hooks::new();
    hooks.on_clone(move || drop(held.take()));
    assert!(hooks.poll(waiting.as_mut()).is_ready());
}

#[test]
fn a_clone_that_panics_leaves_no_place_in_the_queue() {
    let (lock, held) = held_lock();
    let mut waiting = queued(&lock);
    let hooks = Hooks::new();
    hooks.on_clone(|| panic!("in clone"));
    assert_eq!(panic_text(|| drop(hooks.poll(waiting.as_mut()))), "in clone");
    drop(held.take());
    assert!(!lock.is_locked());
}

#[test]
fn a_former_waker_whose_drop_releases_the_lock_has_the_new_one_woken() {
    let (lock, held) = held_lock();
    let mut waiting = queued(&lock);
    let (former, new) = (Hooks::new(), Hooks::new());
    assert!(former.poll(waiting.as_mut()).is_pending());
    former.on_drop(move || drop(held.take()));
    let polled = new.poll(waiting.as_mut());
    assert!(polled.is_ready() || (new.wakes() == 1 && new.poll(waiting.as_mut()).is_ready()));
    assert_eq!(former.wakes(), 0);
}

#[test]
fn a_waker_of_a_waiter_that_leaves_may_release_the_lock_when_it_is_dropped() {
    let (lock, held) = held_lock();
    let (mut leaves, mut stays) = (queued(&lock), Driven::new(lock.lock()));
    let hooks = Hooks::new();
    assert!(hooks.poll(leaves.as_mut()).is_pending());
    stays.suspends();
    hooks.on_drop(move || drop(held.take()));
    drop(leaves);
    assert_eq!(stays.take_wakes(), 1);
    drop(stays.finishes());
}

#[test]
fn a_wake_by_a_release_finds_the_lock_handed_over_and_may_use_it() {
    let (lock, held) = held_lock();
    let (mut waiting, late) = (queued(&lock), Mutex::new(queued(&lock)));
    let hooks = Hooks::new();
    assert!(hooks.poll(waiting.as_mut()).is_pending());
    hooks.on_wake({
        let lock = lock.clone();
        move || {
            assert!(lock.try_lock().is_err());
            let mut late = late.lock().unwrap();
            assert!(late.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
    });
    drop(held.take());
    assert_eq!(hooks.wakes(), 1);
    drop(hooks.poll(waiting.as_mut()));
    drop(waiting);
    assert!(!lock.is_locked());
}

#[test]
fn a_wake_that_panics_in_a_release_has_handed_the_lock_over() {
    let (lock, held) = held_lock();
    let mut waiting = queued(&lock);
    let hooks = Hooks::new();
    assert!(hooks.poll(waiting.as_mut()).is_pending());
    hooks.on_wake(|| panic!("in wake"));
    assert_eq!(panic_text(|| drop(held.take())), "in wake");
    assert!(hooks.poll(waiting.as_mut()).is_ready());
    assert!(!lock.is_locked());
}

#[test]
fn a_wake_by_a_release_may_cancel_the_task_that_it_wakes_and_the_lock_moves_on() {
    let (lock, held) = held_lock();
    let scope = CancelScope::new(lock.clone().lock_owned());
    let handle = scope.handle();
    let mut scope = Box::pin(scope);
    let mut behind = Driven::new(lock.lock());
    let hooks = Hooks::new();
    assert!(hooks.poll(scope.as_mut()).is_pending());
    behind.suspends();
    hooks.on_wake(move || assert!(handle.cancel()));
    drop(held.take());
    assert!(matches!(hooks.poll(scope.as_mut()), Poll::Ready(Err(_))));
    assert_eq!(behind.take_wakes(), 1);
    drop(behind.finishes());
}

#[test]
fn a_waker_of_a_wait_may_notify_when_it_is_cloned_and_when_it_is_dropped() {
    static WAITER: Waiter = Waiter::new();
    let hooks = Hooks::new();
    hooks.on_clone(|| WAITER.notify());
    assert!(hooks.poll(Box::pin(WAITER.wait()).as_mut()).is_ready());

    let (mut leaves, mut stays) = (Box::pin(WAITER.wait()), Driven::new(WAITER.wait()));
    assert!(hooks.poll(leaves.as_mut()).is_pending());
    stays.suspends();
    hooks.on_drop(|| WAITER.notify());
    drop(leaves);
    stays.finishes();

    let mut moves = Box::pin(WAITER.wait());
    assert!(hooks.poll(moves.as_mut()).is_pending());
    hooks.on_drop(|| WAITER.notify());
    let new = Hooks::new();
    let polled = new.poll(moves.as_mut());
    assert!(polled.is_ready() || (new.wakes() == 1 && new.poll(moves.as_mut()).is_ready()));
}

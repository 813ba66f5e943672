//! Panics that unwind while another thread acts: what was promised to that one, and to those further out, is kept.
//!
//! The panics begin by `resume_unwind`, since the hook that a `panic!` calls ends the model. All threads of a model are
//! one thread of the machine, so while one unwinds the others seem to unwind as well, and a mutex that is let go then
//! but was taken before is poisoned. In these models nobody holds one when a panic begins that goes on to a scheduling
//! point.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::common::*;
use crate::wakers::waker_that_when_dropped;

pub const MODELS: &[Model] = &[
    model!(a_guard_dropped_by_a_panic_races_a_locker: "had to wait", "did not have to wait"),
    model!(an_acquisition_that_unwinds_after_it_entered_races_the_release: "unwound", "the release came first"),
    model!(cancel_races_a_body_that_panics: "counted", "too late to be counted"),
    model!(cancel_races_a_panic_that_passes_shields_and_is_caught: "requested before it suspended", "requested later"),
    model!(cancel_races_a_poll_that_unwinds_out_of_its_former_waker:
        "unwound", "the former waker was called"),
    model!(a_guard_dropped_elsewhere_races_a_poll_that_unwinds_although_its_waker_was_called:
        "closed before it", "closed in it or later"),
    model!(cancel_races_a_poll_that_unwinds_out_of_an_inner_scope_in_its_shield:
        "requested before it ran", "requested before its shield was closed", "requested after it"),
    model!(two_race_to_the_waker_that_panics_of_the_former_task_of_a_scope:
        "the poll of the scope unwound", "the cancel of the former task unwound"),
    model!(wakers_that_panic_keep_no_other_from_a_notification: "the former waker was called", "it was not"),
];

/// A panic of user code.
fn panics(with: &'static str) -> ! {
    resume_unwind(Box::new(with))
}

/// What it returns, or what it panicked with.
fn catch<R>(code: impl FnOnce() -> R) -> Result<R, &'static str> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|with| *with.downcast().expect("it panicked by `panics`"))
}

fn a_guard_dropped_by_a_panic_races_a_locker() {
    let lock = Arc::new(Lock::new(Payload::new(0)));
    let guard = lock.clone().try_lock_owned().unwrap();
    let other = Slot::new();
    let take_a_turn = || {
        let lock = lock.clone();
        spawn("other", move || {
            let acquired = Runner::new("the other", lock.lock_owned()).finish_and_tell();
            acquired.output.bump();
            saw(if acquired.polls > 1 { "had to wait" } else { "did not have to wait" });
        })
    };

    let unwound = catch(|| {
        let guard = guard;
        // Goes first: the other comes when this thread unwinds, and not in the middle of its mutex.
        let _begins = OnDrop(|| other.put(take_a_turn()));
        guard.bump();
        panics("with the lock in hand")
    });
    assert_eq!(unwound, Err::<(), _>("with the lock in hand"));
    other.take().join().unwrap();
    assert_eq!(lock.try_lock().expect("everybody is gone").get(), 2);
}

/// An acquisition that another task has queued is polled by the owner, and enters. What it leaves in the queue is a
/// waker whose destructor panics.
fn an_acquisition_that_unwinds_after_it_entered_races_the_release() {
    let lock = Arc::new(RLock::new(()));
    let (held, moves) = (Slot::new(), Slot::new());
    let owner = ShieldableTask::new({
        let (lock, held, moves) = (lock.clone(), held.clone(), moves.clone());
        async move {
            held.put(lock.lock_owned().await);
            yield_once().await;
            let mut moves: Pin<Box<dyn Future<Output = OwnedRLockGuard<()>>>> = moves.take();
            match catch(|| poll_once(moves.as_mut())) {
                Err(_) => saw("unwound"),
                Ok(polled) => {
                    assert!(polled.is_ready());
                    saw("the release came first");
                }
            }
        }
    });
    let owner = Runner::new("the owner", owner).suspends();
    let other = ShieldableTask::new({
        let (lock, moves) = (lock.clone(), moves.clone());
        async move {
            let (waker, _) = waker_that_when_dropped(|| panics("in drop"));
            let mut queued = Box::pin(lock.lock_owned());
            assert!(queued.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            moves.put(queued);
        }
    });
    assert_eq!(run("the other", other), Ok(()));
    let guard = held.take();
    let holder = spawn("holder", move || call("release", || drop(guard)));

    assert_eq!(owner.finish(), Ok(()));
    holder.join().unwrap();
    assert!(!lock.is_locked(), "held by nobody");
}

fn cancel_races_a_body_that_panics() {
    let dropped = Flag::default();
    let task = ShieldableTask::new({
        let when_dropped = OnDrop({
            let dropped = dropped.clone();
            move || dropped.set()
        });
        let mut shield = None;
        poll_fn(move |_| {
            let _part_of_it = &when_dropped;
            // For ever: what is requested before the panic is not delivered.
            if shield.is_none() {
                shield = Some(shield_scope());
                return Poll::<()>::Pending;
            }
            panics("the body's own")
        })
    });
    let (handle, after) = (task.handle(), task.handle());
    let mut runner = Runner::new("the task", task).suspends();
    let canceller = spawn("canceller", move || {
        assert!(call("cancel", || handle.cancel()), "its body is still there");
        assert!(!call("is_finished", || handle.is_finished()));
        saw(if handle.cancelling() == 1 { "counted" } else { "too late to be counted" });
    });

    assert_eq!(catch(|| runner.poll()), Err("the body's own"));
    canceller.join().unwrap();
    assert!(!dropped.is_set() && !after.is_finished());
    drop(runner);
    assert!(dropped.is_set() && after.is_finished() && !after.was_torn() && !after.cancel());
}

/// The task goes on after it, and is shielded by nothing.
fn cancel_races_a_panic_that_passes_shields_and_is_caught() {
    let task = ShieldableTask::new(async {
        let unwound = catch(|| {
            let _passed = (shield_scope(), shield_scope());
            panics("through two shields")
        });
        assert_eq!(unwound, Err::<(), _>("through two shields"));
        pending::<()>().await;
    });
    let handle = task.handle();
    let canceller = spawn("canceller", move || assert!(call("cancel", || handle.cancel()), "it never ends by itself"));

    let task = Runner::new("the task", task).finish_and_tell();
    task.output.expect_err("it was cancelled");
    saw(if task.polls > 1 { "requested later" } else { "requested before it suspended" });
    canceller.join().unwrap();
}

fn cancel_races_a_poll_that_unwinds_out_of_its_former_waker() {
    let (former, called) = waker_that_when_dropped(|| panics("in drop"));
    let task = ShieldableTask::new(pending::<()>());
    let handle = task.handle();
    let mut task = Box::pin(task);
    assert!(task.as_mut().poll(&mut Context::from_waker(&former)).is_pending());
    drop(former);
    let canceller = spawn("canceller", move || call("cancel", || handle.cancel()));

    let woken = Flag::default();
    let kept = std::sync::Arc::new(());
    let new = waker_that({
        let (woken, kept) = (woken.clone(), kept.clone());
        move || {
            let _with_it = &kept;
            woken.set();
        }
    });
    let polled = catch(|| task.as_mut().poll(&mut Context::from_waker(&new)));
    canceller.join().unwrap();
    match polled {
        Err(_) => {
            assert!(woken.is_set(), "asleep with a request");
            assert_eq!(poll_once(task.as_mut()), Poll::Ready(Err(Cancelled::new())));
            saw("unwound");
        }
        Ok(polled) => {
            assert!(called.is_set());
            assert_eq!(polled, Poll::Ready(Err(Cancelled::new())));
            saw("the former waker was called");
        }
    }
    drop((task, new));
    assert_eq!(std::sync::Arc::strong_count(&kept), 1, "a task that is gone keeps a waker");
}

/// The wake of the guard may be what led to the poll, which makes a request and unwinds before it has registered a
/// waker.
fn a_guard_dropped_elsewhere_races_a_poll_that_unwinds_although_its_waker_was_called() {
    let slot = Slot::new();
    let mut ready = false;
    let when_dropped = OnDrop(|| panics("in the timer"));
    let timer = poll_fn(move |_| {
        let _part_of_it = &when_dropped;
        if std::mem::replace(&mut ready, true) { Poll::Ready(()) } else { Poll::Pending }
    });
    let body = {
        let slot = slot.clone();
        async move {
            slot.put(shield_scope());
            pending::<()>().await
        }
    };
    let mut timeout = Box::pin(timeout_with(timer, body));
    let woken = Flag::default();
    let waker = waker_that({
        let woken = woken.clone();
        move || woken.set()
    });
    let mut poll = || timeout.as_mut().poll(&mut Context::from_waker(&waker)).is_pending();
    assert!(poll());
    let guard = slot.take();
    let closer = spawn("closer", move || call("drop the guard", || drop(guard)));

    call("poll", || {
        saw(if woken.is_set() { "closed before it" } else { "closed in it or later" });
        woken.clear();
        assert_eq!(catch(&mut poll), Err("in the timer"));
    });
    closer.join().unwrap();
    assert!(woken.is_set(), "asleep with a request");
    assert!(!poll());
}

/// Fails the model if the body is dropped while `inside` is set.
fn not_inside(inside: &Flag) -> OnDrop<impl FnMut() + use<>> {
    let inside = inside.clone();
    OnDrop(move || assert!(!inside.is_set(), "dropped inside the shield of a scope in it"))
}

fn cancel_races_a_poll_that_unwinds_out_of_an_inner_scope_in_its_shield() {
    let task = ShieldableTask::new(async {
        let inside = Flag::default();
        let _checks = not_inside(&inside);
        let (guard, mut inner) = shielded_scope();
        let (former, _) = waker_that_when_dropped(|| panics("in drop"));
        assert!(inner.as_mut().poll(&mut Context::from_waker(&former)).is_pending());
        drop(former);
        inside.set();
        assert_eq!(catch(|| poll_once(inner.as_mut())), Err("in drop"));
        yield_once().await;
        inside.clear();
        drop(guard.take());
        drop(inner);
        pending::<()>().await
    });
    let handle = task.handle();
    let canceller = spawn("canceller", move || call("cancel", || handle.cancel()));

    let mut runner = Runner::new("the task", task);
    let first = runner.poll().is_ready();
    let polled = [first, first || runner.poll().is_ready()];
    canceller.join().unwrap();
    saw(match polled {
        [true, true] => "requested before it ran",
        [false, true] => "requested before its shield was closed",
        [_, false] => "requested after it",
    });
    assert!(polled[1] || runner.poll().is_ready());
}

type Inner = Pin<Box<dyn Future<Output = Result<(), Cancelled>>>>;

/// A scope that suspends for ever in a shield, and where its guard will be.
fn shielded_scope() -> (Slot<ShieldScope>, Inner) {
    let slot = Slot::new();
    let guard = slot.clone();
    let scope = CancelScope::new(async move {
        slot.put(shield_scope());
        pending().await
    });
    (guard, Box::pin(scope))
}

/// The scope lets go of the task that it was suspended in before, and so wakes it, or finds that somebody else is doing
/// that. One of the two unwinds; whoever it is, the scope now shields the task that it is in.
fn two_race_to_the_waker_that_panics_of_the_former_task_of_a_scope() {
    let (guard, inner) = shielded_scope();
    let (place, moves) = (Slot::new(), Slot::new());
    place.put(inner);
    let former = ShieldableTask::new({
        let (place, moves) = (place.clone(), moves.clone());
        async move {
            let mut inner: Inner = place.take();
            assert!(poll_once(inner.as_mut()).is_pending());
            moves.put(inner);
            pending::<()>().await
        }
    });
    let handle = former.handle();
    let mut former = Box::pin(former);
    let waker = waker_that(|| panics("in wake"));
    assert!(former.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let canceller = spawn("canceller", move || catch(|| call("cancel", || handle.cancel())).is_err());

    let unwound = Flag::default();
    let task = ShieldableTask::new({
        let unwound = unwound.clone();
        async move {
            let inside = Flag::default();
            let _checks = not_inside(&inside);
            TaskHandle::current().cancel();
            let mut inner: Inner = moves.take();
            inside.set();
            match catch(|| poll_once(inner.as_mut())) {
                Err(_) => unwound.set(),
                Ok(polled) => assert!(polled.is_pending()),
            }
            yield_once().await;
            inside.clear();
            drop(guard.take());
            drop(inner);
            pending::<()>().await
        }
    });
    assert_eq!(run("the task", task), Err(Cancelled::new()));
    let canceller = canceller.join().unwrap();
    assert_ne!(canceller, unwound.is_set(), "the waker is called once");
    saw(if canceller { "the cancel of the former task unwound" } else { "the poll of the scope unwound" });
}

fn wakers_that_panic_keep_no_other_from_a_notification() {
    let waiter = Arc::new(Waiter::new());
    let mut hostile = ["in the first", "in the second"].map(|with| {
        let mut wait = Box::pin(waiter.wait());
        assert!(wait.as_mut().poll(&mut Context::from_waker(&waker_that(move || panics(with)))).is_pending());
        wait
    });
    let last = Runner::new("the last, at first,", waiter.wait()).suspends().move_to_another_waker("the last");
    let notifier = spawn("notifier", {
        let waiter = waiter.clone();
        move || assert_eq!(catch(|| call("notify", || waiter.notify())), Err("in the first"))
    });

    let Finished { former_was_called, .. } = last.finish_and_tell();
    saw(if former_was_called { "the former waker was called" } else { "it was not" });
    notifier.join().unwrap();
    assert!(hostile.iter_mut().all(|wait| poll_once(wait.as_mut()).is_ready()));
}

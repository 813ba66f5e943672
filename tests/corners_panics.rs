//! Panics of wakers and of their destructors: whatever was promised to others is kept, and then the panic goes on.

#[path = "support/hooks.rs"]
mod hooks;
mod support;

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::panic::panic_any;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hooks::Hooks;
use shieldable::{CancelScope, Lock, RLock, ShieldableTask, Waiter, is_shielded, shield_scope, timeout_with};
use support::{Driven, OnDrop, Slot, panic_text};

/// LCK-5: on the way to its guard a granted lock is nobody's but the acquisition's.
#[test]
fn a_granted_lock_is_passed_on_if_the_poll_that_finds_it_panics_in_a_waker() {
    let lock = Lock::new(());
    let held = lock.try_lock().unwrap();
    let mut waiting = Box::pin(lock.lock());
    assert!(Hooks::new().poll(waiting.as_mut()).is_pending());
    drop(held);
    let hostile = Hooks::new();
    hostile.on_clone(|| panic!("in clone"));
    hostile.on_drop(|| panic!("in drop"));
    // It may be that no waker is cloned any more, but not that the lock is lost.
    let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| hostile.poll(waiting.as_mut()).is_ready()));
    drop(waiting);
    assert!(polled.unwrap_or(true));
    assert!(!lock.is_locked(), "held for ever, by nobody");
}

/// LCK-10: an owner that enters while it is queued leaves a waker behind, whose destructor may panic.
#[test]
fn a_level_that_was_entered_is_given_back_if_the_waker_left_in_the_queue_panics_when_dropped() {
    let lock = Arc::new(RLock::new(()));
    let owner = Slot::new();
    let mut first = Driven::new(ShieldableTask::new({
        let (lock, owner) = (lock.clone(), owner.clone());
        async move { owner.put(lock.lock_owned().await) }
    }));
    first.finishes().unwrap();

    let mut second = Driven::new(ShieldableTask::new({
        let lock = lock.clone();
        async move {
            let mut one = Box::pin(lock.clone().lock_owned());
            let mut two = Box::pin(lock.clone().lock_owned());
            let hostile = Hooks::new();
            assert!(Hooks::new().poll(one.as_mut()).is_pending());
            assert!(hostile.poll(two.as_mut()).is_pending());
            drop(owner.take()); // granted to `one`, and so to this task
            hostile.on_drop(|| panic!("in drop"));
            assert_eq!(panic_text(|| _ = Hooks::new().poll(two.as_mut())), "in drop");
        }
    }));
    second.finishes().unwrap();
    assert!(!lock.is_locked(), "held for ever, by nobody");
}

/// LCK-10: an owner that enters while it is queued drops two wakers, and both may panic.
#[test]
fn an_owner_that_enters_while_it_is_queued_survives_the_panics_of_two_wakers() {
    let lock = Arc::new(RLock::new(()));
    let owner = Slot::new();
    let mut first = Driven::new(ShieldableTask::new({
        let (lock, owner) = (lock.clone(), owner.clone());
        async move { owner.put(lock.lock_owned().await) }
    }));
    first.finishes().unwrap();

    let mut second = Driven::new(ShieldableTask::new({
        let lock = lock.clone();
        async move {
            let mut one = Box::pin(lock.clone().lock_owned());
            let mut two = Box::pin(lock.clone().lock_owned());
            let [former, unused] = [Hooks::new(), Hooks::new()];
            assert!(Hooks::new().poll(one.as_mut()).is_pending());
            assert!(former.poll(two.as_mut()).is_pending());
            drop(owner.take()); // granted to `one`, and so to this task
            former.on_drop(|| panic!("in the first"));
            unused.on_drop(|| panic!("in the second"));
            assert_eq!(panic_text(|| _ = unused.poll(two.as_mut())), "in the first");
        }
    }));
    second.finishes().unwrap();
    assert!(!lock.is_locked(), "held for ever, by nobody");
}

/// SCP-9: the hold is given back although the body panics in its destructor, and that may panic, too.
#[test]
fn a_hard_drop_survives_the_panics_of_the_body_and_of_the_waker_of_the_scope_it_shielded() {
    let inner = RefCell::new(Some(Box::pin(CancelScope::new(async {
        let _in_the_body = OnDrop(|| panic!("in the body"));
        let _shield = shield_scope();
        pending::<()>().await;
    }))));
    let mut outer = Box::pin(CancelScope::new(poll_fn(|_| {
        let mut inner = inner.borrow_mut();
        assert!(Hooks::new().poll(inner.as_mut().unwrap().as_mut()).is_pending());
        Poll::<()>::Pending
    })));
    let outer_handle = outer.handle();
    let hostile = Hooks::new();
    assert!(hostile.poll(outer.as_mut()).is_pending());
    assert!(outer_handle.is_shielded());
    hostile.on_wake(|| panic!("in the waker"));
    let inner = inner.take();
    assert_eq!(panic_text(|| drop(inner)), "in the body");
    assert!(!outer_handle.is_shielded());
}

/// NST-5: a poll that unwinds out of a waker leaves the inner scope suspended in its shield all the same.
#[test]
fn a_scope_left_suspended_by_the_panic_of_a_waker_still_shields_the_one_around_it() {
    let mut task = Driven::new(ShieldableTask::new(async {
        let mut inner = pin!(CancelScope::new(async {
            let _shield = shield_scope();
            pending::<()>().await;
        }));
        let former = Hooks::new();
        assert!(former.poll(inner.as_mut()).is_pending());
        former.on_drop(|| panic!("in drop"));
        assert_eq!(panic_text(|| _ = Hooks::new().poll(inner.as_mut())), "in drop");
        assert!(is_shielded());
    }));
    task.finishes().unwrap();
}

/// NST-5, the same without a shield.
#[test]
fn a_scope_without_a_shield_left_suspended_by_the_panic_of_a_waker_shields_nothing() {
    let mut task = Driven::new(ShieldableTask::new(async {
        let mut inner = pin!(CancelScope::new(pending::<()>()));
        let former = Hooks::new();
        assert!(former.poll(inner.as_mut()).is_pending());
        former.on_drop(|| panic!("in drop"));
        assert_eq!(panic_text(|| _ = Hooks::new().poll(inner.as_mut())), "in drop");
        assert!(!is_shielded());
    }));
    task.finishes().unwrap();
}

/// WTR-6: the panics of several wakers, and of what they panicked with, keep nobody from being woken.
#[test]
fn payloads_whose_destructors_panic_do_not_keep_a_waiter_asleep() {
    let waiter = Waiter::new();
    let hostile = [Hooks::new(), Hooks::new()];
    let [mut one, mut two] = [Box::pin(waiter.wait()), Box::pin(waiter.wait())];
    for (hooks, wait) in hostile.iter().zip([&mut one, &mut two]) {
        assert!(hooks.poll(wait.as_mut()).is_pending());
        hooks.on_wake(|| panic_any(OnDrop(|| panic!("in the payload"))));
    }
    let mut last = Driven::new(waiter.wait());
    last.suspends();
    let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| waiter.notify()));
    std::mem::forget(payload.unwrap_err());
    assert_eq!(last.take_wakes(), 1);
}

/// SHD-8: guards that were handed outwards many times are closed in one go, on a stack of any size.
#[test]
fn a_long_chain_of_ended_scopes_is_closed_without_recursion() {
    let guard = Slot::new();
    let mut inner: Option<Driven<_>> = None;
    for _ in 0..100_000 {
        let (guard, mut before, mut polls) = (guard.clone(), inner.take(), 0);
        // Its first poll ends the scope before it, inside; its second is made by the scope after it.
        let mut scope = Driven::new(CancelScope::new(poll_fn(move |_| {
            polls += 1;
            if polls == 2 {
                return Poll::Ready(());
            }
            match before.take() {
                Some(mut before) => {
                    let _: Result<(), _> = Driven::finishes(&mut before);
                }
                None => guard.put(shield_scope()),
            }
            Poll::Pending
        })));
        scope.suspends();
        inner = Some(boxed(scope));
    }
    drop(inner);
    drop(guard.take());
}

type Boxed = std::pin::Pin<Box<dyn Future<Output = Result<(), shieldable::Cancelled>> + Send>>;

/// A type for a scope that does not grow with what is inside it.
fn boxed(mut scope: Driven<impl Future<Output = Result<(), shieldable::Cancelled>> + Send + 'static>) -> Driven<Boxed> {
    Driven::new(Box::pin(poll_fn(move |_| scope.poll())))
}

/// TMO-3, in real time too, where tokio's timer is never ready before the next millisecond.
#[tokio::test]
async fn a_timeout_of_zero_polls_its_body_once_on_a_clock_that_runs() {
    for _ in 0..100 {
        let mut polls = 0;
        let body = poll_fn(|cx: &mut Context<'_>| {
            polls += 1;
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        });
        assert!(shieldable::time::timeout(Duration::ZERO, body).await.is_err());
        assert_eq!(polls, 1);
    }
    let now = tokio::time::Instant::now();
    assert!(shieldable::time::timeout_at(now, tokio::task::yield_now()).await.is_err());
}

/// DLV-10: the request that the poll would have delivered is not left to nobody.
#[test]
fn a_request_that_a_panicking_former_waker_keeps_from_delivery_wakes_the_task() {
    let guard = Slot::new();
    let mut polls = 0;
    let task = ShieldableTask::new(poll_fn({
        let guard = guard.clone();
        move |_| {
            polls += 1;
            match polls {
                1 => guard.put(shield_scope()),
                // In its own poll: that wakes nobody.
                3 => drop(guard.take()),
                _ => {}
            }
            Poll::<()>::Pending
        }
    }));
    let handle = task.handle();
    let mut task = Box::pin(task);
    assert!(Hooks::new().poll(task.as_mut()).is_pending());
    handle.cancel();
    let former = Hooks::new();
    assert!(former.poll(task.as_mut()).is_pending());
    former.on_drop(|| panic!("in drop"));
    let new = Hooks::new();
    // A second panic goes nowhere.
    new.on_wake(|| panic!("in wake"));
    assert_eq!(panic_text(|| _ = new.poll(task.as_mut())), "in drop");
    assert_eq!(new.wakes(), 1);
    assert!(matches!(new.poll(task.as_mut()), Poll::Ready(Err(_))));
}

/// DLV-10, TMO-4: the same for the request of a deadline.
#[test]
fn a_deadline_whose_timer_panics_when_it_is_dropped_wakes_the_task() {
    let mut ready = false;
    let panics = OnDrop(|| panic!("in the timer"));
    let timer = poll_fn(move |_| {
        let _part_of_it = &panics;
        if std::mem::replace(&mut ready, true) { Poll::Ready(()) } else { Poll::Pending }
    });
    let mut timeout = Box::pin(timeout_with(timer, pending::<()>()));
    let hooks = Hooks::new();
    assert!(hooks.poll(timeout.as_mut()).is_pending());
    assert_eq!(panic_text(|| _ = hooks.poll(timeout.as_mut())), "in the timer");
    assert_eq!(hooks.wakes(), 1);
}

/// DLV-10: the wake that led to the poll is spent, and the poll has registered no other waker.
#[test]
fn a_poll_that_unwinds_although_its_waker_has_been_called_wakes_the_task_once_more() {
    let shield = Slot::new();
    let task = ShieldableTask::new(poll_fn({
        let shield = shield.clone();
        let mut polls = 0;
        move |_| {
            polls += 1;
            match polls {
                1 => shield.put(shield_scope()),
                2 => drop(shield.take()),
                _ => {}
            }
            Poll::<()>::Pending
        }
    }));
    let handle = task.handle();
    let mut task = Box::pin(task);
    let hooks = Hooks::new();
    assert!(hooks.poll(task.as_mut()).is_pending());
    handle.cancel();
    assert_eq!(hooks.wakes(), 1);
    hooks.on_clone(|| panic!("in clone"));
    assert_eq!(panic_text(|| _ = hooks.poll(task.as_mut())), "in clone");
    assert_eq!(hooks.wakes(), 2);
    assert!(matches!(hooks.poll(task.as_mut()), Poll::Ready(Err(_))));
}

/// The same where the shield is still open, and is closed elsewhere before the task is polled again.
#[test]
fn a_poll_that_unwinds_inside_a_shield_although_its_waker_has_been_called_wakes_the_task_once_more() {
    let shield = Slot::new();
    let task = ShieldableTask::new({
        let shield = shield.clone();
        async move {
            shield.put(shield_scope());
            pending::<()>().await
        }
    });
    let handle = task.handle();
    let mut task = Box::pin(task);
    let hooks = Hooks::new();
    assert!(hooks.poll(task.as_mut()).is_pending());
    handle.cancel();
    hooks.on_clone(|| panic!("in clone"));
    assert_eq!(panic_text(|| _ = hooks.poll(task.as_mut())), "in clone");
    drop(shield.take());
    assert_eq!(hooks.wakes(), 2);
    assert!(matches!(hooks.poll(task.as_mut()), Poll::Ready(Err(_))));
}

/// DLV-10, TMO-4: the same for a deadline that passed while the waker was called for something else.
#[test]
fn a_timer_that_panics_when_it_is_dropped_wakes_the_task_although_its_waker_has_been_called() {
    let mut ready = false;
    let panics = OnDrop(|| panic!("in the timer"));
    let timer = poll_fn(move |_| {
        let _part_of_it = &panics;
        if std::mem::replace(&mut ready, true) { Poll::Ready(()) } else { Poll::Pending }
    });
    let shield = Slot::new();
    let mut timeout = Box::pin(timeout_with(timer, {
        let shield = shield.clone();
        async move {
            shield.put(shield_scope());
            pending::<()>().await
        }
    }));
    let hooks = Hooks::new();
    assert!(hooks.poll(timeout.as_mut()).is_pending());
    drop(shield.take());
    assert_eq!(hooks.wakes(), 1);
    assert_eq!(panic_text(|| _ = hooks.poll(timeout.as_mut())), "in the timer");
    assert_eq!(hooks.wakes(), 2);
    assert!(matches!(hooks.poll(timeout.as_mut()), Poll::Ready(Err(_))));
}

/// NST-5: the wake of the task that it was suspended in before panics at the start of a poll in another.
#[test]
fn a_scope_whose_poll_unwinds_out_of_the_wake_of_its_former_surroundings_still_shields() {
    let mut inner = Some(Box::pin(CancelScope::new(async {
        let _shield = shield_scope();
        pending::<()>().await;
    })));
    let place = Slot::new();
    let former = ShieldableTask::new(poll_fn({
        let place = place.clone();
        move |_| {
            let mut scope = inner.take().expect("polled once");
            assert!(Hooks::new().poll(scope.as_mut()).is_pending());
            place.put(scope);
            Poll::<()>::Pending
        }
    }));
    let mut former = Box::pin(former);
    let waker = Hooks::new();
    assert!(waker.poll(former.as_mut()).is_pending());
    waker.on_wake(|| panic!("in wake"));

    let mut task = Driven::new(ShieldableTask::new(async move {
        let mut scope = place.take();
        assert_eq!(panic_text(|| _ = Hooks::new().poll(scope.as_mut())), "in wake");
        is_shielded()
    }));
    assert_eq!(task.finishes(), Ok(true));
}

//! LCK: the plain lock, and what both locks share.

mod support;

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use shieldable::{CancelScope, Lock, LockGuard, OwnedLockGuard, RLock, ShieldableTask, TryLockError, shield_scope};
use support::{Driven, Log, Slot, panic_text, suspend};
use tokio::sync::Semaphore;
use tokio::task::yield_now;

fn queue<'a>(lock: &'a Lock<u32>) -> Driven<impl Future<Output = LockGuard<'a, u32>>> {
    Driven::new(lock.lock())
}

/// LCK-8
#[test]
fn acquiring_a_free_lock_never_suspends() {
    let lock = Lock::new(1);
    for _ in 0..3 {
        *queue(&lock).finishes() += 1;
    }
    assert_eq!(*queue(&lock).finishes(), 4);
    assert!(!lock.is_locked());
}

/// LCK-1, LCK-9
#[test]
fn a_held_lock_lets_nobody_in_not_even_its_holder() {
    let lock = Lock::new(1);
    let guard = lock.try_lock().unwrap();
    assert!(lock.is_locked());
    assert_eq!(lock.try_lock().unwrap_err(), TryLockError::WouldBlock);
    let mut second = queue(&lock);
    second.suspends();
    drop(guard);
    drop(second.finishes());
    assert!(lock.try_lock().is_ok());
}

/// LCK-2: the order is that of the first polls, not of the calls.
#[test]
fn waiters_are_granted_the_lock_in_the_order_of_their_first_polls() {
    let lock = Lock::new(0);
    let mut held = lock.try_lock().unwrap();
    let mut waiters = [queue(&lock), queue(&lock), queue(&lock)];
    for first_polled in [2, 0, 1] {
        waiters[first_polled].suspends();
        waiters[first_polled].suspends();
    }
    for next in [2, 0, 1] {
        drop(held);
        for (index, waiter) in waiters.iter().enumerate() {
            assert_eq!(waiter.take_wakes(), usize::from(index == next));
        }
        held = waiters[next].finishes();
    }
}

/// LCK-3
#[test]
fn between_a_release_and_the_poll_of_the_next_owner_nobody_barges() {
    let lock = Lock::new(0);
    let held = lock.try_lock().unwrap();
    let mut waiter = queue(&lock);
    waiter.suspends();
    drop(held);
    assert!(lock.is_locked(), "handed over, not free");
    assert_eq!(lock.try_lock().unwrap_err(), TryLockError::WouldBlock);
    let mut late = queue(&lock);
    late.suspends();
    let guard = waiter.finishes();
    late.suspends();
    drop(guard);
    assert_eq!(late.take_wakes(), 1);
    drop(late.finishes());
}

/// LCK-3: also while others wait behind.
#[test]
fn try_lock_does_not_barge_past_a_queue() {
    let lock = Lock::new(0);
    let held = lock.try_lock().unwrap();
    let (mut first, mut second) = (queue(&lock), queue(&lock));
    first.suspends();
    second.suspends();
    drop(held);
    assert!(lock.try_lock().is_err());
    drop(first.finishes());
    assert!(lock.try_lock().is_err());
    drop(second.finishes());
    assert!(lock.try_lock().is_ok());
}

/// LCK-5
#[test]
fn a_waiter_dropped_after_the_hand_over_passes_the_lock_on() {
    let lock = Lock::new(0);
    let held = lock.try_lock().unwrap();
    let (mut first, mut second, mut third) = (queue(&lock), queue(&lock), queue(&lock));
    first.suspends();
    second.suspends();
    third.suspends();
    drop(held);
    drop(first);
    assert_eq!((second.take_wakes(), third.take_wakes()), (1, 0));
    drop(second);
    assert_eq!(third.take_wakes(), 1);
    assert!(lock.is_locked());
    drop(third);
    assert!(!lock.is_locked(), "nobody is left to pass it on to");
}

/// LCK-6: from the front, the middle and the back.
#[test]
fn a_waiter_dropped_while_queued_leaves_the_others_in_order() {
    for gone in 0..3 {
        let lock = Lock::new(0);
        let held = lock.try_lock().unwrap();
        let mut waiters: Vec<_> = (0..3).map(|_| queue(&lock)).collect();
        waiters.iter_mut().for_each(Driven::suspends);
        drop(waiters.remove(gone));
        assert!(waiters.iter().all(|waiter| waiter.take_wakes() == 0));
        drop(held);
        for waiter in &mut waiters {
            let guard = waiter.finishes();
            assert!(lock.try_lock().is_err());
            drop(guard);
        }
        assert!(!lock.is_locked());
    }
}

/// LCK-6: the only waiter leaves, and the lock is as if nobody had ever waited.
#[test]
fn a_lock_whose_only_waiter_left_is_freed_by_its_release() {
    let lock = Lock::new(0);
    let held = lock.try_lock().unwrap();
    let mut waiter = queue(&lock);
    waiter.suspends();
    drop(waiter);
    drop(held);
    assert!(!lock.is_locked());
    let mut again = queue(&lock);
    drop(again.finishes());
}

/// LCK-7: with a walk along the queue for each, this would take minutes.
#[test]
fn a_hundred_thousand_queued_waiters_dropped_out_of_the_middle_leave_the_ends_in_place() {
    const WAITERS: usize = 100_000;
    let lock = Lock::new(0);
    let held = lock.try_lock().unwrap();
    let mut waiters: Vec<_> = (0..WAITERS).map(|_| Box::pin(lock.lock())).collect();
    let mut cx = Context::from_waker(Waker::noop());
    for waiter in &mut waiters {
        assert!(waiter.as_mut().poll(&mut cx).is_pending());
    }
    let mut last = waiters.pop().unwrap();
    let mut first = waiters.remove(0);
    let mut back_half = waiters.split_off(WAITERS / 2);
    while waiters.pop().is_some() {
        back_half.pop();
    }
    drop(back_half);
    drop(held);
    assert!(last.as_mut().poll(&mut cx).is_pending());
    assert!(first.as_mut().poll(&mut cx).is_ready());
    assert!(last.as_mut().poll(&mut cx).is_ready());
}

/// LCK-4
#[test]
fn a_hand_over_wakes_the_waker_of_the_last_poll() {
    let lock = Lock::new(0);
    let held = lock.try_lock().unwrap();
    let (first_home, second_home) = (Driven::new(pending::<()>()), Driven::new(pending::<()>()));
    let mut acquisition = pin!(lock.lock());
    assert!(first_home.lend_waker(acquisition.as_mut()).is_pending());
    assert!(second_home.lend_waker(acquisition.as_mut()).is_pending());
    assert_eq!((first_home.wakers_held(), second_home.wakers_held()), (0, 1));
    drop(held);
    assert_eq!((first_home.take_wakes(), second_home.take_wakes()), (0, 1));
    assert!(second_home.lend_waker(acquisition.as_mut()).is_ready());
}

/// LCK-12: documented, not hidden.
#[test]
fn a_granted_acquisition_that_nobody_polls_blocks_everybody() {
    let lock = Lock::new(0);
    let held = lock.try_lock().unwrap();
    let (mut granted, mut behind) = (queue(&lock), queue(&lock));
    granted.suspends();
    behind.suspends();
    drop(held);
    behind.suspends();
    assert_eq!(behind.take_wakes(), 0);
    drop(granted);
    drop(behind.finishes());
}

/// LCK-10
#[test]
fn a_guard_releases_while_unwinding_and_poisons_nothing() {
    let lock = Lock::new(1);
    let mut waiter = queue(&lock);
    panic_text(|| {
        let mut guard = lock.try_lock().unwrap();
        waiter.suspends();
        *guard = 2;
        panic!("with the lock in hand");
    });
    assert_eq!(waiter.take_wakes(), 1);
    assert_eq!(*waiter.finishes(), 2);
    assert!(lock.try_lock().is_ok());
}

/// LCK-10
#[test]
fn a_guard_dropped_on_another_thread_hands_the_lock_over() {
    let lock = Lock::new(1);
    let mut guard = lock.try_lock().unwrap();
    let mut waiter = queue(&lock);
    waiter.suspends();
    std::thread::scope(|threads| {
        threads.spawn(move || {
            *guard += 1;
            drop(guard);
        });
    });
    assert_eq!(waiter.take_wakes(), 1);
    assert_eq!(*waiter.finishes(), 2);
}

/// LCK-10: a delivery drops guards with everything else.
#[test]
fn a_cancelled_holder_releases_and_a_cancelled_waiter_leaves() {
    let lock = Arc::new(Lock::new(0));
    let holder = ShieldableTask::new({
        let lock = lock.clone();
        async move {
            let _guard = lock.lock().await;
            pending::<()>().await;
        }
    });
    let waiter = CancelScope::new(lock.clone().lock_owned());
    let (holder_handle, waiter_handle) = (holder.handle(), waiter.handle());
    let (mut holder, mut waiter, mut last) = (Driven::new(holder), Driven::new(waiter), queue(&lock));
    holder.suspends();
    waiter.suspends();
    last.suspends();
    waiter_handle.cancel();
    assert!(waiter.finishes().is_err());
    holder_handle.cancel();
    assert!(holder.finishes().is_err());
    drop(last.finishes());
}

/// LCK-2, tokio#8365: the place in the queue does not depend on the executor's budget.
#[tokio::test]
async fn an_exhausted_cooperative_budget_costs_neither_a_free_lock_nor_the_place_in_the_queue() {
    let lock = Lock::new(0);
    let free = Semaphore::new(1);
    let mut cx = Context::from_waker(Waker::noop());
    let mut spend = pin!(async {
        loop {
            drop(free.acquire().await);
        }
    });
    assert!(spend.as_mut().poll(&mut cx).is_pending());
    let Poll::Ready(held) = pin!(lock.lock()).poll(&mut cx) else { panic!("a free lock should not ask for budget") };
    let (mut first, mut second) = (queue(&lock), queue(&lock));
    first.suspends();
    yield_now().await;
    second.suspends();
    drop(held);
    assert_eq!((first.take_wakes(), second.take_wakes()), (1, 0));
    drop(first.finishes());
    drop(second.finishes());
}

/// LCK-1 on threads: nobody sees the value between two halves of somebody else's change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lock_excludes_on_several_threads_with_waiters_cancelled_all_the_while() {
    const TASKS: u32 = 8;
    const TURNS: u32 = 200;
    let lock = Arc::new(Lock::new((0_u32, 0_u32)));
    let tasks: Vec<_> = (0..TASKS)
        .map(|n| {
            let lock = lock.clone();
            tokio::spawn(async move {
                for turn in 0..TURNS {
                    if (turn + n) % 5 == 0 {
                        let scope = CancelScope::new(lock.lock());
                        let handle = scope.handle();
                        let canceller = tokio::spawn(async move { handle.cancel() });
                        drop(scope.await);
                        canceller.await.unwrap();
                    }
                    let mut pair = lock.lock().await;
                    assert_eq!(pair.0, pair.1);
                    pair.0 += 1;
                    yield_now().await;
                    pair.1 += 1;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*lock.try_lock().unwrap(), (TASKS * TURNS, TASKS * TURNS));
}

/// The same on purpose: a waiter inside a shield gets the lock, finishes, releases, and then is cancelled.
#[test]
fn a_cancelled_waiter_inside_a_shield_still_gets_the_lock_and_releases_it() {
    let log = Log::new();
    let lock = Lock::new(0);
    let held = lock.try_lock().unwrap();
    let task = ShieldableTask::new(async {
        {
            let _shield = shield_scope();
            let mut guard = lock.lock().await;
            log.note("got it");
            suspend().await;
            *guard += 1;
            log.note("done with it");
        }
        suspend().await;
        log.note("went on");
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    handle.cancel();
    task.suspends();
    log.assert(&[]);
    drop(held);
    task.suspends();
    assert!(task.finishes().is_err());
    log.assert(&["got it", "done with it"]);
    assert_eq!(*lock.try_lock().unwrap(), 1);
}

#[test]
fn a_lock_is_made_read_and_unmade_without_being_locked() {
    static IN_A_STATIC: Lock<Vec<u32>> = Lock::new(Vec::new());
    IN_A_STATIC.try_lock().unwrap().push(7);
    assert_eq!(format!("{IN_A_STATIC:?}"), "Lock { value: [7] }");
    let guard = IN_A_STATIC.try_lock().unwrap();
    assert_eq!(format!("{IN_A_STATIC:?} {guard:?}"), "Lock { value: <locked> } [7]");

    let mut lock = Lock::from(1);
    *lock.get_mut() += 1;
    assert_eq!((lock.into_inner(), Lock::<u8>::default().into_inner()), (2, 0));
    let unsized_lock: &Lock<[u32]> = &Lock::new([1, 2, 3]);
    assert_eq!(unsized_lock.try_lock().unwrap().len(), 3);
}

#[test]
fn an_owned_guard_outlives_the_borrow_that_made_it() {
    let kept = Slot::<OwnedLockGuard<u32>>::new();
    let lock = Arc::new(Lock::new(1));
    kept.put(lock.clone().try_lock_owned().unwrap());
    assert!(lock.clone().try_lock_owned().is_err());
    let mut waiter = Driven::new(lock.clone().lock_owned());
    waiter.suspends();
    drop(lock);
    *kept.take() += 1;
    assert_eq!(*waiter.finishes(), 2);
}

/// SCP-8, for what a lock gives out.
#[test]
fn an_acquisition_polled_after_it_was_ready_panics_and_leaves_the_lock_alone() {
    let lock = Lock::new(0);
    let mut acquisition = queue(&lock);
    let guard = acquisition.finishes();
    acquisition.panics();
    assert!(lock.is_locked());
    drop((acquisition, guard));
    assert!(!lock.is_locked());
}

/// RLK-13: `Lock<T>` is shared for `T: Send`, its guard for `T: Send + Sync`; `RLock<T>` needs both.
#[test]
fn locks_and_guards_cross_threads_exactly_as_far_as_their_values_may() {
    use std::cell::Cell;
    use std::marker::PhantomData;
    use std::rc::Rc;
    use std::sync::MutexGuard;

    /// Inherent constants win over the trait's, where their bounds hold.
    struct Is<T>(PhantomData<T>);
    trait Not {
        const SEND: bool = false;
        const SYNC: bool = false;
    }
    impl<T> Not for T {}
    struct IsSend<T>(PhantomData<T>);
    impl<T: Send> IsSend<T> {
        const SEND: bool = true;
    }
    impl<T: Sync> Is<T> {
        const SYNC: bool = true;
    }
    macro_rules! send_sync {
        ($t:ty) => {
            (IsSend::<$t>::SEND, Is::<$t>::SYNC)
        };
    }

    type OnlySend = Cell<u8>;
    type OnlySync = MutexGuard<'static, u8>;
    type Neither = Rc<u8>;

    assert_eq!(send_sync!(Lock<u8>), (true, true));
    assert_eq!(send_sync!(Lock<OnlySend>), (true, true));
    assert_eq!(send_sync!(Lock<OnlySync>), (false, false));
    assert_eq!(send_sync!(Lock<Neither>), (false, false));
    assert_eq!(send_sync!(LockGuard<'static, u8>), (true, true));
    assert_eq!(send_sync!(LockGuard<'static, OnlySend>), (true, false));
    assert_eq!(send_sync!(LockGuard<'static, OnlySync>), (false, false));
    assert_eq!(send_sync!(OwnedLockGuard<u8>), (true, true));
    assert_eq!(send_sync!(OwnedLockGuard<OnlySend>), (true, false));
    assert_eq!(send_sync!(OwnedLockGuard<OnlySync>), (false, false));

    assert_eq!(send_sync!(RLock<u8>), (true, true));
    assert_eq!(send_sync!(RLock<OnlySend>), (true, false));
    assert_eq!(send_sync!(RLock<OnlySync>), (false, false));
    assert_eq!(send_sync!(shieldable::RLockGuard<'static, u8>), (true, true));
    assert_eq!(send_sync!(shieldable::RLockGuard<'static, OnlySend>), (false, false));
    assert_eq!(send_sync!(shieldable::RLockGuard<'static, OnlySync>), (false, false));
    assert_eq!(send_sync!(shieldable::OwnedRLockGuard<u8>), (true, true));
    assert_eq!(send_sync!(shieldable::OwnedRLockGuard<OnlySend>), (false, false));
    assert_eq!(send_sync!(shieldable::OwnedRLockGuard<OnlySync>), (false, false));
}

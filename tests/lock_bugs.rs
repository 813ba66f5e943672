//! Bugs that shipped in the locks of others, each with the sequence that showed it, for both locks.

#[path = "support/stage.rs"]
mod stage;
mod support;

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use shieldable::{Lock, RLock, ShieldableTask, TryLockError};
use stage::{Stage, acquisition, granted, shared};
use support::{Driven, panic_text};

/// Queues tasks on a lock of either kind, behind its holder. `$lock.lock()` is what each of them awaits.
macro_rules! both_locks {
    ($(#[$meta:meta])* $name:ident, |$lock:ident| $body:block) => {
        mod $name {
            use super::*;

            $(#[$meta])*
            #[test]
            fn lock() {
                let $lock = Lock::new(0_u32);
                $body
            }

            $(#[$meta])*
            #[test]
            fn rlock() {
                let $lock = RLock::new(0_u32);
                $body
            }
        }
    };
}

both_locks! {
    /// FairAsyncRLock#14, cats-effect#3554: the wake-up went down with the waiter.
    a_woken_waiter_that_is_cancelled_passes_the_lock_on, |lock| {
        let mut holder = Driven::new(ShieldableTask::new(async { lock.lock().await }));
        let held = holder.finishes().unwrap();
        let first = ShieldableTask::new(async { drop(lock.lock().await) });
        let cancel = first.handle();
        let mut first = Driven::new(first);
        let mut second = Driven::new(ShieldableTask::new(async { drop(lock.lock().await) }));
        first.suspends();
        second.suspends();
        drop(held);
        assert_eq!(first.take_wakes(), 1);
        cancel.cancel();
        assert_eq!(second.take_wakes(), 0);
        assert!(first.finishes().is_err());
        assert_eq!(second.take_wakes(), 1);
        assert!(second.finishes().is_ok());
        assert!(!lock.is_locked());
    }
}

both_locks! {
    /// FairAsyncRLock#17: somebody got in between the release and the wake-up of the next owner.
    nobody_barges_before_a_hand_over_is_complete, |lock| {
        let held = Driven::new(ShieldableTask::new(async { lock.lock().await })).finishes().unwrap();
        let mut next = Driven::new(ShieldableTask::new(async { lock.lock().await }));
        next.suspends();
        drop(held);
        let mut late = Driven::new(ShieldableTask::new(async {
            assert_eq!(lock.try_lock().map(drop), Err(TryLockError::WouldBlock));
            drop(lock.lock().await);
        }));
        late.suspends();
        let held = next.finishes().unwrap();
        late.suspends();
        drop(held);
        assert!(late.finishes().is_ok());
    }
}

both_locks! {
    /// cats-effect#3564: the queue lost its order.
    a_cancelled_waiter_does_not_upset_the_order_of_the_queue, |lock| {
        for cancelled in 0..4 {
            let mut held = Driven::new(ShieldableTask::new(async { lock.lock().await })).finishes().unwrap();
            let tasks: Vec<_> = (0..4).map(|_| ShieldableTask::new(async { lock.lock().await })).collect();
            let handles: Vec<_> = tasks.iter().map(ShieldableTask::handle).collect();
            let mut tasks: Vec<_> = tasks.into_iter().map(Driven::new).collect();
            tasks.iter_mut().for_each(Driven::suspends);
            handles[cancelled].cancel();
            assert!(tasks.remove(cancelled).finishes().is_err());
            for next in 0..3 {
                drop(held);
                tasks[next + 1..].iter_mut().for_each(Driven::suspends);
                held = tasks[next].finishes().unwrap();
            }
            drop(held);
            assert!(!lock.is_locked());
        }
    }
}

both_locks! {
    /// cats-effect PR 3562: cancellations of waiters released what they never had.
    two_cancelled_waiters_wake_no_third_while_the_lock_is_held, |lock| {
        let held = Driven::new(ShieldableTask::new(async { lock.lock().await })).finishes().unwrap();
        let tasks: Vec<_> = (0..3).map(|_| ShieldableTask::new(async { lock.lock().await })).collect();
        let handles: Vec<_> = tasks.iter().map(ShieldableTask::handle).collect();
        let mut tasks: Vec<_> = tasks.into_iter().map(Driven::new).collect();
        tasks.iter_mut().for_each(Driven::suspends);
        for index in 0..2 {
            handles[index].cancel();
            assert!(tasks[index].finishes().is_err());
        }
        assert_eq!(tasks[2].take_wakes(), 0);
        tasks[2].suspends();
        assert!(lock.is_locked());
        drop(held);
        assert!(tasks[2].finishes().is_ok());
    }
}

both_locks! {
    /// FairAsyncRLock#7: a cancelled task could not finish its release.
    a_release_cannot_itself_be_cancelled, |lock| {
        let holder = ShieldableTask::new(async {
            let _held = lock.lock().await;
            pending::<()>().await;
        });
        let handle = holder.handle();
        let (mut holder, mut waiter) =
            (Driven::new(holder), Driven::new(ShieldableTask::new(async { drop(lock.lock().await) })));
        holder.suspends();
        waiter.suspends();
        handle.cancel();
        handle.cancel();
        assert!(holder.finishes().is_err());
        assert_eq!(waiter.take_wakes(), 1);
        assert!(waiter.finishes().is_ok());
        assert!(!lock.is_locked());
    }
}

both_locks! {
    /// mea#10: the slot of a waiter that had left was reused while it was still queued.
    waiters_that_come_and_go_in_the_same_place_are_not_mistaken_for_one_another, |lock| {
        let held = Driven::new(ShieldableTask::new(async { lock.lock().await })).finishes().unwrap();
        let mut stays = Driven::new(ShieldableTask::new(async { drop(lock.lock().await) }));
        stays.suspends();
        for _ in 0..3 {
            let mut goes = Driven::new(ShieldableTask::new(async { lock.lock().await }));
            goes.suspends();
            drop(goes);
        }
        let mut comes = Driven::new(ShieldableTask::new(async { drop(lock.lock().await) }));
        comes.suspends();
        drop(held);
        assert_eq!((stays.take_wakes(), comes.take_wakes()), (1, 0));
        assert!(stays.finishes().is_ok());
        assert_eq!((stays.take_wakes(), comes.take_wakes()), (0, 1));
        assert!(comes.finishes().is_ok());
        assert!(!lock.is_locked());
    }
}

both_locks! {
    /// shuttle#317: the hand-over woke the task that the acquisition had left.
    an_acquisition_that_moved_wakes_where_it_is_now, |lock| {
        let held = Driven::new(ShieldableTask::new(async { lock.lock().await })).finishes().unwrap();
        let (before, now) = (Driven::new(pending::<()>()), Driven::new(pending::<()>()));
        let mut waiter = pin!(ShieldableTask::new(async { drop(lock.lock().await) }));
        assert!(before.lend_waker(waiter.as_mut()).is_pending());
        assert!(now.lend_waker(waiter.as_mut()).is_pending());
        drop(held);
        assert_eq!((before.take_wakes(), now.take_wakes()), (0, 1));
        assert!(now.lend_waker(waiter.as_mut()).is_ready());
    }
}

/// An owner that is nobody, compared with a current task that is nobody.
#[test]
fn no_task_is_not_the_owner_of_a_free_lock() {
    let lock = shared();
    assert!(!lock.is_held_by_current());
    assert_eq!(lock.try_lock().map(drop), Err(TryLockError::NoCurrentTask));
    panic_text(|| drop(Driven::new(lock.lock()).poll()));
    assert!(!lock.is_locked());
    assert!(Stage::new().try_lock(&lock).is_ok());
}

#[test]
fn a_nested_exit_counts_one_level_and_a_panic_gives_back_exactly_its_own() {
    let lock = shared();
    let (mut owner, mut other) = (Stage::new(), Stage::new());
    let outer = owner.try_lock(&lock).unwrap();
    for _ in 0..3 {
        drop(owner.try_lock(&lock).unwrap());
        assert_eq!(other.try_lock(&lock).map(drop), Err(TryLockError::WouldBlock));
    }
    let inner = lock.clone();
    owner.run(move || {
        panic_text(move || {
            let _first = inner.try_lock().unwrap();
            let _second = inner.try_lock().unwrap();
            panic!("two levels in");
        })
    });
    assert!(owner.holds(&lock));
    assert_eq!(other.try_lock(&lock).map(drop), Err(TryLockError::WouldBlock));
    drop(outer);
    assert!(other.try_lock(&lock).is_ok());
}

/// A guard that left its task released once there and once where it went.
#[test]
fn a_guard_dropped_in_another_task_releases_its_level_once() {
    let lock = shared();
    let (mut owner, mut other) = (Stage::new(), Stage::new());
    let (kept, lent) = (owner.try_lock(&lock).unwrap(), owner.try_lock(&lock).unwrap());
    let waiting = acquisition(&lock);
    assert!(other.poll(&waiting).is_pending());
    other.run(move || drop(lent));
    assert!(other.poll(&waiting).is_pending());
    assert!(owner.holds(&lock));
    // The last one is dropped by the very task that waits: handed over in its own poll.
    other.run(move || drop(kept));
    assert!(!owner.holds(&lock));
    drop(granted(other.poll(&waiting)));
    assert!(!lock.is_locked());
}

/// An id that was given out again let a stranger into a lock.
#[test]
fn a_task_made_after_the_owner_is_gone_does_not_own_its_lock() {
    let lock = shared();
    let mut owner = Stage::new();
    let kept = owner.try_lock(&lock).unwrap();
    drop(owner);
    for _ in 0..5_000 {
        assert_eq!(Stage::new().try_lock(&lock).map(drop), Err(TryLockError::WouldBlock));
    }
    drop(kept);
}

/// Blocks this thread until the future is ready.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

/// A cancel and an unlock that both acted on one waiter; a release that came between a waiter's look at the lock and
/// its place in the queue. On threads, where all three meet.
#[test]
fn releases_waiters_and_cancellations_on_three_threads_lose_no_wake_up() {
    const TURNS: usize = 1_000;
    let (lock, rlock) = (Lock::new(0), RLock::new(AtomicUsize::new(0)));
    thread::scope(|threads| {
        for _ in 0..3 {
            threads.spawn(|| {
                for turn in 0..TURNS {
                    if turn % 3 == 0 {
                        // Given up after one poll, granted by then or not.
                        drop(Driven::new(lock.lock()).poll());
                        drop(Driven::new(ShieldableTask::new(rlock.lock())).poll());
                    }
                    *block_on(lock.lock()) += 1;
                    block_on(ShieldableTask::new(async {
                        let outer = rlock.lock().await;
                        let inner = rlock.lock().await;
                        let before = inner.load(Ordering::Relaxed);
                        thread::yield_now();
                        outer.store(before + 1, Ordering::Relaxed);
                    }))
                    .unwrap();
                }
            });
        }
    });
    assert_eq!(*lock.try_lock().unwrap(), 3 * TURNS);
    assert_eq!(rlock.into_inner().into_inner(), 3 * TURNS);
}

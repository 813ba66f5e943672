//! The rows of SPEC.md sections 6 and 7 that concern locks, on tokio.

#![cfg(feature = "tokio")]

mod support;

use std::future::pending;
use std::sync::Arc;

use shieldable::{JoinHandle, Lock, OwnedRLockGuard, RLock, TryLockError, shield_scope, spawn};
use support::{Driven, Log, Slot, panic_text};
use tokio::sync::oneshot;
use tokio::task::yield_now;

/// Takes the lock, says so, and holds it until told.
async fn hold(lock: Arc<RLock>, log: Log, name: &'static str) -> oneshot::Sender<()> {
    let (release, released) = oneshot::channel();
    drop(queued(lock, log, name, async { drop(released.await) }));
    yield_now().await;
    release
}

/// A task that waits for the lock, says when it has it, and does something with it.
fn queued(
    lock: Arc<RLock>,
    log: Log,
    name: &'static str,
    inside: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    spawn(async move {
        let _guard = lock.lock().await;
        log.note(name);
        inside.await;
    })
}

/// RLK-8, RLK-9. Python: every callback is the same nobody, and owns the free lock.
#[tokio::test]
async fn a_re_entrant_lock_in_a_plain_task_is_refused() {
    let lock = Arc::new(RLock::new(()));
    tokio::spawn({
        let lock = lock.clone();
        async move {
            assert_eq!(lock.try_lock().map(drop), Err(TryLockError::NoCurrentTask));
            panic_text(|| drop(Driven::new(lock.lock()).poll()));
        }
    })
    .await
    .unwrap();
    assert!(!lock.is_locked());
}

/// LCK-10, RLK-3. Python: RuntimeError, and the lock can be stranded.
#[tokio::test]
async fn a_level_released_by_another_task_is_released() {
    let lock = Arc::new(RLock::new(()));
    let guard = Slot::<OwnedRLockGuard>::new();
    let owner = spawn({
        let (lock, guard) = (lock.clone(), guard.clone());
        async move {
            guard.put(lock.clone().lock_owned().await);
            pending::<()>().await;
        }
    });
    let waiter = queued(lock.clone(), Log::new(), "waiter", async {});
    yield_now().await;
    assert!(!waiter.is_finished());
    spawn(async move { drop(guard.take()) }).await.unwrap();
    waiter.await.unwrap();
    owner.cancel_and_join().await.unwrap_err();
}

/// LCK-10. Python: locked for ever.
#[tokio::test]
async fn an_owner_that_ends_in_whatever_way_releases() {
    let lock = Arc::new(RLock::new(()));
    let panics = queued(lock.clone(), Log::new(), "panics", async { panic!("with the lock in hand") });
    assert!(panics.await.unwrap_err().is_panic());
    assert!(!lock.is_locked());

    let cancelled = queued(lock.clone(), Log::new(), "cancelled", pending());
    let aborted = queued(lock.clone(), Log::new(), "aborted", pending());
    yield_now().await;
    assert!(cancelled.cancel_and_join().await.unwrap_err().is_cancelled());
    yield_now().await;
    assert!(lock.is_locked());
    aborted.abort();
    assert!(aborted.await.unwrap_err().is_aborted());
    assert!(!lock.is_locked());
}

/// LCK-3. Python: `locked()` is False between the release and the wake-up.
#[tokio::test]
async fn a_lock_that_somebody_waits_for_is_never_seen_free() {
    let lock = Arc::new(Lock::new(()));
    let held = lock.clone().lock_owned().await;
    let waiter = spawn({
        let lock = lock.clone();
        async move { drop(lock.lock().await) }
    });
    yield_now().await;
    drop(held);
    assert!(lock.is_locked());
    assert_eq!(lock.try_lock().map(drop), Err(TryLockError::WouldBlock));
    waiter.await.unwrap();
    assert!(!lock.is_locked());
}

// The same on purpose.

/// LCK-2
#[tokio::test]
async fn tasks_get_the_lock_in_the_order_in_which_they_came() {
    let (lock, log) = (Arc::new(RLock::new(())), Log::new());
    let release = hold(lock.clone(), log.clone(), "holder").await;
    let mut waiters = Vec::new();
    for name in ["first", "second", "third"] {
        waiters.push(queued(lock.clone(), log.clone(), name, yield_now()));
    }
    yield_now().await;
    release.send(()).unwrap();
    for waiter in waiters {
        waiter.await.unwrap();
    }
    log.assert(&["holder", "first", "second", "third"]);
}

/// LCK-6
#[tokio::test]
async fn a_cancelled_waiter_leaves_and_the_next_is_served() {
    let (lock, log) = (Arc::new(RLock::new(())), Log::new());
    let release = hold(lock.clone(), log.clone(), "holder").await;
    let first = queued(lock.clone(), log.clone(), "first", async {});
    let second = queued(lock.clone(), log.clone(), "second", async {});
    yield_now().await;
    assert!(first.cancel_and_join().await.unwrap_err().is_cancelled());
    release.send(()).unwrap();
    second.await.unwrap();
    log.assert(&["holder", "second"]);
}

/// LCK-5
#[tokio::test]
async fn a_waiter_that_is_woken_and_then_cancelled_passes_the_lock_on() {
    let lock = Arc::new(Lock::new(()));
    let log = Log::new();
    let held = lock.clone().lock_owned().await;
    let waiter = |name: &'static str| {
        let (lock, log) = (lock.clone(), log.clone());
        spawn(async move {
            let _guard = lock.lock().await;
            log.note(name);
        })
    };
    let (first, second) = (waiter("first"), waiter("second"));
    yield_now().await;
    drop(held);
    first.cancel();
    assert!(first.await.unwrap_err().is_cancelled());
    second.await.unwrap();
    log.assert(&["second"]);
}

/// SHD-2
#[tokio::test]
async fn a_waiter_inside_a_shield_gets_the_lock_finishes_releases_and_is_then_cancelled() {
    let (lock, log) = (Arc::new(RLock::new(())), Log::new());
    let release = hold(lock.clone(), log.clone(), "holder").await;
    let waiter = spawn({
        let (lock, log) = (lock.clone(), log.clone());
        async move {
            {
                let _shield = shield_scope();
                let _guard = lock.lock().await;
                yield_now().await;
                log.note("finished");
            }
            assert!(!lock.is_locked());
            log.note("released");
            yield_now().await;
            log.note("went on");
        }
    });
    yield_now().await;
    waiter.cancel();
    yield_now().await;
    assert!(!waiter.is_finished());
    release.send(()).unwrap();
    assert!(waiter.await.unwrap_err().is_cancelled());
    log.assert(&["holder", "finished", "released"]);
}

/// LCK-9
#[tokio::test]
async fn try_lock_does_not_barge_past_a_woken_waiter() {
    let (lock, log) = (Arc::new(RLock::new(())), Log::new());
    let holder = spawn({
        let (lock, log) = (lock.clone(), log.clone());
        async move {
            let guard = lock.lock().await;
            yield_now().await;
            drop(guard);
            assert_eq!(lock.try_lock().map(drop), Err(TryLockError::WouldBlock));
            log.note("refused");
        }
    });
    let waiter = queued(lock.clone(), log.clone(), "waiter", async {});
    holder.await.unwrap();
    waiter.await.unwrap();
    log.assert(&["refused", "waiter"]);
}

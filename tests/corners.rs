//! The corners that are not wakers: unwinding, thread-local destructors, the end of a runtime, guards that are kept.

#[path = "support/stage.rs"]
mod stage;
mod support;

use std::cell::RefCell;
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use futures::StreamExt;
use futures::stream::{Stream, unfold};
use shieldable::{
    CancelScope, Lock, OwnedLockGuard, OwnedRLockGuard, RLock, ShieldScope, ShieldableTask, TaskHandle, checkpoint,
    is_shielded, shield_scope, shielded, timeout_with, try_shield_scope,
};
use stage::{Moving, Stage, poll_once};
use support::{Driven, OnDrop, Slot, panic_text, suspend};
use tokio::runtime::Runtime;
use tokio::task::yield_now;

/// Runs what panics inside a task with a lock and a scope around, and asks afterwards who is there.
fn current_survives(panics: impl FnOnce() + 'static) {
    let lock = RLock::new(());
    let task = ShieldableTask::new(async {
        let _held = lock.lock().await;
        let own = TaskHandle::current();
        let scope = CancelScope::new(async {
            let text = panic_text(panics);
            assert_eq!(text, "on purpose");
            assert_eq!(TaskHandle::current(), own, "the task is current again");
            assert!(lock.is_held_by_current() && !is_shielded());
            own.cancel();
            // The scope is the innermost again: a shield here is the scope's, and holds the task's request back too.
            let _shield = shield_scope();
            assert!(is_shielded());
            suspend().await;
            own.uncancel()
        });
        scope.await
    });
    let mut task = Driven::new(task);
    task.suspends();
    assert_eq!(task.finishes(), Ok(Ok(0)));
    assert!(TaskHandle::try_current().is_none() && try_shield_scope().is_err());
}

fn poll_with_noop<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// SCP-3, SHD-7
#[test]
fn the_current_scope_is_restored_when_a_body_several_levels_down_panics() {
    current_survives(|| {
        let body = async {
            let _shields = (shield_scope(), shield_scope());
            if is_shielded() {
                panic!("on purpose");
            }
        };
        let _ = poll_with_noop(timeout_with(pending::<()>(), ShieldableTask::new(CancelScope::new(body))));
    });
}

/// SCP-3, DLV-8
#[test]
fn the_current_scope_is_restored_when_a_destructor_of_a_delivery_panics() {
    current_survives(|| {
        let task = ShieldableTask::new(CancelScope::new(async {
            let _local = OnDrop(|| panic!("on purpose"));
            TaskHandle::current().cancel();
            suspend().await;
        }));
        let _ = poll_with_noop(task);
    });
}

/// SCP-3, SCP-9
#[test]
fn the_current_scope_is_restored_when_a_destructor_of_a_hard_drop_panics() {
    current_survives(|| {
        let mut task = Box::pin(ShieldableTask::new(CancelScope::new(async {
            let _shield = shield_scope();
            let _local = OnDrop(|| panic!("on purpose"));
            suspend().await;
        })));
        assert!(poll_with_noop(task.as_mut()).is_pending());
        drop(task);
    });
}

/// SCP-3
#[test]
fn the_current_scope_is_restored_when_a_timer_panics() {
    current_survives(|| {
        let timer = poll_fn(|_| -> Poll<()> { panic!("on purpose") });
        let _ = poll_with_noop(timeout_with(timer, suspend()));
    });
}

/// SHD-7: a shield that is passed by unwinding is closed; the one around it is not.
#[test]
fn a_panic_caught_inside_a_shield_leaves_exactly_that_shield_open() {
    let task = ShieldableTask::new(async {
        let shield = shield_scope();
        catch_unwind(AssertUnwindSafe(|| {
            let _inner = (shield_scope(), shield_scope());
            panic!("on purpose");
        }))
        .unwrap_err();
        TaskHandle::current().cancel();
        suspend().await;
        let still = is_shielded();
        drop(shield);
        (still, is_shielded())
    });
    let mut task = Driven::new(task);
    task.suspends();
    assert_eq!(task.finishes(), Ok((true, false)));
}

thread_local! {
    static KEPT: RefCell<Vec<Box<dyn std::any::Any>>> = const { RefCell::new(Vec::new()) };
}

/// SHD-6: the thread that is torn down is "elsewhere".
#[test]
fn a_guard_dropped_by_a_thread_local_destructor_wakes_its_task() {
    let guard = Slot::<ShieldScope>::new();
    let task = ShieldableTask::new({
        let guard = guard.clone();
        async move {
            guard.put(shield_scope());
            pending::<()>().await
        }
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    handle.cancel();
    task.take_wakes();
    task.suspends();
    std::thread::spawn(move || KEPT.with_borrow_mut(|kept| kept.push(Box::new(guard.take())))).join().unwrap();
    assert_eq!(task.take_wakes(), 1);
    assert!(task.finishes().is_err());
}

/// LCK-10: with waiters queued.
#[test]
fn lock_guards_dropped_by_a_thread_local_destructor_hand_the_locks_over() {
    let (lock, rlock) = (Arc::new(Lock::new(0)), Arc::new(RLock::new(0)));
    let guards = Slot::<(OwnedLockGuard<i32>, OwnedRLockGuard<i32>)>::new();
    let holder = ShieldableTask::new(async {
        guards.put((lock.clone().lock_owned().await, rlock.clone().lock_owned().await));
    });
    Driven::new(holder).finishes().unwrap();
    let (mut first, mut second) = (Driven::new(lock.lock()), Driven::new(ShieldableTask::new(rlock.lock())));
    first.suspends();
    second.suspends();
    let guards = guards.take();
    std::thread::spawn(move || KEPT.with_borrow_mut(|kept| kept.push(Box::new(guards)))).join().unwrap();
    assert_eq!((first.take_wakes(), second.take_wakes()), (1, 1));
    drop((first.finishes(), second.finishes()));
    assert!(!lock.is_locked() && !rlock.is_locked());
}

/// SCP-4: a task that a dying thread drops is still current for its destructors.
#[test]
fn a_whole_task_dropped_by_a_thread_local_destructor_runs_its_destructors_as_itself() {
    let found = Slot::new();
    let thread = std::thread::spawn({
        let found = found.clone();
        move || {
            let lock = Arc::new(RLock::new(()));
            let mut task = Box::pin(ShieldableTask::new(async move {
                let _held = lock.lock().await;
                let own = TaskHandle::current();
                let _local = OnDrop(|| {
                    drop(shield_scope());
                    found.put(TaskHandle::current() == own && lock.try_lock().is_ok());
                });
                pending::<()>().await
            }));
            assert!(poll_with_noop(task.as_mut()).is_pending());
            KEPT.with_borrow_mut(|kept| kept.push(Box::new(task)));
        }
    });
    thread.join().unwrap();
    assert!(found.take());
}

/// LCK-5, LCK-10: hand-overs run into tasks that are being dropped, have been dropped, or are yet to be.
#[test]
fn a_runtime_that_ends_with_waiters_queued_leaves_the_locks_free() {
    let runtimes: [fn() -> Runtime; 2] = [
        || tokio::runtime::Builder::new_current_thread().build().unwrap(),
        || tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap(),
    ];
    for runtime in runtimes {
        let runtime = runtime();
        let (lock, rlock) = (Arc::new(Lock::new(0)), Arc::new(RLock::new(0)));
        let queued = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                let (lock, rlock, queued) = (lock.clone(), rlock.clone(), queued.clone());
                let task = ShieldableTask::new(async move {
                    let _shield = shield_scope();
                    queued.fetch_add(1, Ordering::Relaxed);
                    let _guards = (rlock.lock().await, lock.lock().await);
                    pending::<()>().await;
                });
                let handle = task.handle();
                runtime.spawn(task);
                handle
            })
            .collect();
        runtime.block_on(async {
            while queued.load(Ordering::Relaxed) < 50 || !lock.is_locked() {
                yield_now().await;
            }
        });
        drop(runtime);
        assert!(!lock.is_locked() && !rlock.is_locked());
        assert!(tasks.iter().all(|task| task.is_finished() && task.was_torn()));
    }
}

/// SHD-5, SHD-14: the naive form wakes itself, is polled, drops the next one, wakes itself, and so on.
#[test]
fn guards_dropped_inside_the_polls_of_nested_scopes_do_not_make_the_task_spin() {
    let polls = Arc::new(AtomicUsize::new(0));
    let task = ShieldableTask::new({
        let polls = polls.clone();
        async move {
            let mut shields: Vec<_> = (0..100).map(|_| shield_scope()).collect();
            CancelScope::new(poll_fn(move |_| {
                polls.fetch_add(1, Ordering::Relaxed);
                shields.pop();
                Poll::<()>::Pending
            }))
            .await
        }
    });
    let mut task = Driven::new(task);
    task.suspends();
    while task.take_wakes() > 0 {
        task.suspends();
    }
    assert_eq!(polls.load(Ordering::Relaxed), 1);
}

/// A stream that keeps `guard` open while it is suspended in its `yield`.
fn items<G>(guard: fn() -> G, step: impl AsyncFn() + Copy) -> impl Stream<Item = u32> {
    unfold((0, None), move |(n, kept)| async move {
        let kept = kept.or_else(|| Some(guard()));
        step().await;
        (n < 3).then_some((n, (n + 1, kept)))
    })
}

/// SPEC.md section 8.
#[test]
fn a_guard_kept_across_the_yield_of_a_stream_shields_its_consumer_and_shielded_does_not() {
    let task = ShieldableTask::new(async {
        let mut found = Vec::new();
        let mut guarded = pin!(items(shield_scope, async || ()));
        while guarded.next().await.is_some() {
            found.push(is_shielded());
        }
        assert_eq!(found, [true, true, true]);
        found.clear();
        // At its end the state is gone, and its guard with it.
        found.push(is_shielded());
        let mut better = pin!(items(|| (), async || shielded(async {}).await));
        while better.next().await.is_some() {
            found.push(is_shielded());
        }
        found
    });
    assert_eq!(Driven::new(task).finishes(), Ok(vec![false; 4]));
}

/// SHD-11, SPEC.md section 8.
#[test]
fn a_suspended_shielded_future_that_is_kept_and_not_polled_shields_its_owner_until_it_is_dropped() {
    let mut task = Stage::new();
    let kept = Moving::new(shielded(pending::<()>()));
    assert!(task.poll(&kept).is_pending());
    task.handle().cancel();
    for _ in 0..3 {
        assert!(task.poll_idle().is_pending());
    }
    assert!(task.handle().is_shielded());
    task.take_wakes();
    kept.cut();
    assert_eq!(task.take_wakes(), 1);
    assert!(task.poll_idle().is_ready());
}

/// SHD-4: it names the first task, wherever it is polled later.
#[test]
fn a_shielded_future_that_moves_goes_on_shielding_the_task_that_polled_it_first() {
    let (mut first, mut second) = (Stage::new(), Stage::new());
    let moving = Moving::new(shielded(async {
        suspend().await;
        suspend().await;
    }));
    assert!(first.poll(&moving).is_pending());
    assert!(second.poll(&moving).is_pending());
    assert!(first.handle().is_shielded() && !second.handle().is_shielded());
    first.take_wakes();
    assert!(second.poll(&moving).is_ready());
    assert!(!first.handle().is_shielded());
    assert_eq!(first.take_wakes(), 1);
}

/// LCK-8, CHK-4, SPEC.md section 8: a checkpoint is the remedy.
#[tokio::test]
async fn a_loop_over_a_free_lock_yields_only_at_its_checkpoints() {
    for (with_checkpoints, turns_in_one_poll) in [(false, 10_000), (true, 129)] {
        let turns = Arc::new(AtomicUsize::new(0));
        let looping = ShieldableTask::new({
            let turns = turns.clone();
            async move {
                let lock = Lock::new(0);
                for _ in 0..10_000 {
                    *lock.lock().await += 1;
                    turns.fetch_add(1, Ordering::Relaxed);
                    if with_checkpoints {
                        checkpoint().await;
                    }
                }
            }
        });
        let looping = tokio::spawn(looping);
        // On one thread this runs when the other has suspended for the first time, or ended.
        let seen = tokio::spawn(async move { turns.load(Ordering::Relaxed) }).await.unwrap();
        assert_eq!(seen, turns_in_one_poll);
        looping.await.unwrap().unwrap();
    }
}

/// SHD-8 and NST-5 together: a scope that dies in a destructor of the scope around it.
#[test]
fn a_destructor_may_run_whole_tasks_and_take_locks_while_its_own_task_is_delivered() {
    let lock = Arc::new(RLock::new(0));
    let task = ShieldableTask::new({
        let lock = lock.clone();
        async move {
            let _held = lock.lock().await;
            let _local = OnDrop(|| {
                let mut inner = Driven::new(ShieldableTask::new(async {
                    let _shield = shield_scope();
                    lock.try_lock().is_err()
                }));
                assert_eq!(inner.finishes(), Ok(true), "another task, with another identity");
                let own = poll_with_noop(CancelScope::new(async {
                    let _shield = shield_scope();
                    drop(lock.lock().await);
                }));
                assert_eq!(own, Poll::Ready(Ok(())));
            });
            suspend().await;
        }
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    handle.cancel();
    assert!(task.finishes().is_err());
    assert!(!lock.is_locked());
}

/// A wait that was polled in one place may be finished in another: nothing here is bound to a thread.
#[test]
fn a_shielded_task_may_be_polled_by_one_thread_after_another() {
    let task = ShieldableTask::new(async {
        let _shield = shield_scope();
        for _ in 0..3 {
            assert!(is_shielded());
            suspend().await;
        }
        poll_once(pin!(checkpoint())).await.is_ready()
    });
    let mut task = Box::pin(task);
    for _ in 0..3 {
        task = std::thread::spawn(move || {
            assert!(poll_with_noop(task.as_mut()).is_pending());
            task
        })
        .join()
        .unwrap();
    }
    assert_eq!(poll_with_noop(task.as_mut()), Poll::Ready(Ok(true)));
}

//! Another executor: nothing of the core rests on tokio.

mod support;

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shieldable::{
    CancelScope, Cancelled, Elapsed, Lock, RLock, ShieldableTask, TaskHandle, Waiter, checkpoint, is_shielded,
    shield_scope, shielded, timeout_with,
};
use smol::channel::{bounded, unbounded};
use smol::future::yield_now;
use smol::{Executor, LocalExecutor, Timer};
use support::Log;

const SHORT: Duration = Duration::from_millis(1);

/// Runs the future on an executor with two threads of its own beside this one.
fn on_threads<T: Send>(main: impl AsyncFnOnce(&Executor<'static>) -> T) -> T {
    let executor = Executor::new();
    let (stop, stopped) = unbounded::<()>();
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| smol::block_on(executor.run(stopped.recv())).unwrap_err());
        }
        let value = smol::block_on(main(&executor));
        drop(stop);
        value
    })
}

#[test]
fn a_task_runs_is_cancelled_and_honours_its_shield_under_a_plain_block_on() {
    let task = ShieldableTask::new(async {
        TaskHandle::current().cancel();
        shielded(yield_now()).await;
        7
    });
    assert_eq!(smol::block_on(task), Ok(7));
    let task = ShieldableTask::new(async {
        TaskHandle::current().cancel();
        yield_now().await;
    });
    assert_eq!(smol::block_on(task), Err(Cancelled::new()));
}

/// DLV-10: the sleeping task is woken through the executor's own waker.
#[test]
fn a_sleeping_task_of_smol_is_cancelled_from_another_thread() {
    on_threads(async |executor| {
        let (asleep, is_asleep) = bounded(1);
        let task = ShieldableTask::new(async move {
            asleep.send(()).await.unwrap();
            pending::<()>().await
        });
        let handle = task.handle();
        let join = executor.spawn(task);
        is_asleep.recv().await.unwrap();
        std::thread::spawn(move || assert!(handle.cancel())).join().unwrap();
        assert_eq!(join.await, Err(Cancelled::new()));
    });
}

/// SHD-2, SHD-6
#[test]
fn a_shield_holds_on_smol_until_its_guard_is_dropped_in_another_task() {
    on_threads(async |executor| {
        let (send, receive) = bounded(1);
        let task = ShieldableTask::new(async move {
            send.send(shield_scope()).await.unwrap();
            pending::<()>().await
        });
        let handle = task.handle();
        let join = executor.spawn(task);
        let guard = receive.recv().await.unwrap();
        handle.cancel();
        for _ in 0..10 {
            yield_now().await;
        }
        assert!(!handle.is_finished() && handle.is_shielded());
        executor.spawn(async move { drop(guard) }).await;
        assert_eq!(join.await, Err(Cancelled::new()));
    });
}

/// TSK-4
#[test]
fn a_task_spawned_on_smol_inherits_no_shield() {
    on_threads(async |executor| {
        let scope = CancelScope::new(async {
            let _shield = shield_scope();
            executor.spawn(ShieldableTask::new(async { is_shielded() })).await
        });
        assert_eq!(scope.await, Ok(Ok(false)));
    });
}

/// SCP-9: dropping a task of smol is a hard drop.
#[test]
fn cancelling_through_the_executor_tears_a_shield_and_the_handle_says_so() {
    smol::block_on(async {
        let executor = LocalExecutor::new();
        let task = ShieldableTask::new(shielded(pending::<()>()));
        let handle = task.handle();
        let join = executor.spawn(task);
        assert!(executor.try_tick());
        assert!(handle.is_shielded());
        executor.run(join.cancel()).await;
        assert!(handle.is_finished() && handle.was_torn());
    });
}

/// TMO-5 over a timer of smol's.
#[test]
fn timeout_with_a_timer_of_smol_fires_and_honours_shields() {
    smol::block_on(async {
        assert_eq!(timeout_with(Timer::after(SHORT), pending::<()>()).await, Err(Elapsed::new()));
        assert_eq!(timeout_with(Timer::never(), async { 7 }).await, Ok(7));

        let start = Instant::now();
        let log = Log::new();
        let outcome = timeout_with(Timer::after(SHORT), async {
            shielded(Timer::after(10 * SHORT)).await;
            log.note("the shielded part is whole");
            pending::<()>().await;
        });
        assert_eq!(outcome.await, Err(Elapsed::new()));
        assert!(start.elapsed() >= 10 * SHORT);
        log.assert(&["the shielded part is whole"]);
    });
}

/// TMO-6
#[test]
fn a_deadline_of_smol_that_a_shield_outlasts_gives_the_value() {
    let task = ShieldableTask::new(async {
        let value = timeout_with(Timer::after(SHORT), shielded(Timer::after(10 * SHORT))).await;
        yield_now().await;
        (value.is_ok(), TaskHandle::current().cancelling())
    });
    assert_eq!(smol::block_on(task), Ok((true, 0)));
}

/// LCK-1, RLK-1, RLK-2
#[test]
fn both_locks_exclude_tasks_of_smol_on_several_threads() {
    const TASKS: usize = 6;
    const TURNS: usize = 200;
    let (lock, rlock) = (Arc::new(Lock::new(0)), Arc::new(RLock::new(std::sync::atomic::AtomicUsize::new(0))));
    on_threads(async |executor| {
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let (lock, rlock) = (lock.clone(), rlock.clone());
                executor.spawn(ShieldableTask::new(async move {
                    for _ in 0..TURNS {
                        let mut count = lock.lock().await;
                        let before = *count;
                        yield_now().await;
                        *count = before + 1;
                        drop(count);

                        let outer = rlock.lock().await;
                        let before = outer.load(std::sync::atomic::Ordering::Relaxed);
                        yield_now().await;
                        let inner = rlock.lock().await;
                        inner.store(before + 1, std::sync::atomic::Ordering::Relaxed);
                    }
                }))
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(*lock.try_lock().unwrap(), TASKS * TURNS);
    assert_eq!(Arc::into_inner(rlock).unwrap().into_inner().into_inner(), TASKS * TURNS);
}

/// WTR-1
#[test]
fn a_notification_wakes_waiting_tasks_of_smol() {
    static WAITER: Waiter = Waiter::new();
    on_threads(async |executor| {
        let (called, calls) = unbounded();
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                let called = called.clone();
                executor.spawn(async move {
                    let wait = WAITER.wait();
                    called.send(()).await.unwrap();
                    wait.await;
                })
            })
            .collect();
        for _ in 0..10 {
            calls.recv().await.unwrap();
        }
        WAITER.notify();
        for task in tasks {
            task.await;
        }
    });
}

/// CHK-2, CHK-4
#[test]
fn a_checkpoint_lets_a_cancellation_in_on_smol() {
    let executor = LocalExecutor::new();
    smol::block_on(executor.run(async {
        let task = ShieldableTask::new(async {
            loop {
                drop(shield_scope());
                checkpoint().await;
            }
        });
        let handle = task.handle();
        let join: smol::Task<Result<(), _>> = executor.spawn(task);
        yield_now().await;
        handle.cancel();
        assert_eq!(join.await, Err(Cancelled::new()));
    }));
}

/// A third one: the single-threaded pool of `futures`, with tasks that may not cross threads.
#[test]
fn tasks_of_a_futures_local_pool_are_shielded_and_cancelled_alike() {
    use futures::executor::LocalPool;
    use futures::task::LocalSpawnExt;
    let mut pool = LocalPool::new();
    let log = Log::new();
    let task = ShieldableTask::new({
        let log = log.clone();
        async move {
            let _not_send = std::rc::Rc::new(());
            shielded(yield_now()).await;
            log.note("the shielded part is whole");
            pending::<()>().await;
        }
    });
    let handle = task.handle();
    let join = pool.spawner().spawn_local_with_handle(task).unwrap();
    assert!(!pool.try_run_one());
    handle.cancel();
    assert_eq!(pool.run_until(join), Err(Cancelled::new()));
    log.assert(&["the shielded part is whole"]);
}

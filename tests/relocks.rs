//! RLK: the re-entrant lock: who owns it, who gets in, and what each poll of an acquisition decides.

#[path = "support/stage.rs"]
mod stage;
mod support;

use std::future::pending;
use std::sync::Arc;

use atomic_refcell::AtomicRefCell;
use shieldable::{CancelScope, RLock, ShieldableTask, TaskHandle, TaskId, TryLockError, timeout_with};
use stage::{Stage, acquisition, granted, shared};
use support::{Driven, Log, OnDrop, Slot, panic_text, suspend};
use tokio::task::yield_now;

/// RLK-2, LCK-8
#[test]
fn the_owner_enters_again_without_suspending_whoever_waits() {
    let lock = shared();
    let (mut owner, mut other) = (Stage::new(), Stage::new());
    let first = granted(owner.poll(&acquisition(&lock)));
    let waiting = acquisition(&lock);
    assert!(other.poll(&waiting).is_pending());
    let second = granted(owner.poll(&acquisition(&lock)));
    let third = owner.try_lock(&lock).unwrap();
    drop((first, second));
    assert!(other.poll(&waiting).is_pending());
    assert_eq!(other.take_wakes(), 0);
    drop(third);
    assert_eq!(other.take_wakes(), 1);
    drop(granted(other.poll(&waiting)));
    assert!(!lock.is_locked());
}

/// RLK-3: in any order, and each counts once.
#[test]
fn the_lock_is_released_with_the_last_level_and_not_before() {
    let lock = shared();
    let mut owner = Stage::new();
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let mut levels: Vec<_> = (0..3).map(|_| Some(owner.try_lock(&lock).unwrap())).collect();
        for index in order {
            assert!(lock.is_locked() && owner.holds(&lock));
            levels[index] = None;
        }
        assert!(!lock.is_locked() && !owner.holds(&lock));
    }
}

/// RLK-1, RLK-11: a scope and a timeout have the identity of the task around; an inline task has its own.
#[test]
fn the_owner_is_the_innermost_task_and_no_mere_scope() {
    let lock = RLock::new(());
    let task = ShieldableTask::new(async {
        let _held = lock.lock().await;
        CancelScope::new(async { drop(lock.lock().await) }).await.unwrap();
        timeout_with(pending::<()>(), async { drop(lock.lock().await) }).await.unwrap();
        let inline = ShieldableTask::new(async {
            assert!(!lock.is_held_by_current());
            assert_eq!(lock.try_lock().unwrap_err(), TryLockError::WouldBlock);
            CancelScope::new(async { lock.try_lock().unwrap_err() }).await.unwrap()
        });
        assert_eq!(inline.await, Ok(TryLockError::WouldBlock));
        lock.is_held_by_current()
    });
    assert_eq!(Driven::new(task).finishes(), Ok(true));
    assert!(!lock.is_locked());
}

/// RLK-2: and where they must, each in its own task does it.
#[test]
fn branches_of_one_task_share_the_lock_and_inline_tasks_exclude_one_another() {
    let lock = RLock::new(());
    let log = Log::new();
    let branch = |enter: &'static str, leave: &'static str| {
        let (lock, log) = (&lock, log.clone());
        async move {
            let _guard = lock.lock().await;
            log.note(enter);
            suspend().await;
            log.note(leave);
        }
    };
    let mut shared = Driven::new(ShieldableTask::new(async {
        futures::join!(branch("a in", "a out"), branch("b in", "b out"));
    }));
    shared.suspends();
    shared.finishes().unwrap();
    log.assert(&["a in", "b in", "a out", "b out"]);

    let log = Log::new();
    let branch = |enter: &'static str, leave: &'static str| {
        let (lock, log) = (&lock, log.clone());
        ShieldableTask::new(async move {
            let _guard = lock.lock().await;
            log.note(enter);
            suspend().await;
            log.note(leave);
        })
    };
    let mut apart = Driven::new(ShieldableTask::new(async {
        let (a, b) = futures::join!(branch("a in", "a out"), branch("b in", "b out"));
        a.and(b).unwrap();
    }));
    apart.suspends();
    apart.suspends();
    apart.finishes().unwrap();
    log.assert(&["a in", "a out", "b in", "b out"]);
}

/// RLK-9: an absent owner is not equal to an absent task.
#[test]
fn try_lock_says_which_of_its_reasons_it_is() {
    let lock = shared();
    assert_eq!(lock.try_lock().unwrap_err(), TryLockError::NoCurrentTask);
    assert!(!lock.is_held_by_current());
    assert_eq!(
        Driven::new(CancelScope::new(async { lock.try_lock().map(drop) })).finishes(),
        Ok(Err(TryLockError::NoCurrentTask))
    );
    let (mut owner, mut other) = (Stage::new(), Stage::new());
    let held = owner.try_lock(&lock).unwrap();
    assert_eq!(other.try_lock(&lock).unwrap_err(), TryLockError::WouldBlock);
    assert_eq!(lock.try_lock().unwrap_err(), TryLockError::NoCurrentTask);
    drop(held);
    assert!(!lock.is_locked());
    assert!(TryLockError::NoCurrentTask.to_string().contains("ShieldableTask"));
}

/// RLK-10
#[test]
fn a_lock_is_entered_4095_levels_deep_and_no_deeper() {
    let lock = shared();
    let (mut owner, mut other) = (Stage::new(), Stage::new());
    let mut levels: Vec<_> = (0..4095).map(|_| owner.try_lock(&lock).unwrap()).collect();
    let waiting = acquisition(&lock);
    assert!(other.poll(&waiting).is_pending());
    for _ in 0..2 {
        assert_eq!(owner.try_lock(&lock).unwrap_err(), TryLockError::TooDeep);
        let too_deep = acquisition(&lock);
        let text = owner.run_with(move |cx| panic_text(|| drop(too_deep.poll(cx))));
        assert!(text.contains("4095"), "{text}");
    }
    drop(levels.pop());
    levels.push(granted(owner.poll(&acquisition(&lock))));
    drop(levels.split_off(1));
    assert!(other.poll(&waiting).is_pending());
    drop(levels);
    drop(granted(other.poll(&waiting)));
    assert!(!lock.is_locked());
}

/// RLK-3, LCK-10: the guard of a task that is long gone still holds, for nobody else.
#[test]
fn a_guard_that_outlives_its_task_keeps_the_lock_from_everybody_until_it_is_dropped() {
    let lock = shared();
    let kept = Slot::new();
    let task = ShieldableTask::new({
        let (lock, kept) = (lock.clone(), kept.clone());
        async move { kept.put(lock.lock_owned().await) }
    });
    Driven::new(task).finishes().unwrap();
    for _ in 0..3 {
        assert_eq!(Stage::new().try_lock(&lock).unwrap_err(), TryLockError::WouldBlock);
    }
    drop(kept.take());
    assert!(Stage::new().try_lock(&lock).is_ok());
}

/// SCP-4: a destructor that a delivery or a hard drop runs locks as its own task.
#[test]
fn a_destructor_of_the_task_enters_the_lock_that_the_task_holds() {
    for cancelled in [true, false] {
        let lock = shared();
        let found = Slot::new();
        let task = ShieldableTask::new({
            let (lock, found) = (lock.clone(), found.clone());
            async move {
                let _held = lock.lock().await;
                let _local = OnDrop(|| found.put((lock.is_held_by_current(), lock.try_lock().is_ok())));
                pending::<()>().await;
            }
        });
        let handle = task.handle();
        let mut task = Driven::new(task);
        task.suspends();
        if cancelled {
            handle.cancel();
            assert!(task.finishes().is_err());
        }
        drop(task);
        assert_eq!(found.take(), (true, true));
        assert!(!lock.is_locked());
    }
}

/// TSK-2
#[test]
fn ids_are_never_given_out_twice_on_whatever_thread() {
    let ids = |n: usize| (0..n).map(|_| ShieldableTask::new(async {}).handle().id()).collect::<Vec<TaskId>>();
    let mut all = ids(3_000);
    std::thread::scope(|threads| {
        let others: Vec<_> = (0..4).map(|_| threads.spawn(|| ids(3_000))).collect();
        others.into_iter().for_each(|thread| all.extend(thread.join().unwrap()));
    });
    let distinct: std::collections::HashSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
}

/// TSK-2: they last for as many tasks as the docs say.
#[test]
fn a_thread_counts_its_ids_up_without_gaps_but_for_the_blocks_that_it_takes() {
    let ids: Vec<TaskId> = (0..2_000).map(|_| ShieldableTask::new(async {}).handle().id()).collect();
    let numbers: Vec<u64> = ids.iter().map(|id| id.to_string().parse().unwrap()).collect();
    let gaps = numbers.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
    assert!(gaps <= 2, "{gaps} gaps");
    assert_eq!(format!("{:?} {:>9}", ids[0], ids[1]), format!("TaskId({}) {:>9}", numbers[0], numbers[1]));
}

/// RLK-1, RLK-12 on threads: tasks migrate, nest, and drop levels on other threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn re_entrance_holds_on_several_threads_with_levels_dropped_elsewhere() {
    const TASKS: u64 = 8;
    const TURNS: u64 = 200;
    let lock = Arc::new(RLock::new(AtomicRefCell::new((0_u64, None::<TaskId>))));
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let lock = lock.clone();
            tokio::spawn(ShieldableTask::new(async move {
                for _ in 0..TURNS {
                    let outer = lock.clone().lock_owned().await;
                    outer.borrow_mut().1 = Some(TaskHandle::current().id());
                    yield_now().await;
                    let inner = lock.lock().await;
                    let elsewhere = tokio::spawn(async move { drop(outer) });
                    yield_now().await;
                    assert_eq!(inner.borrow().1, Some(TaskHandle::current().id()));
                    inner.borrow_mut().0 += 1;
                    drop(inner);
                    elsewhere.await.unwrap();
                }
            }))
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert!(!lock.is_locked());
    assert_eq!(Arc::into_inner(lock).unwrap().into_inner().into_inner().0, TASKS * TURNS);
}

#[test]
fn a_re_entrant_lock_is_made_read_and_unmade_without_being_locked() {
    static IN_A_STATIC: RLock<u32> = RLock::new(7);
    assert_eq!(format!("{IN_A_STATIC:?}"), "RLock { value: <no current task>, is_locked: false }");
    let task = ShieldableTask::new(async {
        let guard = IN_A_STATIC.lock().await;
        let other = ShieldableTask::new(async { format!("{IN_A_STATIC:?}") }).await.unwrap();
        (format!("{IN_A_STATIC:?}"), other, format!("{guard:?} {guard}"))
    });
    let (own, other, guard) = Driven::new(task).finishes().unwrap();
    assert_eq!(own, "RLock { value: 7, is_locked: true }");
    assert_eq!(other, "RLock { value: <locked>, is_locked: true }");
    assert_eq!(guard, "7 7");
    let mut lock = RLock::from(1);
    *lock.get_mut() += 1;
    assert_eq!((lock.into_inner(), RLock::<u8>::default().into_inner()), (2, 0));
}

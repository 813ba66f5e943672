//! Laws of locks and the waiter.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use proptest::prelude::*;
use shieldable::{
    Cancelled, Lock, OwnedLockGuard, OwnedRLockGuard, RLock, ShieldableTask, TaskHandle, TryLockError, Wait, Waiter,
    shield_scope,
};

use crate::support::*;

type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

/// Whoever waits for a lock: the task that has it until it is told to go on.
struct Waits {
    task: Pin<Box<ShieldableTask<Boxed<()>>>>,
    handle: TaskHandle,
}

fn waits(at: u8, lock: &Arc<RLock>, plain: &Arc<Lock>, re_entrant: bool, shield: bool, log: Log) -> Waits {
    let (lock, plain) = (lock.clone(), plain.clone());
    let body: Boxed<()> = Box::pin(async move {
        let _shield = shield.then(shield_scope);
        let _guard: Box<dyn Send> = if re_entrant {
            let guard: OwnedRLockGuard = lock.lock_owned().await;
            Box::new(guard)
        } else {
            let guard: OwnedLockGuard = plain.lock_owned().await;
            Box::new(guard)
        };
        log.note(at);
        suspend().await;
    });
    let task = ShieldableTask::new(body);
    Waits { handle: task.handle(), task: Box::pin(task) }
}

impl Waits {
    fn poll(&mut self) -> Poll<Result<(), Cancelled>> {
        if self.handle.is_finished() { Poll::Pending } else { poll(self.task.as_mut()) }
    }
}

proptest! {
    #![proptest_config(config())]

    /// Among those who are not cancelled, a lock goes round in the order of the first polls, whoever else is cancelled,
    /// dropped or polled for nothing in between.
    #[test]
    fn law_locks_are_fair_among_survivors(
        n in 1..8usize, re_entrant in any::<bool>(), shielded in any::<u8>(),
        disturbances in prop::collection::vec((0..12usize, 0..8usize, 0..3u8), 0..10),
    ) {
        let (lock, plain, log) = (Arc::new(RLock::new(())), Arc::new(Lock::new(())), Log::default());
        let mut tasks: Vec<Waits> = (0..n as u8)
            .map(|at| waits(at, &lock, &plain, re_entrant, shielded & (1 << at) != 0, log.clone()))
            .collect();
        let mut gone = vec![false; n];
        for task in &mut tasks {
            prop_assert!(task.poll().is_pending());
        }
        for round in 0..2 * n + 12 {
            for (_, at, what) in disturbances.iter().filter(|(when, at, _)| *when == round && *at < n) {
                match what {
                    0 => gone[*at] |= tasks[*at].handle.cancel() && shielded & (1 << at) == 0,
                    1 => _ = tasks[*at].poll(),
                    _ => {
                        gone[*at] = true;
                        let other = waits(*at as u8, &lock, &plain, re_entrant, false, Log::default());
                        tasks[*at] = other;
                        tasks[*at].handle.cancel();
                    }
                }
            }
            // In an order that is not that of the queue.
            for task in tasks.iter_mut().rev() {
                _ = task.poll();
            }
        }
        prop_assert!(tasks.iter().all(|task| task.handle.is_finished()));
        prop_assert!(!lock.is_locked() && !plain.is_locked());
        let order = log.notes();
        let mut sorted = order.clone();
        sorted.sort_unstable();
        prop_assert_eq!(&order, &sorted, "not in the order of the queue");
        let survivors = (0..n as u8).filter(|at| !gone[usize::from(*at)]);
        prop_assert!(survivors.into_iter().all(|at| order.contains(&at)), "{:?} of {:?}", order, gone);
    }

    /// Each guard is released exactly once: a lock entered `n` times is free after `n` guards are dropped, in any
    /// order, inside a task, outside it or on another thread, and not before; until then whoever waits is not woken.
    #[test]
    fn law_each_guard_releases_once_in_any_order(
        order in (1..7usize).prop_flat_map(|n| Just((0..n).collect::<Vec<_>>()).prop_shuffle()),
        places in prop::collection::vec(0..3u8, 7),
    ) {
        let lock = Arc::new(RLock::new(()));
        let entered = lock.clone();
        let n = order.len();
        let (log, mut guards) = (Log::default(), Vec::new());
        let mut owner = Box::pin(ShieldableTask::new(async move {
            let mut guards = Vec::new();
            for _ in 0..n {
                guards.push(Some(entered.clone().lock_owned().await));
            }
            guards
        }));
        if let Poll::Ready(Ok(all)) = poll(owner.as_mut()) {
            guards = all;
        }
        prop_assert_eq!(guards.len(), n);
        let mut next = waits(0, &lock, &Arc::default(), true, false, log.clone());
        let wakes = Arc::<Wakes>::default();
        prop_assert!(poll_with(next.task.as_mut(), &wakes).is_pending());
        for (dropped, (at, place)) in order.into_iter().zip(places).enumerate() {
            prop_assert!(log.notes().is_empty() && lock.is_locked());
            let guard = guards[at].take().expect("each once");
            match place {
                0 => drop(guard),
                1 => std::thread::spawn(move || drop(guard)).join().expect("no panic"),
                _ => assert!(poll(Box::pin(ShieldableTask::new(async { drop(guard) })).as_mut()).is_ready()),
            }
            prop_assert_eq!(wakes.count(), usize::from(dropped + 1 == n));
            _ = poll_with(next.task.as_mut(), &wakes);
            prop_assert_eq!(log.notes().len(), usize::from(dropped + 1 == n));
        }
        prop_assert!(matches!(next.poll(), Poll::Ready(Ok(()))));
        prop_assert!(!lock.is_locked());
    }

    /// `try_lock` succeeds if and only if the lock is free, or the task's own.
    #[test]
    fn law_try_lock_succeeds_exactly_on_a_free_lock(held in any::<bool>(), queued in 0..3u8, mine in 0..3usize) {
        let (lock, plain, log) = (Arc::new(RLock::new(())), Arc::new(Lock::new(())), Log::default());
        let others = if held { queued + 1 } else { 0 };
        let mut others: Vec<Waits> =
            (0..others).map(|at| waits(at, &lock, &plain, true, false, log.clone())).collect();
        others.iter_mut().for_each(|task| _ = task.poll());
        let tried = lock.clone();
        let outcome = to_its_end(|_| async move {
            let levels: Vec<_> = (0..mine).map(|_| tried.clone().try_lock_owned()).collect();
            let expected = if held { Err(TryLockError::WouldBlock) } else { Ok(()) };
            assert!(levels.iter().all(|level| level.as_ref().map(drop) == expected.as_ref().map(drop)));
            assert_eq!(tried.is_held_by_current(), !held && mine > 0);
            0
        }, &[]);
        prop_assert_eq!(outcome, Some(Ok(0)));
        prop_assert_eq!(lock.is_locked(), held);
        prop_assert_eq!(lock.try_lock().map(drop), Err(TryLockError::NoCurrentTask));
    }

    /// Dropping everybody who waits or holds, in any order, leaves the lock free.
    #[test]
    fn law_a_lock_that_everybody_has_left_is_free(
        order in (1..8usize).prop_flat_map(|n| Just((0..n).collect::<Vec<_>>()).prop_shuffle()),
        re_entrant in any::<bool>(),
    ) {
        let (lock, plain) = (Arc::new(RLock::new(())), Arc::new(Lock::new(())));
        let mut tasks: Vec<Option<Waits>> =
            order.iter().map(|_| Some(waits(0, &lock, &plain, re_entrant, false, Log::default()))).collect();
        tasks.iter_mut().flatten().for_each(|task| _ = task.poll());
        for at in order {
            prop_assert!(lock.is_locked() || plain.is_locked());
            tasks[at] = None;
        }
        prop_assert!(!lock.is_locked() && !plain.is_locked());
    }

    /// A notification completes exactly the waits that were called before it, polled or not.
    #[test]
    fn law_notify_completes_exactly_those_who_called_before(
        acts in prop::collection::vec(prop_oneof![3 => Just(0u8), 2 => Just(1), 1 => Just(2), 1 => Just(3)], 0..20),
    ) {
        let waiter = Waiter::new();
        let mut waits: Vec<(Pin<Box<Wait<'_>>>, bool)> = Vec::new();
        for act in acts {
            match act {
                0 => waits.push((Box::pin(waiter.wait()), false)),
                1 => waits.iter_mut().for_each(|(wait, notified)| assert_eq!(poll(wait.as_mut()).is_ready(), *notified)),
                2 => _ = waits.pop(),
                _ => {
                    waiter.notify();
                    waits.iter_mut().for_each(|(_, notified)| *notified = true);
                }
            }
        }
        for (mut wait, notified) in waits {
            prop_assert_eq!(poll(wait.as_mut()).is_ready(), notified);
        }
    }
}

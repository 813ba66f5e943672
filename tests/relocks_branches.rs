//! RLK: several branches of one task that wait for one re-entrant lock.

#[path = "support/stage.rs"]
mod stage;
mod support;

use std::future::{Future, pending};
use std::sync::Arc;
use std::task::{Context, Wake};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use futures::task::{Waker, noop_waker};
use shieldable::{ShieldableTask, Waiter};
use stage::{Moving, Stage, acquisition, granted, shared};
use support::{Driven, panic_text};

/// Polls as a part of the task, with that waker.
fn poll_with<F: Future + 'static>(task: &mut Stage, future: &Moving<F>, waker: &Waker) -> bool {
    let (future, waker) = (future.clone(), waker.clone());
    task.run_with(move |_| future.poll(&mut Context::from_waker(&waker)).is_pending())
}

/// RLK-14, under a combinator that polls only what was woken: a branch waits for the others with the lock in hand.
#[test]
fn branches_that_wait_for_one_another_enter_together() {
    let (lock, entered) = (shared(), Waiter::new());
    let mut owner = Stage::new();
    let held = owner.try_lock(&lock).unwrap();
    let branch = |first: bool| {
        let (lock, entered) = (&lock, &entered);
        async move {
            let (one, two) = (entered.wait(), entered.wait());
            let _guard = lock.lock().await;
            match first {
                true => _ = (one.await, two.await),
                false => entered.notify(),
            }
        }
    };
    let branches: FuturesUnordered<_> = [true, false, false].map(branch).into_iter().collect();
    let mut task = Driven::new(ShieldableTask::new(branches.collect::<Vec<()>>()));
    task.suspends();
    drop(held);
    while task.take_wakes() > 0 {
        if task.poll().is_ready() {
            assert!(!lock.is_locked());
            return;
        }
    }
    panic!("the branches are asleep, and {lock:?}");
}

/// RLK-14, LCK-4: in the order of the queue, once each, and nobody of another task.
#[test]
fn the_poll_of_a_grant_wakes_the_other_branches_of_its_task_and_nobody_else() {
    let lock = shared();
    let (mut owner, mut task, mut stranger) = (Stage::new(), Stage::new(), Stage::new());
    let held = owner.try_lock(&lock).unwrap();
    let [first, second, third, of_stranger] = [(); 4].map(|()| acquisition(&lock));
    let [one, two] = [(); 2].map(|()| Driven::new(pending::<()>()));
    assert!(task.poll(&first).is_pending());
    assert!(stranger.poll(&of_stranger).is_pending());
    assert!(poll_with(&mut task, &second, &one.waker()));
    assert!(poll_with(&mut task, &third, &two.waker()));
    drop(held);
    assert_eq!((task.take_wakes(), one.take_wakes(), two.take_wakes()), (1, 0, 0));
    let first = granted(task.poll(&first));
    assert_eq!((one.take_wakes(), two.take_wakes(), stranger.take_wakes()), (1, 1, 0));
    // One that is not polled then keeps its place, and nobody wakes it a second time.
    let second = granted(task.poll(&second));
    assert_eq!((two.take_wakes(), two.wakers_held()), (0, 0));
    drop((first, second));
    assert_eq!(stranger.take_wakes(), 1);
    drop(granted(stranger.poll(&of_stranger)));
    drop(granted(task.poll(&third)));
    assert!(!lock.is_locked());
}

/// RLK-14: a task that entered by the grant of an acquisition owns the lock when that is dropped.
#[test]
fn a_grant_that_is_dropped_wakes_the_other_branches_if_its_task_has_entered() {
    for elsewhere in [false, true] {
        let lock = shared();
        let (mut owner, mut task) = (Stage::new(), Stage::new());
        let held = owner.try_lock(&lock).unwrap();
        let (first, second) = (acquisition(&lock), acquisition(&lock));
        let one = Driven::new(pending::<()>());
        assert!(task.poll(&first).is_pending());
        assert!(poll_with(&mut task, &second, &one.waker()));
        drop(held);
        let entered = task.try_lock(&lock).unwrap();
        assert_eq!(one.take_wakes(), 0);
        match elsewhere {
            true => first.cut(),
            false => task.run(move || first.cut()),
        }
        assert_eq!(one.take_wakes(), 1);
        let second = granted(task.poll(&second));
        drop((entered, second));
        assert!(!lock.is_locked());
    }
}

/// RLK-14
#[test]
fn branches_that_wait_on_other_locks_are_not_woken() {
    let (lock, other) = (shared(), shared());
    let (mut owner, mut task) = (Stage::new(), Stage::new());
    let (held, held_too) = (owner.try_lock(&lock).unwrap(), owner.try_lock(&other).unwrap());
    let (first, second) = (acquisition(&lock), acquisition(&other));
    let one = Driven::new(pending::<()>());
    assert!(task.poll(&first).is_pending());
    assert!(poll_with(&mut task, &second, &one.waker()));
    drop(held);
    drop(granted(task.poll(&first)));
    assert_eq!((one.take_wakes(), one.wakers_held()), (0, 1));
    drop(held_too);
    assert_eq!(one.take_wakes(), 1);
    assert!(!poll_with(&mut task, &second, &noop_waker()));
}

/// RLK-14, LCK-1: a waker of another branch that panics takes the grant with it, and no more.
#[test]
fn an_acquisition_that_unwound_out_of_the_waker_of_another_waits_anew() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("out of a waker");
        }
    }

    let lock = shared();
    let mut owner = Stage::new();
    let held = owner.try_lock(&lock).unwrap();
    let mut task = Driven::new(ShieldableTask::new(async {
        let (mut one, mut two) = (Box::pin(lock.lock()), Box::pin(lock.lock()));
        let mut poll_one = || one.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(poll_one().is_pending());
        assert!(two.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::new(Panics)))).is_pending());
        drop(held);
        assert_eq!(panic_text(|| assert!(poll_one().is_pending())), "out of a waker");
        drop(two);
        let held = owner.try_lock(&lock).unwrap();
        assert!(poll_one().is_pending() && poll_one().is_pending(), "somebody else has the lock");
        drop(held);
        drop(granted(poll_one()));
    }));
    task.finishes().unwrap();
    assert!(!lock.is_locked());
}

/// RLK-14: one that was woken, was polled and waits on is woken again.
#[test]
fn a_branch_that_found_the_lock_with_somebody_else_sleeps_and_is_woken_again() {
    let lock = shared();
    let (mut owner, mut task, mut stranger) = (Stage::new(), Stage::new(), Stage::new());
    let held = owner.try_lock(&lock).unwrap();
    let [first, second, third, of_stranger] = [(); 4].map(|()| acquisition(&lock));
    let [one, two] = [(); 2].map(|()| Driven::new(pending::<()>()));
    assert!(task.poll(&first).is_pending());
    assert!(stranger.poll(&of_stranger).is_pending());
    assert!(poll_with(&mut task, &second, &one.waker()));
    drop(held);
    drop(granted(task.poll(&first)));
    assert_eq!(one.take_wakes(), 1);
    assert!(poll_with(&mut task, &second, &one.waker()));
    assert!(poll_with(&mut task, &third, &two.waker()));
    drop(granted(stranger.poll(&of_stranger)));
    assert_eq!((one.take_wakes(), two.take_wakes()), (1, 0));
    let second = granted(task.poll(&second));
    assert_eq!(two.take_wakes(), 1);
    drop((second, granted(task.poll(&third))));
    assert!(!lock.is_locked());
}

/// RLK-14, where there are more of them than are woken at a time.
#[test]
fn any_number_of_branches_is_woken_each_once() {
    for number in [31, 32, 33, 100] {
        let lock = shared();
        let (mut owner, mut task) = (Stage::new(), Stage::new());
        let held = owner.try_lock(&lock).unwrap();
        let first = acquisition(&lock);
        assert!(task.poll(&first).is_pending());
        let branches: Vec<_> = (0..number).map(|_| (acquisition(&lock), Driven::new(pending::<()>()))).collect();
        for (branch, woken) in &branches {
            assert!(poll_with(&mut task, branch, &woken.waker()));
        }
        drop(held);
        let first = granted(task.poll(&first));
        assert!(branches.iter().all(|(_, woken)| woken.take_wakes() == 1), "{number} branches");
        let entered: Vec<_> = branches.iter().map(|(branch, _)| granted(task.poll(branch))).collect();
        drop((first, entered));
        assert!(!lock.is_locked());
    }
}

/// RLK-14, LCK-1: those that were woken and have not been polled are handed the lock in their turns.
#[test]
fn branches_that_were_woken_together_are_handed_the_lock_one_by_one() {
    let lock = shared();
    let (mut owner, mut task) = (Stage::new(), Stage::new());
    let held = owner.try_lock(&lock).unwrap();
    let branches: Vec<_> = (0..5).map(|_| (acquisition(&lock), Driven::new(pending::<()>()))).collect();
    for (branch, woken) in &branches {
        assert!(poll_with(&mut task, branch, &woken.waker()));
    }
    drop(held);
    let wakes = || branches.iter().map(|(_, woken)| woken.take_wakes()).collect::<Vec<_>>();
    assert_eq!(wakes(), [1, 0, 0, 0, 0]);
    drop(granted(task.poll(&branches[0].0)));
    assert_eq!(wakes(), [0, 1, 1, 1, 1]);
    for (branch, _) in &branches[1..] {
        drop(granted(task.poll(branch)));
        assert_eq!(wakes(), [0; 5]);
    }
    assert!(!lock.is_locked());
}

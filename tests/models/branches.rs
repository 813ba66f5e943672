//! Branches of one task that wait for one re-entrant lock, and for one another.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::common::*;
use crate::reentrant::{Shared, free_after, in_a_task, queues, shared};

pub const MODELS: &[Model] = &[
    model!(a_branch_that_is_handed_the_lock_waits_for_two_others_of_its_task_to_enter:
        "all had to wait", "the lock was free by then"),
    model!(a_grant_dropped_elsewhere_races_its_task_that_enters_and_leaves_no_branch_asleep:
        "entered", "refused while the lock was passed on"),
    model!(a_branch_that_came_from_another_task_is_woken_with_the_others: "woken", "entered at once"),
    model!(a_branch_whose_waker_panics_does_not_keep_the_lock_from_others: "had to wait", "did not have to wait"),
    model!(a_branch_that_was_woken_and_sleeps_again_is_woken_again: "woken"),
    model!(branches_are_woken_although_they_are_more_than_a_batch: "woken"),
    model!(an_acquisition_that_unwound_out_of_the_waker_of_another_waits_anew: "waited"),
];

type Body = Pin<Box<dyn Future<Output = ()>>>;
type Acquisition = Pin<Box<dyn Future<Output = OwnedRLockGuard<Payload>> + Send>>;

fn acquisition(lock: &Shared) -> Acquisition {
    Box::pin(lock.clone().lock_owned())
}

/// Polls with a waker of its own; whether that has been called.
fn waits(acquisition: &mut Acquisition) -> Flag {
    let woken = Flag::default();
    let waker = waker_that({
        let woken = woken.clone();
        move || woken.set()
    });
    assert!(polled_by(acquisition, &waker).is_none());
    woken
}

fn polled_by(acquisition: &mut Acquisition, waker: &Waker) -> Option<OwnedRLockGuard<Payload>> {
    match acquisition.as_mut().poll(&mut Context::from_waker(waker)) {
        Poll::Ready(guard) => Some(guard),
        Poll::Pending => None,
    }
}

fn held_by_another(lock: &Shared) -> OwnedRLockGuard<Payload> {
    in_a_task(|| lock.clone().try_lock_owned().expect("nobody else is there"))
}

/// Polls only the branches that have been woken, as `FuturesUnordered` does.
struct Branches {
    branches: Vec<(Option<Body>, Flag)>,
    polls: usize,
}

impl Branches {
    fn new(bodies: Vec<Body>) -> Self {
        let begun = |body| {
            let due = Flag::default();
            due.set();
            (Some(body), due)
        };
        Self { branches: bodies.into_iter().map(begun).collect(), polls: 0 }
    }
}

impl Future for Branches {
    type Output = usize;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<usize> {
        self.polls += 1;
        while let Some((branch, due)) = self.branches.iter_mut().find(|(branch, due)| branch.is_some() && due.is_set())
        {
            due.clear();
            let waker = waker_that({
                let (due, task) = (due.clone(), cx.waker().clone());
                move || {
                    due.set();
                    task.wake_by_ref();
                }
            });
            if branch.as_mut().expect("it is not over").as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                *branch = None;
            }
        }
        match self.branches.iter().all(|(branch, _)| branch.is_none()) {
            true => Poll::Ready(self.polls),
            false => Poll::Pending,
        }
    }
}

fn a_branch_that_is_handed_the_lock_waits_for_two_others_of_its_task_to_enter() {
    let lock = shared();
    let guard = held_by_another(&lock);
    let other = spawn("other", move || call("release", || drop(guard)));

    let entered = Arc::new(Waiter::new());
    let branch = |first: bool| -> Body {
        let (lock, entered) = (lock.clone(), entered.clone());
        Box::pin(async move {
            let (one, two) = (entered.wait(), entered.wait());
            let guard = lock.lock_owned().await;
            guard.bump();
            match first {
                true => {
                    one.await;
                    two.await;
                }
                false => entered.notify(),
            }
        })
    };
    let branches = Branches::new(vec![branch(true), branch(false), branch(false)]);
    let polls = run("the task", ShieldableTask::new(branches)).expect("nobody has its handle");
    saw(if polls > 1 { "all had to wait" } else { "the lock was free by then" });
    other.join().unwrap();
    free_after(3, &lock);
}

fn a_grant_dropped_elsewhere_races_its_task_that_enters_and_leaves_no_branch_asleep() {
    let lock = shared();
    let guard = held_by_another(&lock);
    let slot = Slot::new();
    let task = ShieldableTask::new({
        let (lock, slot) = (lock.clone(), slot.clone());
        async move {
            let (mut granted, mut one, mut two) = (acquisition(&lock), acquisition(&lock), acquisition(&lock));
            waits(&mut granted);
            let woken = [waits(&mut one), waits(&mut two)];
            slot.put(granted);
            yield_once().await;
            let entered = call("try_lock", || lock.clone().try_lock_owned().ok());
            (entered, [one, two], woken)
        }
    });
    let task = Runner::new("the task", task).suspends();
    drop(guard);
    let granted = slot.take();
    let other = spawn("other", move || call("drop the grant", || drop(granted)));

    let (entered, [one, two], woken) = task.finish().expect("nobody has its handle");
    other.join().unwrap();
    assert!(woken[0].is_set(), "asleep, and its task owns the lock");
    // The grant may have been passed on to it, and it is dropped without a poll, too.
    drop(one);
    assert!(woken[1].is_set(), "asleep, and its task owns the lock");
    saw(if entered.is_some() { "entered" } else { "refused while the lock was passed on" });
    drop((two, entered));
    free_after(0, &lock);
}

fn a_branch_that_came_from_another_task_is_woken_with_the_others() {
    let lock = shared();
    let guard = held_by_another(&lock);
    let moved = Slot::<Acquisition>::new();
    let stranger = Runner::new("a stranger", ShieldableTask::new(lock.clone().lock_owned()));
    let stranger_is_woken = stranger.woken_flag();
    let task = ShieldableTask::new({
        let (lock, moved) = (lock.clone(), moved.clone());
        async move {
            let mut own = acquisition(&lock);
            queues(own.as_mut()).await;
            yield_once().await;
            let mut moved = moved.take();
            let woken = Flag::default();
            let waker = waker_that({
                let woken = woken.clone();
                move || woken.set()
            });
            let at_once = polled_by(&mut moved, &waker);
            let _own = own.await;
            assert!(!stranger_is_woken(), "it is not the turn of another task");
            let Some(_entered) = at_once else {
                assert!(woken.is_set(), "asleep, and its task owns the lock");
                assert!(polled_by(&mut moved, &waker).is_some());
                return "woken";
            };
            "entered at once"
        }
    });
    let task = Runner::new("the task", task).suspends();
    let former = ShieldableTask::new({
        let (mut acquisition, moved) = (acquisition(&lock), moved.clone());
        async move {
            queues(acquisition.as_mut()).await;
            moved.put(acquisition);
        }
    });
    run("the former task", former).expect("nobody has its handle");
    let stranger = stranger.suspends();
    let other = spawn("other", move || call("release", || drop(guard)));

    saw(task.finish().expect("nobody has its handle"));
    other.join().unwrap();
    stranger.finish().expect("nobody has its handle").bump();
    free_after(1, &lock);
}

fn a_branch_whose_waker_panics_does_not_keep_the_lock_from_others() {
    let lock = shared();
    let guard = held_by_another(&lock);
    let woken = Slot::new();
    let mut task = Runner::new(
        "the task",
        ShieldableTask::new({
            let (lock, woken) = (lock.clone(), woken.clone());
            async move {
                let (mut one, mut two, mut three) = (acquisition(&lock), acquisition(&lock), acquisition(&lock));
                queues(one.as_mut()).await;
                assert!(polled_by(&mut two, &waker_that(|| resume_unwind(Box::new("out of a waker")))).is_none());
                woken.put(waits(&mut three));
                one.await
            }
        }),
    )
    .suspends();
    drop(guard);
    let other = spawn("other", {
        let lock = lock.clone();
        move || {
            let acquired = Runner::new("the other", ShieldableTask::new(lock.lock_owned())).finish_and_tell();
            acquired.output.expect("nobody has its handle").bump();
            saw(if acquired.polls > 1 { "had to wait" } else { "did not have to wait" });
        }
    });

    catch_unwind(AssertUnwindSafe(|| task.poll().is_ready())).expect_err("it went out of the waker");
    assert!(woken.take().is_set(), "the waker of another branch panicked before");
    drop(task);
    other.join().unwrap();
    free_after(1, &lock);
}

fn a_branch_that_was_woken_and_sleeps_again_is_woken_again() {
    let lock = shared();
    let guard = held_by_another(&lock);
    let stranger = Runner::new("a stranger", ShieldableTask::new(lock.clone().lock_owned()));
    in_a_task(|| {
        let [mut first, mut second, mut third] = [(); 3].map(|()| acquisition(&lock));
        waits(&mut first);
        let stranger = stranger.suspends();
        let woken = waits(&mut second);
        drop(guard);
        drop(polled_by(&mut first, Waker::noop()).expect("it was granted"));
        assert!(woken.is_set());
        // It is the turn of the stranger.
        let woken = [waits(&mut second), waits(&mut third)];
        drop(stranger.finish().expect("nobody has its handle"));
        let second = polled_by(&mut second, Waker::noop()).expect("it was granted");
        assert!(woken[1].is_set(), "asleep, and its task owns the lock");
        saw("woken");
        drop((second, third));
    });
    free_after(0, &lock);
}

fn branches_are_woken_although_they_are_more_than_a_batch() {
    let lock = shared();
    let guard = held_by_another(&lock);
    in_a_task(|| {
        let mut first = acquisition(&lock);
        waits(&mut first);
        let mut others: Vec<_> = (0..33).map(|_| acquisition(&lock)).collect();
        let woken: Vec<_> = others.iter_mut().map(waits).collect();
        drop(guard);
        let _first = polled_by(&mut first, Waker::noop()).expect("it was granted");
        assert!(woken.iter().all(Flag::is_set));
        saw("woken");
    });
    free_after(0, &lock);
}

fn an_acquisition_that_unwound_out_of_the_waker_of_another_waits_anew() {
    let lock = shared();
    let guard = held_by_another(&lock);
    in_a_task(|| {
        let (mut one, mut two) = (Box::pin(lock.lock()), acquisition(&lock));
        let mut poll_one = || one.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(poll_one().is_pending());
        assert!(polled_by(&mut two, &waker_that(|| resume_unwind(Box::new("out of a waker")))).is_none());
        drop(guard);
        catch_unwind(AssertUnwindSafe(|| poll_one().is_ready())).expect_err("it went out of the waker");
        drop(two);
        let guard = held_by_another(&lock);
        assert!(poll_one().is_pending() && poll_one().is_pending(), "somebody else has the lock");
        drop(guard);
        let Poll::Ready(one) = poll_one() else { panic!("it was granted") };
        one.bump();
        saw("waited");
    });
    free_after(1, &lock);
}

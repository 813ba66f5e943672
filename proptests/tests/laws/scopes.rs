//! Laws of cancel scopes, timeouts and tasks inside tasks.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::{pending, poll_fn, ready};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use proptest::prelude::*;
use shieldable::{
    CancelHandle, CancelScope, Elapsed, ShieldScope, ShieldableTask, TaskHandle, cancel_pending, checkpoint,
    is_shielded, shield_scope, shielded, timeout_with,
};

use crate::support::*;

type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

/// Opens shields when it is dropped, and leaves them to others.
struct Leaves(usize, Rc<RefCell<Vec<ShieldScope>>>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.1.borrow_mut().extend((0..self.0).map(|_| shield_scope()));
    }
}

proptest! {
    #![proptest_config(config())]

    /// A scope that nobody cancels is the identity.
    #[test]
    fn law_a_scope_that_nobody_cancels_is_the_identity(steps in steps(), after in steps(), actions in actions()) {
        let run = |wrapped: bool| {
            let (steps, after) = (steps.clone(), after.clone());
            observe(|log| async move {
                let inner = body(steps, log.clone());
                if wrapped { CancelScope::new(inner).await.expect("nobody cancels it") } else { inner.await };
                body(after, log).await
            }, &actions)
        };
        prop_assert_eq!(run(true), run(false));
    }

    /// A timeout with an infinite deadline is the identity.
    #[test]
    fn law_a_timeout_with_an_infinite_deadline_is_the_identity(
        steps in steps(), after in steps(), actions in actions(),
    ) {
        let run = |wrapped: bool| {
            let (steps, after) = (steps.clone(), after.clone());
            observe(|log| async move {
                let inner = body(steps, log.clone());
                if wrapped { timeout_with(pending::<()>(), inner).await.expect("in time") } else { inner.await };
                body(after, log).await
            }, &actions)
        };
        prop_assert_eq!(run(true), run(false));
    }

    /// A timeout of zero polls once: what is ready then is the value, what is not is `Elapsed` when its shields close.
    #[test]
    fn law_a_timeout_of_zero_polls_once(suspensions in 0..4usize, shield in any::<bool>()) {
        let outcome = Rc::new(RefCell::new(None));
        let told = outcome.clone();
        to_its_end(|_| async move {
            let work = async move {
                for _ in 0..suspensions {
                    suspend().await;
                }
                7
            };
            let timed = async move { if shield { shielded(work).await } else { work.await } };
            *told.borrow_mut() = Some(timeout_with(ready(()), timed).await);
            0
        }, &[]);
        let expected = if suspensions == 0 || shield { Ok(7) } else { Err(Elapsed::new()) };
        prop_assert_eq!(outcome.take(), Some(expected));
    }

    /// Nested deadlines are decided from the inside out: the innermost that has passed gives the error.
    #[test]
    fn law_nested_deadlines_are_decided_from_the_inside_out(passed in prop::collection::vec(any::<bool>(), 1..6)) {
        // The outermost first.
        fn nest(passed: &[bool], failed: Rc<RefCell<Vec<usize>>>, level: usize) -> Boxed<()> {
            let Some((first, inner)) = passed.split_first() else { return Box::pin(pending()) };
            let (first, inner) = (*first, nest(inner, failed.clone(), level + 1));
            let timer = poll_fn(move |_| if first { Poll::Ready(()) } else { Poll::Pending });
            Box::pin(async move {
                if timeout_with(timer, inner).await.is_err() {
                    failed.borrow_mut().push(level);
                }
            })
        }
        let failed = Rc::new(RefCell::new(Vec::new()));
        let mut task = Box::pin(ShieldableTask::new(nest(&passed, failed.clone(), 0)));
        let ended = poll(task.as_mut()).is_ready();
        let innermost = passed.iter().rposition(|passed| *passed);
        prop_assert_eq!(ended, innermost.is_some());
        prop_assert_eq!(failed.take(), innermost.into_iter().collect::<Vec<_>>());
    }

    /// Of nested scopes the one that is cancelled gives the error, and those around it go on.
    /// cats-effect: a `poll` inside `uncancelable` is cancelable by its own region alone.
    #[test]
    fn law_the_cancelled_scope_alone_gives_the_error(
        depth in 1..6usize, which in any::<prop::sample::Index>(), shield in any::<bool>(),
    ) {
        type Shared<T> = Rc<RefCell<Vec<T>>>;
        fn nest(level: usize, depth: usize, handles: Shared<CancelHandle>, errors: Shared<usize>) -> Boxed<()> {
            Box::pin(async move {
                if level == depth {
                    return pending().await;
                }
                let scope = CancelScope::new(nest(level + 1, depth, handles.clone(), errors.clone()));
                handles.borrow_mut().push(scope.handle());
                if scope.await.is_err() {
                    errors.borrow_mut().push(level);
                }
            })
        }
        let (handles, errors) = (Rc::default(), Rc::default());
        let nested = nest(0, depth, Rc::clone(&handles), Rc::clone(&errors));
        // A shield around all of them bounds none.
        let body = async move { if shield { shielded(nested).await } else { nested.await } };
        let mut task = Box::pin(ShieldableTask::new(body));
        prop_assert!(poll(task.as_mut()).is_pending());
        let which = which.index(depth);
        let cancelled = handles.borrow()[which].clone();
        prop_assert!(cancelled.cancel());
        prop_assert_eq!(poll(task.as_mut()), Poll::Ready(Ok(())));
        prop_assert_eq!(errors.take(), vec![which]);
        prop_assert!(handles.borrow().iter().all(CancelHandle::is_finished));
    }

    /// An inner scope never leaks: whatever becomes of it, the task around it has its own requests, shields and place.
    #[test]
    fn law_an_inner_scope_never_leaks(
        kind in 0..3u8, steps in steps(), requests in prop::collection::vec(0..8usize, 0..4), guards in 0..3usize,
    ) {
        // Requests to oneself are the task's.
        fn quiet(steps: Vec<Step>) -> Vec<Step> {
            let quiet_step = |step| match step {
                Step::CancelSelf | Step::Ask => Step::Suspend,
                Step::Guarded(inner) => Step::Guarded(quiet(inner)),
                Step::Shielded(inner) => Step::Shielded(quiet(inner)),
                step => step,
            };
            steps.into_iter().map(quiet_step).collect()
        }
        let steps = quiet(steps);
        let outcome = to_its_end(|log| async move {
            let me = TaskHandle::current();
            let shields: Vec<_> = (0..guards).map(|_| shield_scope()).collect();
            let inner = body(steps, log);
            let mut polls = 0;
            let cancelling = |handle: CancelHandle, requests: Vec<usize>| move || {
                requests.iter().filter(|at| **at == polls).for_each(|_| _ = handle.cancel());
                polls += 1;
            };
            match kind {
                0 => {
                    let scope = CancelScope::new(inner);
                    let mut cancel = cancelling(scope.handle(), requests);
                    let mut scope = Box::pin(scope);
                    poll_fn(|cx| { cancel(); scope.as_mut().poll(cx).map(drop) }).await;
                }
                1 => {
                    let task = ShieldableTask::new(inner);
                    let mut cancel = cancelling(task.handle().into(), requests);
                    let mut task = Box::pin(task);
                    poll_fn(|cx| { cancel(); task.as_mut().poll(cx).map(drop) }).await;
                }
                _ => {
                    let mut left = requests.first().copied().unwrap_or(9);
                    let timer = poll_fn(move |_| if left == 0 { Poll::Ready(()) } else { left -= 1; Poll::Pending });
                    _ = timeout_with(timer, inner).await;
                }
            }
            assert_eq!(TaskHandle::current(), me);
            assert_eq!((me.cancelling(), cancel_pending()), (0, false));
            assert_eq!(is_shielded(), guards > 0);
            drop(shields);
            assert!(!is_shielded());
            suspend().await;
            7
        }, &[]);
        prop_assert_eq!(outcome, Some(Ok(7)));
    }

    /// `cancel_pending` says whether a checkpoint suspends here, and whether a suspension here is the last.
    #[test]
    fn law_cancel_pending_foretells_what_a_suspension_does(
        frames in prop::collection::vec((0..3u8, 0..3usize, 0..2usize), 0..5),
    ) {
        // The outermost first; each with requests and shields of its own.
        fn nest(frames: &[(u8, usize, usize)], innermost: Boxed<()>) -> Boxed<()> {
            let Some((&(kind, requests, shields), inner)) = frames.split_first() else { return innermost };
            let inner = nest(inner, innermost);
            let handle = Rc::new(OnceCell::<CancelHandle>::new());
            let own = handle.clone();
            let body = async move {
                let _shields: Vec<_> = (0..shields).map(|_| shield_scope()).collect();
                // A timeout has no handle.
                (0..requests).for_each(|_| _ = own.get().map(CancelHandle::cancel));
                inner.await;
            };
            match kind {
                0 => {
                    let task = ShieldableTask::new(body);
                    handle.set(task.handle().into()).expect("once");
                    Box::pin(async { _ = task.await })
                }
                1 => {
                    let scope = CancelScope::new(body);
                    handle.set(scope.handle()).expect("once");
                    Box::pin(async { _ = scope.await })
                }
                _ => Box::pin(async { _ = timeout_with(pending::<()>(), body).await }),
            }
        }
        let (log, told) = (Log::default(), Rc::new(Cell::new(None)));
        let (dropped, tells) = (OnDrop(log.clone(), 0), told.clone());
        let mut outermost = nest(&frames, Box::pin(async move {
            let _dropped = dropped;
            let pending = cancel_pending();
            tells.set(Some((pending, poll(pin!(checkpoint())).is_pending())));
            suspend().await;
        }));
        _ = poll(outermost.as_mut());
        let was_the_last = log.notes() == [0];
        prop_assert_eq!(told.get(), Some((was_the_last, was_the_last)));
    }

    /// A wrapper that is polled after its end panics, and that changes nothing, here or around it.
    #[test]
    fn law_a_poll_after_the_end_panics_and_changes_nothing(
        kind in 0..3u8, suspensions in 0..3usize, end in end(), guards in 0..3usize, polls in 1..4usize,
    ) {
        let outcome = to_its_end(|log| async move {
            let me = TaskHandle::current();
            let left = Rc::default();
            let (leaves, notes) = (Leaves(guards, Rc::clone(&left)), log.clone());
            let inner = async move {
                let _leaves = leaves;
                for _ in 0..suspensions {
                    suspend().await;
                }
                notes.note(1);
                match end {
                    End::Value => {}
                    End::Panic => std::panic::resume_unwind(Box::new(())),
                    End::Never => pending().await,
                }
            };
            let late = Rc::new(Cell::new(false));
            let passed = late.clone();
            let (mut wrapper, handle): (Boxed<()>, Option<CancelHandle>) = match kind {
                0 => {
                    let mut task = Box::pin(ShieldableTask::new(inner));
                    let handle = task.handle().into();
                    (Box::pin(poll_fn(move |cx| task.as_mut().poll(cx).map(drop))), Some(handle))
                }
                1 => {
                    let mut scope = Box::pin(CancelScope::new(inner));
                    let handle = scope.handle();
                    (Box::pin(poll_fn(move |cx| scope.as_mut().poll(cx).map(drop))), Some(handle))
                }
                _ => {
                    let timer = poll_fn(move |_| if passed.get() { Poll::Ready(()) } else { Poll::Pending });
                    let mut timeout = Box::pin(timeout_with(timer, inner));
                    (Box::pin(poll_fn(move |cx| timeout.as_mut().poll(cx).map(drop))), None)
                }
            };
            let mut ended = false;
            while !ended {
                let panicked = panics(|| ended = poll(wrapper.as_mut()).is_ready());
                ended |= panicked;
                if end == End::Never && !ended {
                    late.set(true);
                    handle.as_ref().map(CancelHandle::cancel);
                }
            }
            let tell = || {
                let it = handle.as_ref().map(|it| (it.cancelling(), it.is_finished(), it.is_shielded(), it.was_torn()));
                (it, TaskHandle::current() == me, me.cancelling(), is_shielded(), cancel_pending(), log.notes())
            };
            let told = tell();
            for _ in 0..polls {
                assert!(panics(|| poll(wrapper.as_mut())));
                assert_eq!(tell(), told);
            }
            // What was left behind shields the task, and is still there to do so.
            drop(wrapper);
            assert_eq!((left.borrow().len(), is_shielded()), (guards, guards > 0));
            left.borrow_mut().clear();
            assert!(!is_shielded());
            7
        }, &[]);
        prop_assert_eq!(outcome, Some(Ok(7)));
    }

    /// Awaiting a task does not delegate: cancelling the one who awaits leaves the awaited one as it was.
    #[test]
    fn law_cancelling_the_one_who_awaits_leaves_the_awaited_alone(requests in 1..4usize, polls in 1..4usize) {
        let awaited = Rc::new(RefCell::new(Box::pin(ShieldableTask::new(pending::<()>()))));
        let handle = awaited.borrow().handle();
        let theirs = awaited.clone();
        let mut awaiting = Box::pin(ShieldableTask::new(poll_fn(move |cx| theirs.borrow_mut().as_mut().poll(cx))));
        for _ in 0..polls {
            prop_assert!(poll(awaiting.as_mut()).is_pending());
        }
        for _ in 0..requests {
            awaiting.handle().cancel();
        }
        prop_assert!(matches!(poll(awaiting.as_mut()), Poll::Ready(Err(_))));
        prop_assert_eq!((handle.cancelling(), handle.is_finished()), (0, false));
        prop_assert!(poll(awaited.borrow_mut().as_mut()).is_pending());
    }
}

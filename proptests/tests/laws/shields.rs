//! Laws of shields.

use std::cell::{Cell, RefCell};
use std::future::{poll_fn, ready};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use proptest::prelude::*;
use shieldable::{CancelScope, ShieldableTask, TaskHandle, is_shielded, shield_scope, shielded};

use crate::support::*;

proptest! {
    #![proptest_config(config())]

    /// Nested shields are one shield: `n` guards opened together and closed together defer what one defers.
    #[test]
    fn law_nested_shields_are_one_shield(inner in steps(), after in steps(), actions in actions(), n in 1..5usize) {
        let with = |n: usize| {
            let (inner, after) = (inner.clone(), after.clone());
            observe(|log| async move {
                let shields: Vec<_> = (0..n).map(|_| shield_scope()).collect();
                body(inner, log.clone()).await;
                drop(shields);
                body(after, log).await
            }, &actions)
        };
        prop_assert_eq!(with(n), with(1));
    }

    /// `shielded(shielded(f)) = shielded(f)`. cats-effect: `uncancelableIgnoredPollEliminatesNesting`.
    #[test]
    fn law_shielding_is_idempotent(inner in steps(), after in steps(), actions in actions()) {
        let run = |twice: bool| {
            let (inner, after) = (inner.clone(), after.clone());
            observe(|log| async move {
                let inner = shielded(body(inner, log.clone()));
                if twice { shielded(inner).await } else { inner.await };
                body(after, log).await
            }, &actions)
        };
        prop_assert_eq!(run(true), run(false));
    }

    /// `shielded(f)` is a guard around `f`.
    #[test]
    fn law_shielded_is_a_guard_around_the_future(inner in steps(), after in steps(), actions in actions()) {
        let combinator = observe(|log| async {
            shielded(body(inner.clone(), log.clone())).await;
            body(after.clone(), log).await
        }, &actions);
        let guard = observe(|log| async {
            let shield = shield_scope();
            body(inner.clone(), log.clone()).await;
            drop(shield);
            body(after.clone(), log).await
        }, &actions);
        prop_assert_eq!(combinator, guard);
    }

    /// A shield around a completed future is the identity, also with a request pending.
    #[test]
    fn law_a_shield_around_a_completed_future_is_the_identity(
        before in steps(), after in steps(), actions in actions(), value in 0..9u8,
    ) {
        let run = |wrapped: bool| {
            let (before, after) = (before.clone(), after.clone());
            observe(|log| async move {
                body(before, log.clone()).await;
                log.note(if wrapped { shielded(ready(value)).await } else { ready(value).await });
                body(after, log).await
            }, &actions)
        };
        prop_assert_eq!(run(true), run(false));
    }

    /// Opening a shield and closing it again is nothing.
    #[test]
    fn law_a_shield_around_nothing_is_nothing(before in steps(), after in steps(), actions in actions()) {
        let run = |with: bool| {
            let (before, after) = (before.clone(), after.clone());
            observe(|log| async move {
                body(before, log.clone()).await;
                if with {
                    drop(shield_scope());
                }
                body(after, log).await
            }, &actions)
        };
        prop_assert_eq!(run(true), run(false));
    }

    /// Guards close in any order: the shield holds until the last of them, whichever that is.
    #[test]
    fn law_the_order_in_which_guards_close_does_not_matter(
        order in Just((0..6usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let outcome = to_its_end(|_| async move {
            let mut shields: Vec<_> = order.iter().map(|_| Some(shield_scope())).collect();
            TaskHandle::current().cancel();
            for at in order {
                assert!(is_shielded());
                suspend().await;
                shields[at] = None;
            }
            assert!(!is_shielded());
            7
        }, &[]);
        prop_assert_eq!(outcome, Some(Ok(7)));
    }

    /// A guard that is dropped in a poll of its scope, however deep inside, wakes nobody; one that is dropped elsewhere
    /// wakes, the last or not.
    #[test]
    fn law_a_guard_wakes_if_it_is_dropped_elsewhere(
        order in (1..6usize).prop_flat_map(|n| Just((0..n).collect::<Vec<_>>()).prop_shuffle()),
        places in prop::collection::vec(0..6u8, 5), requested in any::<bool>(),
    ) {
        let (wakes, guards) = (Arc::<Wakes>::default(), Rc::new(RefCell::new(Vec::new())));
        let inside = Rc::new(Cell::new(None));
        let (n, opened, to_drop) = (order.len(), guards.clone(), inside.clone());
        let mut task = Box::pin(ShieldableTask::new(async move {
            opened.borrow_mut().extend((0..n).map(|_| Some(shield_scope())));
            poll_fn(move |_| {
                match to_drop.take() {
                    Some((0, guard)) => drop(guard),
                    Some((1, guard)) => assert!(poll(pin!(CancelScope::new(async { drop(guard) }))).is_ready()),
                    Some((_, guard)) => assert!(poll(pin!(ShieldableTask::new(async { drop(guard) }))).is_ready()),
                    None => {}
                }
                Poll::<()>::Pending
            }).await;
        }));
        let handle = task.handle();
        prop_assert!(poll_with(task.as_mut(), &wakes).is_pending());
        if requested {
            handle.cancel();
        }
        for (at, place) in order.into_iter().zip(places) {
            // A waker is registered again, which the guard before this has called.
            prop_assert!(poll_with(task.as_mut(), &wakes).is_pending() && handle.is_shielded());
            let guard = guards.borrow_mut()[at].take().expect("each once");
            let woken = wakes.count();
            match place {
                0..3 => {
                    inside.set(Some((place, guard)));
                    _ = poll_with(task.as_mut(), &wakes);
                }
                3 => drop(guard),
                4 => std::thread::spawn(move || drop(guard)).join().expect("no panic"),
                _ => assert!(poll(pin!(ShieldableTask::new(async { drop(guard) }))).is_ready()),
            }
            prop_assert_eq!(wakes.count() - woken, usize::from(place >= 3));
        }
        prop_assert!(!handle.is_shielded());
        prop_assert!(handle.is_finished() || poll(task.as_mut()).is_ready() == requested);
    }

    /// A request made inside a shield is one made at its end.
    /// cats-effect: `uncancelableCanceledAssociatesRightOverFlatMap`.
    #[test]
    fn law_a_request_inside_a_shield_is_one_at_its_end(
        inner in prop::collection::vec(prop_oneof![(0..9u8).prop_map(Step::Note), Just(Step::Suspend)], 0..6),
        after in steps(), first in any::<bool>(),
    ) {
        let run = |first: bool| {
            let (inner, after) = (inner.clone(), after.clone());
            observe_but_counts(|log| async move {
                let shield = shield_scope();
                if first {
                    TaskHandle::current().cancel();
                }
                for step in inner {
                    body(vec![step], log.clone()).await;
                }
                if !first {
                    TaskHandle::current().cancel();
                }
                drop(shield);
                body(after, log).await
            }, &[Action::Poll; 24])
        };
        // What the handle counts meanwhile differs, nothing else.
        let visible = |mut seen: Vec<Seen>| {
            seen.retain(|seen| !matches!(seen, Seen::Handle { .. }));
            seen
        };
        prop_assert_eq!(visible(run(first)), visible(run(!first)));
    }

    /// Under a shield no destructor runs for a request, whenever it comes.
    /// cats-effect: `onCancelAssociatesOverUncancelableBoundary`.
    #[test]
    fn law_under_a_shield_no_destructor_runs_for_a_request(inner in steps(), actions in polls_and_cancels()) {
        let mut actions = actions;
        actions.insert(0, Action::Poll);
        let seen = observe(|log| async {
            let shield = shield_scope();
            let value = body(inner.clone(), log).await;
            drop(shield);
            value
        }, &actions);
        // The body is torn only by the end of the test, which is not in the log any more.
        prop_assert!(!seen.contains(&Seen::Torn), "{:?}", seen);
    }

    /// Tasks inherit neither shields nor requests. cats-effect: `uncancelableStartIsCancelable`.
    #[test]
    fn law_children_inherit_neither_shields_nor_requests(
        guards in 0..4usize, requests in 0..4usize, polls in 0..3usize,
    ) {
        let mut child = None;
        let outcome = to_its_end(|_| {
            let child = &mut child;
            async move {
                let _shields: Vec<_> = (0..guards).map(|_| shield_scope()).collect();
                for _ in 0..requests {
                    TaskHandle::current().cancel();
                }
                let task = Box::pin(ShieldableTask::new(async {
                    loop {
                        assert!(!is_shielded());
                        suspend().await;
                    }
                }));
                assert_eq!((task.handle().cancelling(), task.handle().is_shielded()), (0, false));
                *child = Some(task);
                0
            }
        }, &[]);
        prop_assert_eq!(outcome, Some(Ok(0)));
        let mut child = pin!(child.expect("made"));
        for _ in 0..polls {
            prop_assert!(poll(child.as_mut()).is_pending());
        }
        child.handle().cancel();
        prop_assert!(matches!(poll(child.as_mut()), Poll::Ready(Err(_))));
    }
}

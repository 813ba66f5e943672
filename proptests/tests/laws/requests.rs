//! Laws of requests and values.

use std::cell::Cell;
use std::future::pending;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use proptest::prelude::*;
use shieldable::{CancelScope, Cancelled, ShieldableTask, TaskHandle, shield_scope, shielded};

use crate::support::*;

proptest! {
    #![proptest_config(config())]

    /// Cancelling twice is cancelling once.
    #[test]
    fn law_cancel_twice_is_cancel_once(steps in steps(), actions in polls_and_cancels(), n in 2..5usize) {
        let repeated: Vec<Action> = actions.iter().flat_map(|action| match action {
            Action::Cancel => vec![Action::Cancel; n],
            action => vec![*action],
        }).collect();
        let once = observe_but_counts(|log| body(steps.clone(), log), &actions);
        prop_assert_eq!(observe_but_counts(|log| body(steps.clone(), log), &repeated), once);
    }

    /// Cancelling and taking it back is nothing, wherever and however often it is done.
    #[test]
    fn law_cancel_then_uncancel_is_nothing(
        steps in steps(), actions in actions(), at in any::<prop::sample::Index>(), n in 1..4usize,
    ) {
        let mut more = actions.clone();
        let at = at.index(actions.len() + 1);
        more.splice(at..at, std::iter::repeat_n(Action::Cancel, n).chain(std::iter::repeat_n(Action::Uncancel, n)));
        let seen = observe(|log| body(steps.clone(), log), &more);
        let expected = observe(|log| body(steps.clone(), log), &actions);
        // What the additional actions themselves returned, and what the handle said then.
        let extra = seen.len() - expected.len();
        prop_assert!(extra == 0 || extra == 4 * n);
        let from = seen.iter().zip(&expected).take_while(|(a, b)| a == b).count();
        // What was inserted may look like what follows it.
        let fits = (0..=from).rev().any(|from| {
            let mut without = seen.clone();
            without.drain(from..from + extra);
            without == expected
        });
        prop_assert!(fits, "{:?} is not {:?} and something more", seen, expected);
    }

    /// Taking back what nobody asked for is nothing.
    #[test]
    fn law_uncancel_of_no_request_is_nothing(steps in steps(), n in 1..4usize) {
        let polls = [Action::Poll; 8];
        let taken_back = std::iter::repeat_n(Action::Uncancel, n).chain(polls).collect::<Vec<_>>();
        let expected = observe_but_counts(|log| body(steps.clone(), log), &polls);
        let mut seen = observe_but_counts(|log| body(steps.clone(), log), &taken_back);
        // What the handle said before the first poll.
        let told = seen.remove(0);
        prop_assert_eq!(told, Seen::Handle { cancelling: 0, finished: false, shielded: false, torn: false });
        prop_assert_eq!(seen, expected);
    }

    /// Each `uncancel` takes back one request, if there is one, and wakes nobody; what is left is delivered.
    #[test]
    fn law_uncancel_takes_back_one_and_wakes_nobody(
        actions in prop::collection::vec(
            prop_oneof![Just(Action::Poll), Just(Action::Cancel), Just(Action::Uncancel)], 0..24,
        ),
    ) {
        let wakes = Arc::<Wakes>::default();
        let shield = Rc::new(Cell::new(None));
        let opened = shield.clone();
        let mut task = Box::pin(ShieldableTask::new(async move {
            opened.set(Some(shield_scope()));
            pending::<()>().await
        }));
        let handle = task.handle();
        prop_assert!(poll_with(task.as_mut(), &wakes).is_pending());
        let mut requests = 0usize;
        for action in actions {
            match action {
                // A waker is registered again, which a request before this has called.
                Action::Poll => prop_assert!(poll_with(task.as_mut(), &wakes).is_pending()),
                Action::Cancel => {
                    prop_assert!(handle.cancel());
                    requests += 1;
                }
                Action::Uncancel => {
                    let woken = wakes.count();
                    requests = requests.saturating_sub(1);
                    prop_assert_eq!(handle.uncancel(), requests);
                    prop_assert_eq!(wakes.count(), woken);
                }
            }
            prop_assert_eq!(handle.cancelling(), requests);
        }
        drop(shield.take());
        prop_assert_eq!(poll(task.as_mut()).is_ready(), requests > 0);
    }

    /// After its end nothing that is asked of a task changes anything.
    #[test]
    fn law_requests_after_the_end_are_nothing(steps in steps(), actions in actions(), n in 1..4usize) {
        let log = Log::default();
        let task = ShieldableTask::new(body(steps, log.clone()));
        let handle = task.handle();
        let mut task = Box::pin(task);
        for action in actions.into_iter().chain([Action::Poll; 32]) {
            if handle.is_finished() {
                break;
            }
            match action {
                Action::Poll => _ = poll(task.as_mut()),
                Action::Cancel => _ = handle.cancel(),
                Action::Uncancel => _ = handle.uncancel(),
            }
        }
        let told = || (handle.cancelling(), handle.is_finished(), handle.is_shielded(), handle.was_torn());
        let before = told();
        for _ in 0..n {
            prop_assert!(!handle.cancel());
            prop_assert_eq!(handle.uncancel(), before.0);
            prop_assert_eq!(told(), before);
        }
    }

    /// A request before the first poll leaves nothing of the body to run, shielded or not.
    #[test]
    fn law_a_task_cancelled_before_its_first_poll_never_runs(
        steps in steps(), wrapped in any::<bool>(), n in 1..4usize,
    ) {
        let mut actions = vec![Action::Cancel; n];
        actions.push(Action::Poll);
        let seen = observe(|log| async {
            if wrapped { shielded(body(steps.clone(), log)).await } else { body(steps.clone(), log).await }
        }, &actions);
        let polled = seen.into_iter().filter(|seen| !matches!(seen, Seen::Handle { .. } | Seen::Cancelled(true)));
        prop_assert_eq!(polled.collect::<Vec<_>>(), vec![Seen::Polled(Poll::Ready(Err(Cancelled::new())))]);
    }

    /// A body that never suspends gives its value, whatever is asked meanwhile.
    #[test]
    fn law_a_body_that_never_suspends_cannot_be_cancelled(
        notes in prop::collection::vec(prop_oneof![(0..9u8).prop_map(Step::Note), Just(Step::CancelSelf)], 0..8),
    ) {
        let outcome = to_its_end(|log| body(notes.clone(), log), &[]);
        prop_assert!(matches!(outcome, Some(Ok(_))));
    }

    /// A value survives the end of the shield that it was made in, whatever was asked meanwhile.
    #[test]
    fn law_the_value_survives_the_end_of_the_shield(
        inner in steps(), actions in polls_and_cancels(), guard in any::<bool>(),
    ) {
        let mut actions = actions;
        actions.insert(0, Action::Poll);
        let outcome = to_its_end(|log| async {
            if guard {
                let _shield = shield_scope();
                body(inner.clone(), log).await
            } else {
                shielded(body(inner.clone(), log)).await
            }
        }, &actions);
        prop_assert!(matches!(outcome, Some(Ok(_))), "{:?}", outcome);
    }

    /// Once a request has been delivered nothing of the body runs. cats-effect: `canceledUnitFlatMap`.
    #[test]
    fn law_nothing_runs_after_a_delivery(before in steps(), after in steps()) {
        let run = |after: Vec<Step>| {
            observe(|log| async {
                body(before.clone(), log.clone()).await;
                TaskHandle::current().cancel();
                suspend().await;
                body(after, log).await
            }, &[Action::Poll; 32])
        };
        prop_assert_eq!(run(after), run(Vec::new()));
    }

    /// A panic passes through every wrapper, unmasked by a request, and leaves no shield and no frame behind.
    #[test]
    fn law_a_panic_passes_through_every_wrapper(
        wraps in prop::collection::vec(0..3u8, 0..5), requested in any::<bool>(),
    ) {
        let mut future: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move {
            if requested {
                TaskHandle::current().cancel();
            }
            std::panic::resume_unwind(Box::new(17u8));
        });
        for wrap in wraps {
            future = match wrap {
                0 => Box::pin(shielded(future)),
                1 => Box::pin(async { _ = CancelScope::new(future).await }),
                _ => Box::pin(async { _ = ShieldableTask::new(future).await }),
            };
        }
        let task = ShieldableTask::new(future);
        let handle = task.handle();
        let mut task = Box::pin(task);
        prop_assert!(panics(|| poll(task.as_mut())));
        prop_assert!(!handle.is_finished() && TaskHandle::try_current().is_none());
        drop(task);
        prop_assert!(handle.is_finished() && !handle.is_shielded() && !handle.was_torn());
    }
}

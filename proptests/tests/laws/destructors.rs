//! Laws of destructors.

use std::pin::{Pin, pin};
use std::task::Poll;

use proptest::prelude::*;
use shieldable::{CancelScope, ShieldScope, ShieldableTask, TaskHandle, shield_scope};

use crate::support::*;

/// What a destructor may ask for.
#[derive(Clone, Copy, Debug)]
enum Asks {
    Cancel,
    Uncancel,
    /// A shield, open until the destructor is over.
    Shield,
}

fn asks() -> impl Strategy<Value = Vec<Asks>> {
    prop::collection::vec(prop_oneof![Just(Asks::Cancel), Just(Asks::Uncancel), Just(Asks::Shield)], 0..6)
}

/// Asks when it is dropped, and then writes its note.
struct Asking(Vec<Asks>, #[expect(dead_code, reason = "held to be dropped")] OnDrop);

impl Drop for Asking {
    fn drop(&mut self) {
        let mut shields: Vec<ShieldScope> = Vec::new();
        for asks in &self.0 {
            match asks {
                Asks::Cancel => assert!(TaskHandle::current().cancel()),
                Asks::Uncancel => _ = TaskHandle::current().uncancel(),
                Asks::Shield => shields.push(shield_scope()),
            }
        }
    }
}

proptest! {
    #![proptest_config(config())]

    /// Destructors run from the inside out, each once. cats-effect: `canceledSequencesOnCancelInOrder`.
    #[test]
    fn law_destructors_run_from_the_inside_out(depth in 1..6u8, scopes in any::<u8>()) {
        fn nest(log: Log, level: u8, depth: u8, scopes: u8) -> Pin<Box<dyn Future<Output = ()>>> {
            Box::pin(async move {
                let _fin = OnDrop(log.clone(), level);
                if level + 1 == depth {
                    suspend().await;
                } else if scopes & (1 << level) != 0 {
                    _ = CancelScope::new(nest(log, level + 1, depth, scopes)).await;
                } else {
                    nest(log, level + 1, depth, scopes).await;
                }
            })
        }
        let log = Log::default();
        let mut task = pin!(ShieldableTask::new(nest(log.clone(), 0, depth, scopes)));
        prop_assert!(poll(task.as_mut()).is_pending());
        task.handle().cancel();
        prop_assert!(matches!(poll(task.as_mut()), Poll::Ready(Err(_))));
        prop_assert_eq!(log.notes(), (0..depth).rev().collect::<Vec<_>>());
    }

    /// However a task ends, what it owns is dropped once, before its handle says finished and not after.
    /// cats-effect: `guaranteeIsGuaranteeCase`.
    #[test]
    fn law_destructors_run_once_however_a_task_ends(
        steps in steps(), actions in actions(), end in end(),
    ) {
        const DROPPED: u8 = 200;
        let log = Log::default();
        let dropped = || log.notes().iter().filter(|note| **note == DROPPED).count();
        let owned = OnDrop(log.clone(), DROPPED);
        let mut task = Box::pin(ShieldableTask::new({
            let log = log.clone();
            async move {
                let _owned = owned;
                body(steps, log).await;
                match end {
                    End::Value => {}
                    End::Panic => std::panic::resume_unwind(Box::new(())),
                    End::Never => std::future::pending().await,
                }
            }
        }));
        let handle = task.handle();
        let mut panicked = false;
        for action in actions {
            match action {
                Action::Poll => panicked = panics(|| _ = poll(task.as_mut())),
                Action::Cancel => _ = handle.cancel(),
                Action::Uncancel => _ = handle.uncancel(),
            }
            if handle.is_finished() || panicked {
                break;
            }
            prop_assert_eq!(dropped(), 0);
        }
        prop_assert_eq!(dropped(), usize::from(handle.is_finished() || panicked));
        drop(task);
        prop_assert_eq!((dropped(), handle.is_finished()), (1, true));
    }

    /// Whatever a destructor asks for, it neither revokes its delivery nor defers it. cats-effect:
    /// `uncancelableFinalizers`.
    #[test]
    fn law_a_destructor_neither_revokes_nor_defers(steps in steps(), asks in asks(), actions in actions()) {
        let mut actions = actions;
        actions.extend([Action::Cancel, Action::Poll, Action::Cancel, Action::Poll]);
        let run = |asks: Vec<Asks>| observe(|log| {
            let asking = Asking(asks, OnDrop(log.clone(), 200));
            let steps = steps.clone();
            async move {
                let _asking = asking;
                body(steps, log).await;
                std::future::pending().await
            }
        }, &actions);
        prop_assert_eq!(run(asks), run(Vec::new()));
    }
}

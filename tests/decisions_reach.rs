//! Whom a shield does not reach, what no shield can do, and misuse.

mod support;

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use shieldable::{
    CancelHandle, CancelScope, NoCurrentScope, ShieldableTask, TaskHandle, cancel_pending, checkpoint, is_shielded,
    shield_scope, shielded, try_shield_scope,
};
use support::{Driven, Log, OnDrop, Slot, panic_text, suspend};

// Shields are not inherited.

/// SCP-2: the current scope of a body is its own in every poll, and none of it is left behind.
#[test]
fn a_scope_is_current_while_it_is_polled_and_at_no_other_time() {
    let first = ShieldableTask::named("first", async {
        for _ in 0..2 {
            assert_eq!(TaskHandle::current().name(), Some("first"));
            suspend().await;
        }
    });
    let second = ShieldableTask::named(
        "second",
        poll_fn(|_| {
            assert_eq!(TaskHandle::current().name(), Some("second"));
            Poll::<()>::Pending
        }),
    );
    let (mut first, mut second) = (Driven::new(first), Driven::new(second));
    for _ in 0..2 {
        first.suspends();
        assert!(try_shield_scope().is_err());
        second.suspends();
        assert!(TaskHandle::try_current().is_none());
    }
}

/// TSK-1: the branches of a `join!` are the task.
#[test]
fn a_guard_in_one_branch_of_a_join_shields_the_whole_task() {
    let log = Log::new();
    let task = ShieldableTask::new({
        let log = log.clone();
        async move {
            tokio::join!(
                async {
                    let _shield = shield_scope();
                    suspend().await;
                },
                async {
                    suspend().await;
                    log.note("the sibling went on");
                },
            );
            suspend().await;
        }
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    handle.cancel();
    assert!(task.finishes().is_err());
    log.assert(&["the sibling went on"]);
}

/// TSK-1: unless a branch is a task itself.
#[test]
fn a_task_inside_a_task_is_current_for_what_it_polls() {
    let outer = ShieldableTask::named("outer", async {
        let inner = ShieldableTask::named("inner", async {
            assert_eq!(TaskHandle::current().name(), Some("inner"));
            CancelScope::new(async { assert_eq!(TaskHandle::current().name(), Some("inner")) }).await
        });
        assert_eq!(inner.await, Ok(Ok(())));
        assert_eq!(TaskHandle::current().name(), Some("outer"));
    });
    assert_eq!(Driven::new(outer).finishes(), Ok(()));
}

/// TSK-1
#[test]
fn an_executor_driven_inside_a_poll_runs_as_that_task() {
    let task = ShieldableTask::named("around", async {
        let runtime = tokio::task::LocalSet::new();
        runtime.spawn_local(async {
            assert_eq!(TaskHandle::current().name(), Some("around"));
            let _shield = shield_scope();
        });
        runtime.await;
    });
    let handle = task.handle();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(task), Ok(()));
    assert!(!handle.is_shielded());
}

/// TSK-1: a nested `block_on`.
#[test]
fn a_nested_block_on_runs_as_the_task_around_it() {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    fn block_on<F: Future>(future: F) -> F::Output {
        let mut future = pin!(future);
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        loop {
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(value) => return value,
                Poll::Pending => thread::park(),
            }
        }
    }

    let task =
        ShieldableTask::named("around", async { block_on(async { TaskHandle::current().name().map(str::to_owned) }) });
    assert_eq!(block_on(task), Ok(Some("around".to_owned())));
}

// Hard drops cannot be shielded.

/// SCP-9, SCP-10
#[test]
fn a_hard_drop_out_of_an_open_shield_is_seen_on_the_handle() {
    let task = ShieldableTask::new(shielded(pending::<()>()));
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    assert!(!handle.was_torn());
    drop(task);
    assert!(handle.is_finished());
    assert!(handle.was_torn());
    assert!(!handle.cancel());
}

/// SCP-10
#[test]
fn an_end_in_any_other_way_is_not_torn() {
    let mut ends: Vec<TaskHandle> = Vec::new();
    let mut task = |body: fn() -> std::pin::Pin<Box<dyn Future<Output = ()>>>| {
        let task = ShieldableTask::new(body());
        ends.push(task.handle());
        (Driven::new(task), ends.last().unwrap().clone())
    };

    let (value, _) = &mut task(|| Box::pin(shielded(async {})));
    assert!(value.finishes().is_ok());
    let (cancelled, handle) = &mut task(|| Box::pin(pending()));
    cancelled.suspends();
    handle.cancel();
    assert!(cancelled.finishes().is_err());
    let (panicked, _) = &mut task(|| Box::pin(shielded(async { panic!("inside a shield") })));
    panicked.panics();
    let (mut unshielded, _) = task(|| Box::pin(pending()));
    unshielded.suspends();
    drop(unshielded);
    drop(task(|| Box::pin(shielded(pending()))));

    assert!(ends.iter().all(|handle| !handle.was_torn()));
}

/// SCP-10: a guard that was dropped elsewhere does not count any more.
#[test]
fn a_hard_drop_after_the_shield_was_closed_elsewhere_is_not_torn() {
    let guard = Slot::new();
    let task = ShieldableTask::new({
        let guard = guard.clone();
        async move {
            guard.put(shield_scope());
            pending::<()>().await;
        }
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    drop(guard.take());
    drop(task);
    assert!(!handle.was_torn());
}

/// SCP-4, SHD-10: dropped by hand, on a thread with no scope at all.
#[test]
fn a_destructor_run_by_a_hard_drop_finds_its_own_scope_current() {
    let log = Log::new();
    let task = ShieldableTask::new({
        let log = log.clone();
        async move {
            let own = TaskHandle::current();
            let _local = OnDrop(move || {
                let _shield = shield_scope();
                assert_eq!(TaskHandle::try_current().as_ref(), Some(&own));
                assert!(!is_shielded(), "nothing is left to defer");
                log.note("destructor");
            });
            pending::<()>().await;
        }
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    thread::scope(|threads| {
        threads.spawn(move || {
            drop(task);
            assert!(TaskHandle::try_current().is_none());
        });
    });
    log.assert(&["destructor"]);
    assert!(handle.is_finished());
}

/// SCP-4: also before the first poll, inside the poll of another task, and while the thread unwinds.
#[test]
fn the_scope_is_current_wherever_and_why_ever_its_body_is_dropped() {
    fn probe(log: &Log) -> ShieldableTask<impl Future<Output = ()> + use<>> {
        let log = log.clone();
        let argument = OnDrop(move || {
            assert_eq!(TaskHandle::current().name(), Some("probe"));
            log.note("dropped");
        });
        ShieldableTask::named("probe", async move {
            let _argument = argument;
            pending::<()>().await;
        })
    }
    let log = Log::new();
    drop(probe(&log));

    let mut polled = Box::pin(probe(&log));
    let mut other = Driven::new(ShieldableTask::named("other", {
        async move {
            poll_fn(|cx| polled.as_mut().poll(cx)).await.unwrap();
        }
    }));
    other.suspends();
    drop(other);

    let unwound = probe(&log);
    panic_text(move || {
        let _unwound = unwound;
        panic!("past a task");
    });
    log.assert(&["dropped", "dropped", "dropped"]);
}

/// SCP-9: the losing arm of a `select!` is a hard drop.
#[test]
fn the_losing_arm_of_a_select_is_torn_out_of_its_shield() {
    let torn = Slot::<CancelHandle>::new();
    let task = ShieldableTask::new({
        let torn = torn.clone();
        async move {
            let scope = CancelScope::new(shielded(pending::<()>()));
            torn.put(scope.handle());
            tokio::select! {
                biased;
                _ = scope => unreachable!(),
                () = async {} => {}
            }
        }
    });
    assert_eq!(Driven::new(task).finishes(), Ok(()));
    assert!(torn.take().was_torn());
}

// Nothing is a silent success.

/// SHD-10
#[test]
fn a_shield_outside_every_scope_is_refused() {
    let error: NoCurrentScope = try_shield_scope().unwrap_err();
    assert!(!error.to_string().is_empty());
    let text = panic_text(|| drop(shield_scope()));
    assert!(text.contains("ShieldableTask"), "the message says what to do: {text}");
}

/// SHD-10, SHD-11: futures panic at their first poll.
#[test]
fn shielded_outside_every_scope_panics_at_its_first_poll_and_not_before() {
    let log = Log::new();
    let mut work = Driven::new(shielded({
        let log = log.clone();
        async move { log.note("ran") }
    }));
    let text = work.panics();
    assert!(text.contains("ShieldableTask"), "the message says what to do: {text}");
    log.assert(&[]);
}

/// TSK-3
#[test]
fn the_current_task_outside_every_task_is_refused() {
    assert!(TaskHandle::try_current().is_none());
    let text = panic_text(|| drop(TaskHandle::current()));
    assert!(text.contains("ShieldableTask"), "the message says what to do: {text}");
    let scope = CancelScope::new(async { TaskHandle::try_current().is_none() });
    assert_eq!(Driven::new(scope).finishes(), Ok(true), "a cancel scope is no task");
}

/// CHK-3, CHK-6
#[test]
fn queries_outside_every_scope_are_false_and_checkpoints_are_ready_however_many() {
    assert!(!is_shielded());
    assert!(!cancel_pending());
    let mut plain = Driven::new(async {
        for _ in 0..1000 {
            checkpoint().await;
        }
    });
    plain.finishes();
}

/// SHD-1, NST-1: enough to shield, against the requests of that scope only.
#[test]
fn a_cancel_scope_in_a_plain_task_can_be_shielded() {
    let scope = CancelScope::new(async {
        let _shield = shield_scope();
        assert!(is_shielded());
        suspend().await;
        7
    });
    let handle = scope.handle();
    let mut plain = Driven::new(async move {
        let value = scope.await;
        assert!(try_shield_scope().is_err());
        value
    });
    plain.suspends();
    handle.cancel();
    assert_eq!(plain.finishes(), Ok(7));
}

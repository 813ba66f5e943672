//! Shields: opened and closed in their own poll, and closed elsewhere.

use std::future::Future;
use std::sync::Arc;

use crate::common::*;

pub const MODELS: &[Model] = &[
    model!(cancel_races_a_shield_that_opens_and_closes:
        "cancelled before the shield", "cancelled after the shield", "a value"),
    model!(cancel_and_the_last_guard_dropped_elsewhere_race_the_poll: "at the first wake", "at the second wake"),
    model!(cancel_races_the_last_guard_dropped_on_another_thread:
        "the shield was closed first", "the request was made first")
    .bounded(3),
    model!(cancel_races_a_guard_dropped_elsewhere_while_the_waker_is_replaced:
        "the former waker was called", "it was not")
    .bounded(2),
    model!(work_under_a_shield_elsewhere_is_visible_to_the_delivery:
        "delivered in the poll that it raced with", "delivered afterwards"),
    model!(two_guards_are_dropped_on_two_threads: "delivered").bounded(3),
    model!(a_guard_dropped_elsewhere_races_completion: "dropped before the end", "dropped after the end"),
    model!(two_guards_dropped_elsewhere_race_completion: "a value").bounded(3),
    model!(a_handle_finds_no_shield_when_all_guards_are_gone: "a value").bounded(3),
    model!(a_guard_opened_while_another_is_dropped_elsewhere_still_holds:
        "held by the second shield", "delivered before the second shield"),
];

/// Fails the model if the body is dropped while `inside` is set.
fn not_inside(inside: &Flag) -> OnDrop<impl FnMut() + use<>> {
    let inside = inside.clone();
    OnDrop(move || assert!(!inside.is_set(), "dropped inside its shield"))
}

fn cancel_races_a_shield_that_opens_and_closes() {
    let task = ShieldableTask::new(async {
        let inside = Flag::default();
        let _checks = not_inside(&inside);
        let shield = shield_scope();
        inside.set();
        yield_once().await;
        inside.clear();
        drop(shield);
        yield_once().await;
    });
    let handle = task.handle();
    let canceller = spawn("canceller", move || call("cancel", || handle.cancel()));

    let Finished { output, polls, .. } = Runner::new("the task", task).finish_and_tell();
    saw(match (output.is_ok(), polls) {
        (true, 3) => "a value",
        (false, 1) => "cancelled before the shield",
        (false, 2 | 3) => "cancelled after the shield",
        other => panic!("unexpected: {other:?}"),
    });
    canceller.join().unwrap();
}

fn cancel_and_the_last_guard_dropped_elsewhere_race_the_poll() {
    let (runner, handle, guard) = shielded_for_ever(());
    let other = spawn("other", move || {
        call("cancel", || handle.cancel());
        call("drop the guard", || drop(guard));
    });

    let Finished { output, polls, .. } = runner.finish_and_tell();
    assert_eq!(output, Err(Cancelled::new()));
    saw(match polls {
        2 => "at the first wake",
        3 => "at the second wake",
        more => panic!("{more} polls for two wakes"),
    });
    other.join().unwrap();
}

fn cancel_races_the_last_guard_dropped_on_another_thread() {
    let (runner, handle, guard) = shielded_for_ever(());
    let closed = Flag::default();
    let canceller = spawn("canceller", {
        let closed = closed.clone();
        move || {
            saw(if closed.is_set() { "the shield was closed first" } else { "the request was made first" });
            assert!(call("cancel", || handle.cancel()));
        }
    });
    let closer = spawn("closer", move || {
        call("drop the guard", || drop(guard));
        closed.set();
    });

    let Finished { output, polls, .. } = runner.finish_and_tell();
    assert_eq!(output, Err(Cancelled::new()));
    assert!(polls <= 3, "{polls} polls for two wakes");
    canceller.join().unwrap();
    closer.join().unwrap();
}

fn cancel_races_a_guard_dropped_elsewhere_while_the_waker_is_replaced() {
    let (runner, handle, guard) = shielded_for_ever(());
    let runner = runner.move_to_another_waker("the task");
    let canceller = spawn("canceller", move || call("cancel", || handle.cancel()));
    let closer = spawn("closer", move || call("drop the guard", || drop(guard)));

    let Finished { output, former_was_called, .. } = runner.finish_and_tell();
    assert_eq!(output, Err(Cancelled::new()));
    saw(if former_was_called { "the former waker was called" } else { "it was not" });
    canceller.join().unwrap();
    closer.join().unwrap();
}

fn work_under_a_shield_elsewhere_is_visible_to_the_delivery() {
    let work = Arc::new(Payload::new(0));
    let sees = OnDrop({
        let work = work.clone();
        move || assert_eq!(work.get(), 1)
    });
    let (mut runner, handle, guard) = shielded_for_ever(sees);
    handle.cancel();
    let worker = spawn("worker", move || {
        work.bump();
        call("drop the guard", || drop(guard));
    });

    // Without waiting for a wake, which would make the work visible by itself.
    let delivered = runner.poll().is_ready();
    worker.join().unwrap();
    saw(if delivered { "delivered in the poll that it raced with" } else { "delivered afterwards" });
    assert!(delivered || runner.was_woken() && runner.poll().is_ready());
}

fn two_guards_are_dropped_on_two_threads() {
    let slot = Slot::new();
    let task = ShieldableTask::new({
        let slot = slot.clone();
        async move {
            slot.put((shield_scope(), shield_scope()));
            pending::<()>().await
        }
    });
    let handle = task.handle();
    let runner = Runner::new("the task", task).suspends();
    let (one, two) = slot.take();
    handle.cancel();
    let one = spawn("one", move || call("drop a guard", || drop(one)));
    let two = spawn("two", move || call("drop a guard", || drop(two)));

    assert_eq!(runner.finish(), Err(Cancelled::new()));
    saw("delivered");
    one.join().unwrap();
    two.join().unwrap();
}

/// A task that gives away as many guards as `slot` wants, and ends in its second poll.
fn ends_with_guards_abroad(
    two: bool,
) -> (Runner<impl Future<Output = Result<(), Cancelled>>>, TaskHandle, Vec<ShieldScope>) {
    let slot = Slot::new();
    let task = ShieldableTask::new({
        let slot = slot.clone();
        async move {
            let guards: Vec<_> = std::iter::repeat_with(shield_scope).take(if two { 2 } else { 1 }).collect();
            slot.put(guards);
            yield_once().await;
        }
    });
    let handle = task.handle();
    let runner = Runner::new("the task", task).suspends();
    (runner, handle, slot.take())
}

fn a_guard_dropped_elsewhere_races_completion() {
    let (runner, handle, guards) = ends_with_guards_abroad(false);
    let closer = spawn("closer", {
        let handle = handle.clone();
        move || {
            saw(if handle.is_finished() { "dropped after the end" } else { "dropped before the end" });
            call("drop the guard", || drop(guards));
        }
    });

    assert_eq!(runner.finish(), Ok(()));
    assert!(handle.is_finished() && !handle.is_shielded() && !handle.was_torn());
    closer.join().unwrap();
}

fn two_guards_dropped_elsewhere_race_completion() {
    let (runner, handle, mut guards) = ends_with_guards_abroad(true);
    let (one, two) = (guards.pop(), guards.pop());
    let one = spawn("one", move || call("drop a guard", || drop(one)));
    let two = spawn("two", move || call("drop a guard", || drop(two)));

    assert_eq!(runner.finish(), Ok(()));
    assert!(handle.is_finished() && !handle.is_shielded());
    saw("a value");
    one.join().unwrap();
    two.join().unwrap();
}

fn a_handle_finds_no_shield_when_all_guards_are_gone() {
    let (runner, handle, mut guards) = ends_with_guards_abroad(true);
    let (one, two) = (guards.pop(), guards.pop());
    let other = spawn("other", move || call("drop a guard", || drop(one)));
    let observer = spawn("observer", move || {
        call("drop a guard", || drop(two));
        other.join().unwrap();
        assert!(!call("is_shielded", || handle.is_shielded()));
    });

    assert_eq!(runner.finish(), Ok(()));
    saw("a value");
    observer.join().unwrap();
}

fn a_guard_opened_while_another_is_dropped_elsewhere_still_holds() {
    let slot = Slot::new();
    let task = ShieldableTask::new({
        let slot = slot.clone();
        async move {
            let inside = Flag::default();
            let _checks = not_inside(&inside);
            slot.put(shield_scope());
            yield_once().await;
            let own = shield_scope();
            inside.set();
            yield_once().await;
            inside.clear();
            drop(own);
            pending::<()>().await
        }
    });
    let handle = task.handle();
    let runner = Runner::new("the task", task).suspends();
    handle.cancel();
    let guard = slot.take();
    let closer = spawn("closer", move || call("drop the guard", || drop(guard)));

    let Finished { output, polls, .. } = runner.finish_and_tell();
    assert_eq!(output, Err(Cancelled::new()));
    saw(if polls == 2 { "delivered before the second shield" } else { "held by the second shield" });
    closer.join().unwrap();
}

//! The waiter: a notification wakes those who wait now, and is forgotten.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Context;

use crate::checker::atomic::{AtomicBool, Ordering};
use crate::common::*;

pub const MODELS: &[Model] = &[
    model!(notify_races_a_wait_that_checks_its_condition: "no need to wait", "waited"),
    model!(work_before_notify_is_visible_after_the_wait: "waited", "notified before its first poll"),
    model!(notify_races_the_first_poll_of_a_wait_and_its_drop: "notified", "still waiting"),
    model!(notify_races_the_drop_of_a_wait_before_another: "dropped before", "dropped after"),
    model!(two_notifies_race_one_wait: "one completed it"),
    model!(two_notifies_race_two_waits_in_a_row: "both were completed", "the second came too late"),
    model!(notify_races_wait_creation_and_drop: "completed", "still waiting"),
    model!(a_wait_that_moves_to_another_waker_races_notify: "the former waker was called", "it was not"),
    model!(a_waker_that_notifies_in_turn_finds_the_queue_unlocked: "notified", "still waiting"),
    model!(wakers_of_two_that_notify_in_turn_find_the_queue_unlocked: "notified", "still waiting"),
];

fn notify_races_a_wait_that_checks_its_condition() {
    let waiter = Arc::new(Waiter::new());
    let condition = Arc::new(AtomicBool::new(false));
    let notifier = spawn("notifier", {
        let (waiter, condition) = (waiter.clone(), condition.clone());
        move || {
            condition.store(true, Ordering::Relaxed);
            call("notify", || waiter.notify());
        }
    });

    run("the task", async {
        let changed = waiter.wait();
        // Relaxed on both sides: that it is seen once notified is the waiter's doing.
        if condition.load(Ordering::Relaxed) {
            saw("no need to wait");
        } else {
            changed.await;
            assert!(condition.load(Ordering::Relaxed));
            saw("waited");
        }
    });
    notifier.join().unwrap();
}

fn work_before_notify_is_visible_after_the_wait() {
    let waiter = Arc::new(Waiter::new());
    let work = Arc::new(Payload::new(0));
    let notifier = {
        let (waiter, work) = (waiter.clone(), work.clone());
        move || {
            work.bump();
            call("notify", || waiter.notify());
        }
    };

    let wait = waiter.wait();
    let notifier = spawn("notifier", notifier);
    let Finished { polls, .. } = Runner::new("the task", wait).finish_and_tell();
    assert_eq!(work.get(), 1);
    saw(if polls > 1 { "waited" } else { "notified before its first poll" });
    notifier.join().unwrap();
}

fn notify_races_the_first_poll_of_a_wait_and_its_drop() {
    let waiter = Arc::new(Waiter::new());
    let notifier = {
        let waiter = waiter.clone();
        move || call("notify", || waiter.notify())
    };

    let mut wait = Runner::new("the task", waiter.wait());
    let notifier = spawn("notifier", notifier);
    saw(if wait.poll().is_ready() { "notified" } else { "still waiting" });
    call("drop the wait", || drop(wait));
    notifier.join().unwrap();
}

fn notify_races_the_drop_of_a_wait_before_another() {
    let waiter = Arc::new(Waiter::new());
    let first = Runner::new("the first", waiter.wait()).suspends();
    let second = Runner::new("the second", waiter.wait()).suspends();
    let notifier = spawn("notifier", {
        let waiter = waiter.clone();
        move || call("notify", || waiter.notify())
    });

    saw(if drop_and_tell("drop the first", first) { "dropped after" } else { "dropped before" });
    second.finish();
    notifier.join().unwrap();
}

fn two_notifies_race_one_wait() {
    let waiter = Arc::new(Waiter::new());
    let wait = Runner::new("the task", waiter.wait()).suspends();
    let notifiers = ["one", "two"].map(|name| {
        let waiter = waiter.clone();
        spawn(name, move || call("notify", || waiter.notify()))
    });

    wait.finish();
    for notifier in notifiers {
        notifier.join().unwrap();
    }
    assert!(Runner::new("later", waiter.wait()).poll().is_pending(), "nothing is remembered");
    saw("one completed it");
}

fn two_notifies_race_two_waits_in_a_row() {
    let waiter = Arc::new(Waiter::new());
    let wait = Runner::new("the first wait", waiter.wait()).suspends();
    let notifiers = ["one", "two"].map(|name| {
        let waiter = waiter.clone();
        spawn(name, move || call("notify", || waiter.notify()))
    });

    wait.finish();
    let mut next = Runner::new("the second wait", waiter.wait());
    let early = next.poll().is_ready();
    for notifier in notifiers {
        notifier.join().unwrap();
    }
    let completed = early || next.was_woken();
    assert!(early || next.poll().is_ready() == completed, "woken if and only if completed");
    saw(if completed { "both were completed" } else { "the second came too late" });
}

fn notify_races_wait_creation_and_drop() {
    let waiter = Arc::new(Waiter::new());
    let first = Runner::new("the first", waiter.wait()).suspends();
    let notifier = spawn("notifier", {
        let waiter = waiter.clone();
        move || call("notify", || waiter.notify())
    });
    let visitor = spawn("visitor", {
        let waiter = waiter.clone();
        move || {
            let mut wait = Runner::new("the visitor", waiter.wait());
            saw(if wait.poll().is_ready() { "completed" } else { "still waiting" });
            call("drop the wait", || drop(wait));
        }
    });

    first.finish();
    notifier.join().unwrap();
    visitor.join().unwrap();
}

fn a_wait_that_moves_to_another_waker_races_notify() {
    let waiter = Arc::new(Waiter::new());
    let wait = Runner::new("the task, at first,", waiter.wait()).suspends().move_to_another_waker("the task");
    let notifier = spawn("notifier", {
        let waiter = waiter.clone();
        move || call("notify", || waiter.notify())
    });

    let Finished { former_was_called, .. } = wait.finish_and_tell();
    saw(if former_was_called { "the former waker was called" } else { "it was not" });
    notifier.join().unwrap();
}

fn a_waker_that_notifies_in_turn_finds_the_queue_unlocked() {
    notify_wakes_those_who_notify(false);
}

fn wakers_of_two_that_notify_in_turn_find_the_queue_unlocked() {
    notify_wakes_those_who_notify(true);
}

fn notify_wakes_those_who_notify(two: bool) {
    let waiter = Arc::new(Waiter::new());
    let waker = waker_that({
        let waiter = waiter.clone();
        move || waiter.notify()
    });
    let cx = &mut Context::from_waker(&waker);
    let mut first = pin!(waiter.wait());
    let mut second = pin!(waiter.wait());
    assert!(first.as_mut().poll(cx).is_pending());
    assert!(!two || second.as_mut().poll(cx).is_pending());
    let notifier = spawn("notifier", {
        let waiter = waiter.clone();
        move || call("notify", || waiter.notify())
    });

    saw(if first.as_mut().poll(cx).is_ready() { "notified" } else { "still waiting" });
    notifier.join().unwrap();
    assert!(first.as_mut().poll(cx).is_ready() && second.as_mut().poll(cx).is_ready());
}

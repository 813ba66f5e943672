//! Models that fail, to show what a failure looks like. Only the tests of this file run them.

use std::process::{Command, Output};
use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use shieldable_model::Fault;

use crate::checker;
use crate::checker::atomic::{AtomicUsize, Ordering};
use crate::common::*;
use crate::harness::{self, Programs, Run};

pub const MODELS: &[Model] =
    &[model!(planted_lost_wake_up: "never"), model!(planted_lost_update: "never"), PLANTED_PROGRAM];

/// Judged by a spec in which a request beats a value: the second one fails.
const PLANTED_PROGRAM: Model = {
    let all = || {
        let texts = [
            "task t0 { suspend } thread { run t0 } thread { cancel t0 }",
            "task t0 { cancel t0 } thread { run t0 } thread { cancel t0 }",
        ];
        texts.map(|text| text.parse().expect("a program")).to_vec()
    };
    let fault = Some(Fault::CancelBeatsValue);
    let run = Run::Programs(Programs { all, fault });
    Model { name: "planted_program", run, bound: None, outcomes: &[] }
};

fn planted_lost_wake_up() {
    let handle = CancelScope::new(async {}).handle();
    let canceller = spawn("canceller", move || call("cancel", || handle.cancel()));
    run("the sleeper", pending::<()>());
    canceller.join().unwrap();
}

fn planted_lost_update() {
    let count = Arc::new(AtomicUsize::new(0));
    let add = |count: &AtomicUsize| count.store(count.load(Ordering::SeqCst) + 1, Ordering::SeqCst);
    let other = spawn("other", {
        let count = count.clone();
        move || call("add", || add(&count))
    });
    call("add", || add(&count));
    other.join().unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 2, "an update was lost");
}

pub fn trials() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("a_lost_wake_up_is_told_as_one", a_lost_wake_up_is_told_as_one),
        Trial::test("a_failure_tells_its_story", a_failure_tells_its_story),
        Trial::test("a_history_that_is_not_allowed_is_drawn", a_history_that_is_not_allowed_is_drawn),
    ];
    if checker::REPLAYS {
        trials.push(Trial::test("a_printed_schedule_replays_to_the_same_failure", a_printed_schedule_replays));
    }
    trials
}

fn itself(arguments: &[&str]) -> std::io::Result<Output> {
    Command::new(std::env::current_exe()?).args(arguments).env("RUST_BACKTRACE", "0").output()
}

/// What it printed, to either stream, if it failed as it should.
fn failure(arguments: &[&str]) -> Result<String, Failed> {
    let output = itself(arguments)?;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.code() != Some(101) {
        return Err(format!("{}: {text}", output.status).into());
    }
    Ok(text)
}

fn tells(text: &str, parts: &[&str]) -> Result<(), Failed> {
    match parts.iter().find(|part| !text.contains(**part)) {
        Some(part) => Err(format!("`{part}` is not in\n{text}").into()),
        None => Ok(()),
    }
}

fn a_lost_wake_up_is_told_as_one() -> Result<(), Failed> {
    let text = failure(&["--model", "planted_lost_wake_up"])?;
    tells(&text, &["lost wake-up of task the sleeper", "the sleeper sleeps", "cancel = false"])
}

fn a_failure_tells_its_story() -> Result<(), Failed> {
    let text = failure(&["--model", "planted_lost_update"])?;
    tells(&text, &["an update was lost", "model planted_lost_update, execution", "add = ()"])
}

/// What was drawn: the heads of the columns, and what stands below them.
fn story(text: &str) -> Vec<&str> {
    let lines = text.lines().skip_while(|line| !line.starts_with("  main"));
    lines.take_while(|line| line.starts_with("  ")).collect()
}

const NOT_ALLOWED: &str = "the spec does not allow this history of the program";

fn a_history_that_is_not_allowed_is_drawn() -> Result<(), Failed> {
    let output = itself(&["--model", "planted_program"])?;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() {
        return Err(text.into());
    }
    tells(&text, &[NOT_ALLOWED, "program 1", "run t0 = ok"])
}

fn a_printed_schedule_replays() -> Result<(), Failed> {
    let planted = [
        ("planted_lost_update", "an update was lost"),
        ("planted_lost_wake_up", "lost wake-up of task the sleeper"),
        ("planted_program", NOT_ALLOWED),
    ];
    for (name, what) in planted {
        let text = failure(&["--model", name])?;
        let again = harness::again(name, &text).ok_or("no schedule is printed")?;
        let replayed = failure(&again.each_ref().map(String::as_str))?;
        tells(&replayed, &[what])?;
        if story(&text) != story(&replayed) {
            return Err(format!("{text}\nreplayed:\n{replayed}").into());
        }
    }
    Ok(())
}

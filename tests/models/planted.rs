//! Models that fail, to show what a failure looks like. Only the tests of this file run them.

use std::process::{Command, Output};
use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use shieldable_model::Fault;

use crate::checker;
use crate::checker::atomic::{AtomicUsize, Ordering};
use crate::common::*;
use crate::harness::{self, Programs, Run};

pub const MODELS: &[Model] = &[
    model!(planted_lost_wake_up: "never"),
    model!(planted_lost_update: "both were made"),
    model!(planted_silence: "set"),
    PLANTED_PROGRAM,
];

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
    saw("both were made");
}

/// Not all executions see an outcome, though all outcomes are seen.
fn planted_silence() {
    let flag = Arc::new(AtomicUsize::new(0));
    let other = spawn("other", {
        let flag = flag.clone();
        move || call("set", || flag.store(1, Ordering::SeqCst))
    });
    if call("get", || flag.load(Ordering::SeqCst)) == 1 {
        saw("set");
    }
    other.join().unwrap();
}

pub fn trials() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("a_lost_wake_up_is_told_as_one", a_lost_wake_up_is_told_as_one),
        Trial::test("a_failure_tells_its_story", a_failure_tells_its_story),
        Trial::test("an_execution_without_an_outcome_fails", an_execution_without_an_outcome_fails),
        Trial::test("a_history_that_is_not_allowed_is_drawn", a_history_that_is_not_allowed_is_drawn),
        Trial::test("what_was_explored_is_told", what_was_explored_is_told),
        Trial::test("a_command_line_that_names_nothing_is_refused", a_command_line_that_names_nothing_is_refused),
    ];
    if checker::REPLAYS {
        trials.push(Trial::test("a_printed_schedule_replays_to_the_same_failure", a_printed_schedule_replays));
    }
    trials
}

fn itself(arguments: &[&str]) -> std::io::Result<Output> {
    Command::new(std::env::current_exe()?).args(arguments).env("RUST_BACKTRACE", "0").output()
}

/// What it printed, to either stream, if it ended as it should.
fn ended(code: i32, arguments: &[&str]) -> Result<String, Failed> {
    let output = itself(arguments)?;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.code() != Some(code) {
        return Err(format!("{}: {text}", output.status).into());
    }
    Ok(text)
}

fn failure(arguments: &[&str]) -> Result<String, Failed> {
    ended(101, arguments)
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

fn an_execution_without_an_outcome_fails() -> Result<(), Failed> {
    let text = failure(&["--model", "planted_silence"])?;
    tells(&text, &["an execution ended without an outcome", "model planted_silence, execution", "get = 0"])
}

/// What was drawn: the heads of the columns, and what stands below them.
fn story(text: &str) -> Vec<&str> {
    let lines = text.lines().skip_while(|line| !line.starts_with("  main"));
    lines.take_while(|line| line.starts_with("  ")).collect()
}

const NOT_ALLOWED: &str = "the spec does not allow this history of the program";

fn a_history_that_is_not_allowed_is_drawn() -> Result<(), Failed> {
    let arguments = &["--model", "planted_program"];
    let text = if checker::REPLAYS { failure(arguments) } else { ended(1, arguments) }?;
    tells(&text, &[NOT_ALLOWED, "program 1", "run t0 = ok"])?;
    // Where the schedule of one failure is printed, there are no others and no totals.
    let totals = " executions, 2 programs: 2 complete\nthe spec does not allow what 1 of 2 programs did\n";
    if checker::REPLAYS { Ok(()) } else { tells(&text, &[totals]) }
}

fn what_was_explored_is_told() -> Result<(), Failed> {
    let text = ended(0, &["--program", "task t0 { enter; exit } thread { run t0 } thread { cancel t0; uncancel t0 }"])?;
    tells(
        &text,
        &match checker::REPLAYS {
            true => ["320 executions, 1 programs: 1 with 200 in order, 80 at random, 40 by PCT each\n"],
            false => [" executions, 1 programs: 1 complete\n"],
        },
    )
}

fn a_command_line_that_names_nothing_is_refused() -> Result<(), Failed> {
    let refused: &[(&[&str], &str)] = &[
        (&["--model", "nosuch"], "no model is called nosuch; `--models` lists them\n"),
        (&["--model", "the last handle"], "most like it: the_last_handle_races_the_end_of_the_task\n"),
        (&["--replay", "nosuch", "0"], "no model is called nosuch"),
        (&["--replay", "planted_program#2", "0"], "planted_program has programs #0 to #1\n"),
        (&["--program", "task t0 { boo }"], "the program, 1:11: expected an operation"),
        (&["--program", ""], "the program, nobody does anything in it"),
    ];
    for (arguments, why) in refused {
        let text = ended(2, arguments)?;
        tells(&text, &[why])?;
        if text.lines().count() != 1 {
            return Err(text.into());
        }
    }
    Ok(())
}

fn a_printed_schedule_replays() -> Result<(), Failed> {
    let planted = [
        ("planted_lost_update", "an update was lost"),
        ("planted_lost_wake_up", "lost wake-up of task the sleeper"),
        ("planted_silence", "an execution ended without an outcome"),
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

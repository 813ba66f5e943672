//! Runs the program as a person would, with few transfers, and reads its table and its exit code.

use std::path::Path;
use std::process::{Command, Output};

/// Enough for every step of a transfer to be hit several times in each of the ways.
const TRANSFERS: usize = 800;

fn bank(temp: &Path, args: &[&str]) -> Output {
    // tempfile asks the environment where to put its directories: one variable for each family of systems.
    Command::new(env!("CARGO_BIN_EXE_bank"))
        .args(args)
        .env("TMPDIR", temp)
        .env("TEMP", temp)
        .env("TMP", temp)
        .output()
        .expect("the program starts")
}

fn storm(temp: &Path, more: &[&str]) -> Output {
    let transfers = TRANSFERS.to_string();
    bank(temp, &[&["--transfers", &transfers, "--accounts", "50", "--at-once", "200"], more].concat())
}

/// The three figures of the row that begins with `label`.
fn row(output: &Output, label: &str) -> [usize; 3] {
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| line.trim_start().starts_with(label));
    let line = line.unwrap_or_else(|| panic!("no row {label:?} in:\n{text}"));
    let mut figures = line.split_whitespace().rev().map(|word| word.parse().expect("a figure"));
    let mut next = || figures.next().expect("three columns");
    let (third, second, first) = (next(), next(), next());
    [first, second, third]
}

fn entries(dir: &Path) -> usize {
    std::fs::read_dir(dir).expect("readable").count()
}

#[test]
fn only_the_shielded_column_is_clean() {
    let temp = tempfile::tempdir().expect("a directory");
    let output = storm(temp.path(), &["--seed", "7"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");

    let ends = ["finished", "refused", "cancelled", "half-done"].map(|label| row(&output, label));
    for way in 0..3 {
        assert_eq!(ends.iter().map(|row| row[way]).sum::<usize>(), TRANSFERS, "every transfer is counted once");
    }
    for label in ["half-done", "finished, but", "still running", "accounts that disagree"] {
        assert_eq!(row(&output, label)[2], 0, "{label}");
    }
    let (before, after) = (row(&output, "total balance before"), row(&output, "total balance after"));
    assert_eq!(before[2], after[2], "no coin is missing");

    let [abort, spawned, _] = row(&output, "half-done");
    assert!(abort > 0 && after[0] < before[0], "aborting loses money");
    assert!(spawned > 0 || row(&output, "still running")[1] > 0, "spawning leaves work behind");
    assert!(row(&output, "cancelled")[2] > 0 && row(&output, "finished")[2] > 0, "the storm was real");
    assert!(row(&output, "although cancelled")[2] > 0, "it hit open shields, and they held");
    assert_eq!(entries(temp.path()), 0, "cleaned up");
}

#[test]
fn without_the_shield_the_program_fails() {
    let temp = tempfile::tempdir().expect("a directory");
    let output = storm(temp.path(), &["--no-shield"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(row(&output, "half-done")[2] > 0);
    assert!(String::from_utf8_lossy(&output.stdout).contains("BROKEN"));
}

#[test]
fn keep_keeps_the_files_and_names_them() {
    let temp = tempfile::tempdir().expect("a directory");
    let output = bank(temp.path(), &["--transfers", "20", "--keep"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let message = String::from_utf8_lossy(&output.stderr);
    let dir = message.trim().strip_prefix("files kept in ").expect("the directory's name");
    for way in ["abort", "tokio-shield", "shieldable"] {
        for file in ["north.sqlite", "south.sqlite", "journal.txt"] {
            assert!(Path::new(dir).join(way).join(file).is_file(), "{way}/{file}");
        }
    }
}

#[test]
fn bad_arguments_are_named_and_nothing_panics() {
    let temp = tempfile::tempdir().expect("a directory");
    for bad in [&["--transfers", "0"], &["--accounts", "many"], &["--seed", "-1"], &["--at-once", "99999999999"]] {
        let output = bank(temp.path(), bad);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{bad:?}: {message}");
        assert!(message.contains(bad[1]) && !message.contains("panicked"), "{message}");
    }
}

#[test]
fn a_missing_temporary_directory_is_an_error_not_a_panic() {
    let temp = tempfile::tempdir().expect("a directory");
    let output = bank(&temp.path().join("nowhere"), &["--transfers", "1"]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{message}");
    assert!(message.starts_with("bank: ") && !message.contains("panicked"), "{message}");
}

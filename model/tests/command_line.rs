//! What the binary says to a command line that is wrong, and that it ends when nobody listens.
#![cfg(feature = "check")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

fn model(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shieldable-model"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// The first line of what is wrong; the exit code says so, too.
fn refused(arguments: &[&str]) -> String {
    let output = model(arguments).output().expect("it can be started");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{arguments:?}: {said}");
    said.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn a_check_that_would_check_nothing_is_refused() {
    let threads = |number| refused(&["check", "--threads", number]);
    for number in ["0", "1025", "two"] {
        let expected = format!("error: invalid value '{number}' for '--threads <N>': give it a number from 1 to 1024");
        assert_eq!(threads(number), expected);
    }
    let only = |name| refused(&["check", "--only", name]);
    assert_eq!(only("nosuch"), "error: no configuration has \"nosuch\" in its name; there are");
    let output = model(&["check", "--only", "nosuch"]).output().expect("it can be started");
    assert!(String::from_utf8_lossy(&output.stderr).contains("\n    shield\n"), "and they are listed");
}

#[test]
fn a_large_configuration_is_not_checked_by_name_alone() {
    use shieldable_model::explore::{CONFIGS, Depth};
    let large = CONFIGS.iter().find(|config| config.depth == Depth::Deep).expect("there are such").name;
    let said = refused(&["check", "--only", large]);
    assert_eq!(said, format!("error: \"{large}\" is a large configuration: add --deep"));
}

#[test]
fn a_program_that_cannot_be_traced_is_refused() {
    let file = |name: &str, text: &str| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&path, text).expect("a file");
        path.to_str().expect("a path").to_owned()
    };
    let missing = "no/such/file";
    assert!(refused(&["trace", missing]).starts_with("error: no/such/file: "));
    let wrong = file("wrong", "task t0 {\n  boo }");
    let said = refused(&["trace", &wrong]);
    assert!(said.starts_with(&format!("error: {wrong}:2:3: expected an operation")), "{said}");
    let empty = file("empty", "");
    let said = refused(&["trace", &empty]);
    assert!(said.starts_with(&format!("error: {empty}: nobody does anything in this program: add a thread")), "{said}");
    let right = file("right", "task t0 { } thread { run t0 }");
    assert_eq!(refused(&["trace", &right, "--schedule", "1"]), "error: there is no thread 1 in the program");
}

#[test]
fn nobody_reads_to_the_end() {
    // It prints when it has read its program, and by then the other end is closed.
    let mut child = model(&["trace", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it can be started");
    drop(child.stdout.take());
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(b"task t0 { } thread { run t0 }").expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

//! The text form: what is written is read, and what is wrong is said with its place.

use shieldable_model::Program;

const EVERYTHING: &str = "\
task t0 {
    suspend
    yield
    checkpoint
    lock l1
    let wait w1
    poll
    await
    join t1
    let scope c7 { enter; exit } on_drop { cancel t0; try_lock l0; panic }
    put s3
    take s3
    drop s3
    drop
    shielded { timeout d2 { task t9 { plain p0 { } } } }
    unlock l1
    cancel_on_drop t1
}
task t1 { } on_drop { notify w0 }
plain p1 { is_shielded; is_shielded t0; cancel_pending; current; is_held r1; is_locked r0; poll t1; poll; drop t1 }
thread { poll t0; poll t0/3; run t1/1; deadline d2; uncancel c7; cancelling c7; is_finished c7; was_torn t9 } // all
thread { }
";

#[test]
fn what_is_written_is_read() {
    let program: Program = EVERYTHING.parse().expect("a program");
    let text = program.to_string();
    assert_eq!(text.parse::<Program>().expect("its own text"), program, "{text}");
    assert_eq!(text.parse::<Program>().expect("its own text").to_string(), text);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let cases = [
        ("task x0 { }", "1:6: expected a name to declare (t0 to t255), found `x0`"),
        ("task t0 {\n  cancel t1 }", "2:10: expected a name that is declared, such as t0 or c0, found `t1`"),
        ("thread {\n}\nboo", "3:1: expected `task`, `scope`, `plain` or `thread`, found `boo`"),
        ("task t0 { lock l7 }", "1:16: expected a lock (l0 to l1, r0 to r1), found `l7`"),
        ("task t0 { suspend", "1:18: expected an operation"),
        ("thread { suspend }", "1:10: expected an operation (enter"),
        ("task t0 { let enter }", "1:15: expected a future"),
        ("task t0 { } task t0 { }", "expected a valid program, found one with this fault: t0 is declared twice"),
        ("task t0 { scope c0 { } } thread { poll c0 }", "c0 is inline"),
        ("task t0 { } thread { poll t0/4 }", "1:27: expected a declared t0, c0 or p0, with a waker /0 to /3"),
    ];
    for (text, expected) in cases {
        let error = text.parse::<Program>().expect_err(text).to_string();
        assert!(error.contains(expected), "{text}\n    says: {error}\nexpected: {expected}");
    }
}

#[test]
fn too_much_is_refused_and_does_not_panic() {
    let deep = format!("task t0 {{ {}", "shielded { ".repeat(100_000));
    assert!(deep.parse::<Program>().is_err());
    let long = format!("thread {{ {} }}", "enter ".repeat(1000));
    assert!(long.parse::<Program>().is_err());
    let many = "task t0 { } ".repeat(1000);
    assert!(many.parse::<Program>().is_err());
    let held = format!("task t0 {{ {} }}", "enter ".repeat(9));
    assert!(held.parse::<Program>().is_err());
}

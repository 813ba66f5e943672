//! Every program of each family below, in every schedule up to the stated length, in lockstep with the model.
//!
//! `EXHAUSTIVE_MORE=1` makes every schedule longer by one.

use shieldable_proptests::exhaustive::Family;
use shieldable_proptests::lockstep::replay::store;

/// `programs` is how many there are, so that none goes missing unnoticed.
fn all(family: Family<'_>, programs: u64) {
    let more = std::env::var("EXHAUSTIVE_MORE").ok().and_then(|more| more.parse().ok()).unwrap_or(0);
    let start = std::time::Instant::now();
    match (Family { length: family.length + more, ..family }).run() {
        Ok(extent) => {
            println!(
                "{} bodies, every {} of {} operations from outside: {} programs, {} steps, {} operations in {:.1} s",
                extent.bodies,
                family.length + more,
                family.outside.len(),
                extent.programs,
                extent.steps,
                extent.operations,
                start.elapsed().as_secs_f64(),
            );
            assert!(more > 0 || extent.programs == programs, "{} programs, not {programs}", extent.programs);
        }
        Err(failure) => {
            let minimal = failure.minimal();
            let path = store(&minimal.text()).expect("regressions can be written");
            panic!("{minimal}\nstored in {}", path.display());
        }
    }
}

#[test]
fn requests_and_shields_of_one_task() {
    let part = ["suspend", "yield", "enter", "exit", "checkpoint", "cancel t0", "uncancel t0", "enter put s0"];
    let family = Family {
        bodies: "task t0 { <part> <part> <part> suspend }",
        holes: &[("part", &part)],
        outside: &["poll t0", "cancel t0", "uncancel t0", "drop s0", "drop t0"],
        length: 5,
    };
    all(family, 512 * 3125);
}

#[test]
fn scopes_inside_a_task() {
    let part = ["suspend", "enter", "enter put s0", "cancel c0", "cancel t0"];
    let family = Family {
        bodies: "task t0 { <around> scope c0 { <part> <part> suspend } <around> suspend }",
        holes: &[("around", &["", "enter", "exit"]), ("part", &part)],
        outside: &["poll t0", "cancel t0", "cancel c0", "drop s0", "drop t0"],
        length: 5,
    };
    all(family, 225 * 3125);
}

#[test]
fn scopes_inside_scopes() {
    let part = ["suspend", "enter suspend", "enter put s0", ""];
    let family = Family {
        bodies: "task t0 { <part> scope c0 { <part> scope c1 { <part> suspend } suspend } suspend }",
        holes: &[("part", &part)],
        outside: &["poll t0", "cancel t0", "cancel c0", "cancel c1", "drop s0"],
        length: 6,
    };
    all(family, 64 * 15625);
}

#[test]
fn inner_scopes_that_move_between_tasks() {
    let part = ["suspend", "enter suspend", "enter put s1 suspend"];
    let family = Family {
        bodies: "task t0 { let scope c0 { <part> suspend } poll put s0 <end> } task t1 { take s0 <ask> suspend }",
        holes: &[("part", &part), ("end", &["suspend", "scope c1 { take s1 suspend }"]), ("ask", &["await", "poll"])],
        outside: &["poll t0", "poll t1", "cancel t0", "cancel t1", "cancel c0", "drop s0", "drop s1"],
        length: 5,
    };
    all(family, 12 * 16807);
}

#[test]
fn deadlines() {
    let part = ["suspend", "enter", "exit", "enter put s0", "yield", "timeout d1 { enter suspend exit suspend }"];
    let family = Family {
        bodies: "task t0 { <around> timeout d0 { <part> <last> } suspend }",
        holes: &[("around", &["", "enter", "timeout d2 { suspend }"]), ("part", &part), ("last", &["suspend", ""])],
        outside: &["poll t0", "deadline d0", "cancel t0", "drop s0", "drop t0"],
        length: 6,
    };
    all(family, 36 * 15625);
}

#[test]
fn destructors_and_panics() {
    let part = ["suspend", "enter", "panic", "shielded { suspend } on_drop { cancel t0 panic }"];
    let last = ["cancel t0", "uncancel t0", "panic", "enter put s0", "drop s0", "try_lock r0", "cancel t1"];
    let family = Family {
        bodies: "task t0 { <part> <part> suspend } on_drop { <last> <last> } task t1 { poll t0 suspend }",
        holes: &[("part", &part), ("last", &last)],
        outside: &["poll t0", "poll t1", "cancel t0", "drop t0"],
        length: 4,
    };
    all(family, 784 * 256);
}

#[test]
fn re_entrant_locks() {
    let part = ["", "suspend", "lock r0", "unlock r0", "put s0"];
    let family = Family {
        bodies: "task t0 { lock r0 <part> suspend } task t1 { lock r0 <part> suspend } task t2 { lock r0 suspend }",
        holes: &[("part", &part)],
        outside: &["poll t0", "poll t1", "poll t2", "cancel t1", "drop t0", "drop t2", "drop s0"],
        length: 6,
    };
    all(family, 25 * 117_649);
}

#[test]
fn plain_locks() {
    let part = ["suspend", "unlock l0 suspend", "put s0", "unlock l0 lock l0 suspend"];
    let family = Family {
        bodies: "task t0 { lock l0 <part> } task t1 { <shield> lock l0 <part> } plain p0 { lock l0 suspend }",
        holes: &[("part", &part), ("shield", &["", "enter"])],
        outside: &["poll t0", "poll t1", "poll p0", "cancel t1", "drop t1", "drop s0", "try_lock l0"],
        length: 5,
    };
    all(family, 32 * 16807);
}

#[test]
fn acquisitions_that_move_between_tasks() {
    let family = Family {
        bodies: "task t0 { lock r0 <part> } task t1 { let lock r0 poll put s0 suspend <part> } \
                 task t2 { <part> take s0 <ask> suspend } plain p0 { take s0 poll }",
        holes: &[("part", &["suspend", "lock r0", "yield"]), ("ask", &["await", "poll suspend poll"])],
        outside: &["poll t0", "poll t1", "poll t2", "poll p0", "drop t0", "drop s0"],
        length: 6,
    };
    all(family, 54 * 46656);
}

#[test]
fn waits() {
    let part = ["", "poll", "suspend", "notify w0"];
    let family = Family {
        bodies: "task t0 { let wait w0 <part> <part> await wait w0 } task t1 { wait w0 <part> suspend }",
        holes: &[("part", &part)],
        outside: &["poll t0", "poll t0/1", "poll t1", "notify w0", "drop t0"],
        length: 6,
    };
    all(family, 64 * 15625);
}

#[test]
fn joins_and_wakers() {
    let part = ["suspend", "yield", "enter suspend", "panic"];
    let family = Family {
        bodies: "task t0 { <part> <part> } task t1 { <held> join t0 suspend }",
        holes: &[("part", &part), ("held", &["", "cancel_on_drop t0", "enter"])],
        outside: &["poll t0", "poll t0/1", "poll t1", "poll t1/1", "cancel t0", "cancel t1", "drop t0"],
        length: 5,
    };
    all(family, 48 * 16807);
}

//! Every program of each family below, in every schedule up to the stated length, in lockstep with the model.
//!
//! The lengths step up with `PROPTEST_CASES`: at 2048 each schedule is longer by one than by default.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use shieldable_proptests::exhaustive::{Extent, Family};
use shieldable_proptests::families;
use shieldable_proptests::lockstep::replay::store;

/// Of all families that were run so far.
static PROGRAMS: AtomicU64 = AtomicU64::new(0);
static STEPS: AtomicU64 = AtomicU64::new(0);

/// `bodies` is how many there are, so that none goes missing unnoticed.
fn all(family: Family, bodies: u64) {
    let start = Instant::now();
    match family.run() {
        Ok(extent) => {
            let Extent { length, programs, steps, operations, .. } = extent;
            let outside = family.outside.len() as u64;
            let seconds = start.elapsed().as_secs_f64();
            println!(
                "{} bodies, every {length} of {outside} operations from outside: {programs} programs, {steps} steps, \
                 {operations} operations in {seconds:.1} s; {} programs, {} steps so far",
                extent.bodies,
                PROGRAMS.fetch_add(programs, Ordering::Relaxed) + programs,
                STEPS.fetch_add(steps, Ordering::Relaxed) + steps,
            );
            assert_eq!((extent.bodies, programs), (bodies, bodies * outside.pow(length)), "something is missing");
        }
        Err(failure) => {
            let after = PROGRAMS.load(Ordering::Relaxed) + failure.programs;
            let minimal = failure.minimal();
            let path = store(&minimal.text()).expect("regressions can be written");
            panic!("after {after} programs, {minimal}\nstored in {}", path.display());
        }
    }
}

#[test]
fn requests_and_shields_of_one_task() {
    all(families::REQUESTS_AND_SHIELDS_OF_ONE_TASK, 512);
}

#[test]
fn scopes_inside_a_task() {
    all(families::SCOPES_INSIDE_A_TASK, 225);
}

#[test]
fn scopes_inside_scopes() {
    all(families::SCOPES_INSIDE_SCOPES, 64);
}

#[test]
fn inner_scopes_that_move_between_tasks() {
    all(families::INNER_SCOPES_THAT_MOVE_BETWEEN_TASKS, 12);
}

#[test]
fn deadlines() {
    all(families::DEADLINES, 36);
}

#[test]
fn destructors_and_panics() {
    all(families::DESTRUCTORS_AND_PANICS, 784);
}

#[test]
fn re_entrant_locks() {
    all(families::RE_ENTRANT_LOCKS, 25);
}

#[test]
fn plain_locks() {
    all(families::PLAIN_LOCKS, 32);
}

#[test]
fn acquisitions_that_move_between_tasks() {
    all(families::ACQUISITIONS_THAT_MOVE_BETWEEN_TASKS, 54);
}

#[test]
fn waits() {
    all(families::WAITS, 64);
}

#[test]
fn joins_and_wakers() {
    all(families::JOINS_AND_WAKERS, 48);
}

#[test]
fn acquisitions_handed_on() {
    all(families::ACQUISITIONS_HANDED_ON, 27);
}

#[test]
fn deadlines_inside_deadlines() {
    all(families::DEADLINES_INSIDE_DEADLINES, 81);
}

#[test]
fn inner_scopes_dropped_hard() {
    all(families::INNER_SCOPES_DROPPED_HARD, 900);
}

#[test]
fn locks_and_panics() {
    all(families::LOCKS_AND_PANICS, 144);
}

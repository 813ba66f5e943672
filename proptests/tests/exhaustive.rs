//! Every program of each family below, in every schedule up to the stated length, in lockstep with the model.
//!
//! `EXHAUSTIVE_MORE=1` makes every schedule longer by one, `EXHAUSTIVE_MORE=-1` shorter.

use shieldable_proptests::exhaustive::Family;
use shieldable_proptests::families;
use shieldable_proptests::lockstep::replay::store;

/// `programs` is how many there are, so that none goes missing unnoticed.
fn all(family: Family, programs: u64) {
    let more = std::env::var("EXHAUSTIVE_MORE").ok().and_then(|more| more.parse().ok()).unwrap_or(0_i32);
    let length = family.length.saturating_add_signed(more);
    let start = std::time::Instant::now();
    match (Family { length, ..family }).run() {
        Ok(extent) => {
            println!(
                "{} bodies, every {length} of {} operations from outside: {} programs, {} steps, {} operations in {:.1} s",
                extent.bodies,
                family.outside.len(),
                extent.programs,
                extent.steps,
                extent.operations,
                start.elapsed().as_secs_f64(),
            );
            assert!(more != 0 || extent.programs == programs, "{} programs, not {programs}", extent.programs);
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
    all(families::REQUESTS_AND_SHIELDS_OF_ONE_TASK, 512 * 3125);
}

#[test]
fn scopes_inside_a_task() {
    all(families::SCOPES_INSIDE_A_TASK, 225 * 3125);
}

#[test]
fn scopes_inside_scopes() {
    all(families::SCOPES_INSIDE_SCOPES, 64 * 15625);
}

#[test]
fn inner_scopes_that_move_between_tasks() {
    all(families::INNER_SCOPES_THAT_MOVE_BETWEEN_TASKS, 12 * 16807);
}

#[test]
fn deadlines() {
    all(families::DEADLINES, 36 * 15625);
}

#[test]
fn destructors_and_panics() {
    all(families::DESTRUCTORS_AND_PANICS, 784 * 256);
}

#[test]
fn re_entrant_locks() {
    all(families::RE_ENTRANT_LOCKS, 25 * 117_649);
}

#[test]
fn plain_locks() {
    all(families::PLAIN_LOCKS, 32 * 16807);
}

#[test]
fn acquisitions_that_move_between_tasks() {
    all(families::ACQUISITIONS_THAT_MOVE_BETWEEN_TASKS, 54 * 46656);
}

#[test]
fn waits() {
    all(families::WAITS, 64 * 15625);
}

#[test]
fn joins_and_wakers() {
    all(families::JOINS_AND_WAKERS, 48 * 16807);
}

#[test]
fn acquisitions_handed_on() {
    all(families::ACQUISITIONS_HANDED_ON, 27 * 15625);
}

#[test]
fn deadlines_inside_deadlines() {
    all(families::DEADLINES_INSIDE_DEADLINES, 81 * 4096);
}

#[test]
fn inner_scopes_dropped_hard() {
    all(families::INNER_SCOPES_DROPPED_HARD, 900 * 625);
}

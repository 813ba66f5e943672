//! Random programs, the implementation beside the model, compared after every step.
//!
//! `PROPTEST_CASES` scales the number of programs of each shape. A failure is made small, printed with what happened
//! and what should have, and stored in `regressions/`, from where it is run for ever after.

use std::cell::RefCell;
use std::sync::Arc;

use proptest::prelude::{ProptestConfig, Strategy, any};
use proptest::test_runner::{TestCaseError, TestError, TestRunner};
use shieldable_model::{Alphabet, Program, Seed, Shape, programs};
use shieldable_proptests::families;
use shieldable_proptests::lockstep::Lockstep;
use shieldable_proptests::lockstep::replay::store;
use shieldable_proptests::scale::scaled;

const PROGRAMS: u64 = 100_000;
/// Of the schedules that are not exhaustive.
const LENGTH: usize = 16;

fn agrees(programs: impl Strategy<Value = Arc<Program>>) {
    let cases = u32::try_from(scaled(PROGRAMS)).expect("so many in one go");
    let config = ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 20_000, ..Default::default() };
    let lockstep = RefCell::new(Lockstep::new());
    let failed = RefCell::new(None);
    let strategy = (programs, any::<u64>());
    let result = TestRunner::new(config).run(&strategy, |(program, order)| {
        lockstep.borrow_mut().run(&program, &mut Seed(order)).map_err(|failure| {
            *failed.borrow_mut() = Some(failure);
            TestCaseError::fail("the implementation differs from the model")
        })
    });
    let lockstep = lockstep.into_inner();
    println!(
        "{} programs, {} steps of lanes, {} operations",
        lockstep.programs(),
        lockstep.steps(),
        lockstep.operations()
    );
    match (result, failed.into_inner()) {
        (Ok(()), _) => {}
        (Err(TestError::Fail(..)), Some(failure)) => {
            let minimal = failure.minimal();
            let path = store(&minimal.text()).expect("regressions can be written");
            panic!("after {} programs, {minimal}\nstored in {}", lockstep.programs(), path.display());
        }
        (Err(error), _) => panic!("{error}"),
    }
}

fn of(shape: Shape) -> impl Strategy<Value = Arc<Program>> {
    programs(shape).prop_map(Arc::new)
}

#[test]
fn programs_of_everything() {
    agrees(of(Shape::MIXED));
}

#[test]
fn programs_of_requests_shields_and_scopes() {
    agrees(of(Shape::CANCEL));
}

#[test]
fn programs_of_locks_and_waiters() {
    agrees(of(Shape::LOCKS));
}

#[test]
fn programs_of_acquisitions_that_move_between_tasks() {
    agrees(of(Shape::MOVES));
}

/// Many lanes, an executor for each task: wakes decide who goes on.
#[test]
fn programs_of_tasks_that_run_when_woken() {
    agrees(of(Shape { alphabet: Alphabet::ALL, ..Shape::THREADS }));
}

/// Two locks of each sort, two waiters, more tasks and deeper bodies than in the others.
#[test]
fn large_programs() {
    agrees(of(Shape { tasks: 4, ops: 8, depth: 4, lane_ops: 40, locks: 2, waiters: 2, slots: 4, ..Shape::MIXED }));
}

/// What is run exhaustively with short schedules, with long ones.
#[test]
fn long_schedules_of_the_families() {
    let families = (0..families::ALL.len(), any::<u64>());
    agrees(families.prop_map(|(family, seed)| Arc::new(families::ALL[family].sample(LENGTH, &mut Seed(seed)))));
}

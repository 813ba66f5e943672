//! Shrinking through proptest ends at a program from which nothing can be taken.
#![cfg(feature = "proptest")]

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use shieldable_model::{LaneId, Model, Program, Shape, Trace, programs};

/// Something goes wrong: a task is torn out of an open shield.
fn fails(program: &Program) -> bool {
    let model = Model::new(program);
    let mut state = model.start();
    let mut trace = Trace::new();
    while model.step(&mut state, LaneId(0), &mut trace).is_some() {}
    program.fibers().any(|fiber| state.was_torn(fiber))
}

#[test]
fn a_failure_shrinks_to_the_operations_that_make_it() {
    let mut runner = TestRunner::deterministic();
    let strategy = programs(Shape::MIXED);
    let mut tree = std::iter::repeat_with(|| strategy.new_tree(&mut runner).expect("a program"))
        .find(|tree| fails(&tree.current()))
        .expect("some program fails");
    let mut simplest = tree.current();
    let mut more = tree.simplify();
    while more {
        if fails(&tree.current()) {
            simplest = tree.current();
            more = tree.simplify();
        } else {
            more = tree.complicate();
        }
    }
    let smaller = simplest.smaller().find(fails).map(|program| program.to_string());
    assert!(smaller.is_none(), "{simplest}\nfails, and so does\n{}", smaller.unwrap_or_default());
}

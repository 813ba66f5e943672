//! Random programs on real threads: each task on one, and others outside. The spec judges what they saw.

use std::sync::Arc;

use shieldable_model::{Alphabet, Coverage, Grammar, Seed, Shape, Style, allows};
use shieldable_proptests::scale::{scaled, seed};
use shieldable_proptests::threads;

/// By default.
const PROGRAMS: u64 = 8_000;

#[test]
fn the_spec_allows_what_threads_see() {
    let programs = scaled(PROGRAMS);
    let grammar = Grammar::new(Shape {
        tasks: 2,
        lane_ops: 3,
        style: Style::Threads { outside: 1 },
        alphabet: Alphabet::ALL.without(Alphabet::WAKERS),
        ..Shape::THREADS
    });
    let mut coverage = Coverage::default();
    let (mut events, mut stuck) = (0, 0);
    for number in 0..programs {
        let program = Arc::new(grammar.generate(&mut Seed(seed() ^ number)));
        let history = threads::run(&program);
        events += history.events.len();
        stuck += usize::from(history.stuck);
        match allows(&program, &history) {
            Ok(clauses) => coverage.merge(clauses),
            Err(mismatch) => panic!("{mismatch}"),
        }
    }
    println!("{programs} programs, {events} events, {stuck} ended asleep; clauses: {coverage}");
    assert!(coverage.iter().count() > 60, "too little was exercised: {coverage}");
}

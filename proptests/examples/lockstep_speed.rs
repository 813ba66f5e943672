//! How many generated programs a second run in lockstep with the model, on one core.

use std::sync::Arc;
use std::time::Instant;

use shieldable_model::{Grammar, Seed, Shape};
use shieldable_proptests::lockstep::Lockstep;

fn main() {
    let programs = std::env::args().nth(1).map_or(100_000, |n| n.parse().expect("a number of programs"));
    let shapes = [("mixed", Shape::MIXED), ("cancel", Shape::CANCEL), ("locks", Shape::LOCKS), ("moves", Shape::MOVES)];
    for (name, shape) in shapes {
        let grammar = Grammar::new(shape);
        let mut lockstep = Lockstep::new();
        let start = Instant::now();
        for seed in 0..programs {
            let program = Arc::new(grammar.generate(&mut Seed(seed)));
            if let Err(failure) = lockstep.run(&program, &mut Seed(seed)) {
                println!("seed {seed}: {failure}");
                return;
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{name}: {programs} programs, {} steps, {} operations in {seconds:.2} s: {:.0} programs and {:.0} steps a second",
            lockstep.steps(),
            lockstep.operations(),
            programs as f64 / seconds,
            lockstep.steps() as f64 / seconds,
        );
    }
}

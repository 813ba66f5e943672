//! How many generated programs a second the model runs in lockstep, on one core.

use std::time::Instant;

use shieldable_model::{Grammar, LaneId, Model, Seed, Shape, Trace};

fn main() {
    let grammar = Grammar::new(Shape::MIXED);
    let (programs, mut steps, mut returns) = (200_000, 0, 0);
    let mut trace = Trace::new();
    let start = Instant::now();
    for seed in 0..programs {
        let program = grammar.generate(&mut Seed(seed));
        let model = Model::new(&program);
        let mut state = model.start();
        while model.step(&mut state, LaneId(0), &mut trace).is_some() {
            steps += 1;
            returns += trace.returns.len();
            trace.clear();
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{programs} programs, {steps} steps, {returns} operations in {seconds:.2} s");
    println!("{:.0} programs a second, {:.0} ns a step", programs as f64 / seconds, seconds * 1e9 / steps as f64);
}

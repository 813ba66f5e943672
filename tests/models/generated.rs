//! Programs made by chance, too large for loom: several tasks, several locks, scopes inside scopes.

use shieldable_model::{Alphabet, Grammar, Program, Seed, Shape, Style};

use crate::harness::{Model, is_deep};

pub const MODELS: &[Model] = &[
    Model::programs("generated_programs_of_three_tasks", || generate(THREE_TASKS, 150)),
    Model::programs("generated_programs_of_three_tasks_and_their_locks", || generate(LOCKS, 100)),
    Model::programs("generated_programs_of_six_tasks", || generate(SIX_TASKS, 50)),
];

/// No joins: they are an executor's. No panics, no drops of tasks that another lane runs.
const THREE_TASKS: Shape = Shape {
    tasks: 3,
    locks: 2,
    waiters: 2,
    alphabet: Alphabet(Shape::THREADS.alphabet.0 & !(Alphabet::JOINS.0 | Alphabet::PANICS.0 | Alphabet::DROPS.0)),
    ..Shape::THREADS
};

const LOCKS: Shape =
    Shape { ops: 6, alphabet: Alphabet(Shape::LOCKS.alphabet.0 & THREE_TASKS.alphabet.0), ..THREE_TASKS };

const SIX_TASKS: Shape = Shape { tasks: 6, ops: 3, lane_ops: 2, style: Style::Threads { outside: 2 }, ..THREE_TASKS };

fn generate(shape: Shape, count: u64) -> Vec<Program> {
    let grammar = Grammar::new(shape);
    let count = if is_deep() { 4 * count } else { count };
    (0..count).map(|seed| grammar.generate(&mut Seed(seed))).collect()
}

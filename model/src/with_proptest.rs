//! Generated programs as a proptest strategy. They shrink as programs, not as the bytes they were made from.

use proptest::strategy::{NewTree, Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::generate::Seed;
use crate::grammar::{Grammar, Shape};
use crate::program::Program;

/// All programs of a shape.
#[derive(Clone, Debug)]
pub struct Programs {
    grammar: Grammar,
}

/// All programs of a shape.
pub fn programs(shape: Shape) -> Programs {
    Programs { grammar: Grammar::new(shape) }
}

/// A program, and how far its shrinking has come.
#[derive(Clone, Debug)]
pub struct Tree {
    current: Program,
    before: Option<Program>,
    /// The smaller programs of `current` that were not tried yet, from the back. None before the first is wanted.
    candidates: Option<Vec<Program>>,
}

impl Strategy for Programs {
    type Tree = Tree;
    type Value = Program;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let mut seed = Seed(rand_seed(runner));
        Ok(Tree::new(self.grammar.generate(&mut seed)))
    }
}

fn rand_seed(runner: &mut TestRunner) -> u64 {
    use proptest::prelude::RngCore;
    runner.rng().next_u64()
}

impl Tree {
    fn new(program: Program) -> Self {
        Self { candidates: None, current: program, before: None }
    }

    /// On to the next smaller program, if there is one.
    fn try_next(&mut self) -> bool {
        let candidates = self.candidates.get_or_insert_with(|| candidates(&self.current));
        let Some(next) = candidates.pop() else { return false };
        self.before = Some(std::mem::replace(&mut self.current, next));
        true
    }
}

fn candidates(program: &Program) -> Vec<Program> {
    let mut all: Vec<Program> = program.smaller().collect();
    all.reverse();
    all
}

impl ValueTree for Tree {
    type Value = Program;

    fn current(&self) -> Program {
        self.current.clone()
    }

    /// Tries the next smaller program. What failed is kept, with new candidates of its own.
    fn simplify(&mut self) -> bool {
        if self.before.take().is_some() {
            self.candidates = None;
        }
        self.try_next()
    }

    /// The smaller program did not fail: back to the one before, and on to its next candidate.
    fn complicate(&mut self) -> bool {
        let Some(before) = self.before.take() else { return false };
        self.current = before;
        self.try_next()
    }
}

//! Generated programs for fuzzers: one byte of the input a decision, so that small changes of the input are small
//! changes of the program.

use std::sync::OnceLock;

use arbitrary::{Arbitrary, Unstructured};

use crate::generate::Choices;
use crate::grammar::{Grammar, Shape};
use crate::program::Program;

impl Choices for Unstructured<'_> {
    fn pick(&mut self, n: usize) -> usize {
        // When the input is used up this is 0.
        usize::from(u8::arbitrary(self).unwrap_or(0)) % n
    }
}

/// A program of [`Shape::MIXED`]. For other shapes call [`Grammar::generate`] with the input.
impl<'a> Arbitrary<'a> for Program {
    fn arbitrary(input: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        static GRAMMAR: OnceLock<Grammar> = OnceLock::new();
        Ok(GRAMMAR.get_or_init(|| Grammar::new(Shape::MIXED)).generate(input))
    }
}

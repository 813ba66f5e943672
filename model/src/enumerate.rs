//! All programs of a skeleton: a text with holes, each filled with each of its alternatives.
//!
//! A hole is a name in angle brackets; the alternatives of a name are texts, the empty one among them if a hole may
//! stay empty. A `#` in one stands for the number of the hole, to give what is declared there a name of its own. Of
//! programs that differ only in names or in the order of threads and top fibers, one is kept.

use std::collections::HashSet;

use crate::parse::ParseError;
use crate::program::Program;

/// All programs of a skeleton, up to symmetry.
///
/// ```
/// use shieldable_model::{enumerate, Program};
/// let bodies: &[&str] = &["suspend", "enter"];
/// let outside: &[&str] = &["cancel t0", "poll t0"];
/// let all = enumerate(
///     "task t0 { <body> <body> } thread { run t0 } thread { <out> } thread { <out> }",
///     &[("body", bodies), ("out", outside)],
/// ).unwrap();
/// assert_eq!(all.len(), 12); // 4 bodies, and 3 pairs of operations from outside
/// ```
///
/// # Errors
///
/// If a filled skeleton is not a program.
pub fn enumerate(skeleton: &str, alphabets: &[(&str, &[&str])]) -> Result<Vec<Program>, ParseError> {
    enumerate_if(skeleton, alphabets, |_| true)
}

/// As [`enumerate`], but only those that `keep` is true of.
///
/// # Errors
///
/// If a filled skeleton is not a program.
pub fn enumerate_if(
    skeleton: &str,
    alphabets: &[(&str, &[&str])],
    mut keep: impl FnMut(&Program) -> bool,
) -> Result<Vec<Program>, ParseError> {
    let mut all = Vec::new();
    let mut seen = HashSet::new();
    for_each_filling(skeleton, 0, alphabets, &mut |text| {
        let program: Program = text.parse()?;
        if !keep(&program) {
            return Ok(());
        }
        let program = program.canonical();
        if seen.insert(program.to_string()) {
            all.push(program);
        }
        Ok(())
    })?;
    Ok(all)
}

fn for_each_filling(
    skeleton: &str,
    filled: usize,
    alphabets: &[(&str, &[&str])],
    found: &mut impl FnMut(&str) -> Result<(), ParseError>,
) -> Result<(), ParseError> {
    let hole = skeleton.split_once('<').and_then(|(before, rest)| {
        let (name, after) = rest.split_once('>')?;
        let (_, alternatives) = alphabets.iter().find(|alphabet| alphabet.0 == name)?;
        Some((before, *alternatives, after))
    });
    let Some((before, alternatives, after)) = hole else { return found(skeleton) };
    for alternative in alternatives {
        let alternative = alternative.replace('#', &filled.to_string());
        for_each_filling(&format!("{before}{alternative}{after}"), filled + 1, alphabets, found)?;
    }
    Ok(())
}

//! The Python package as a second opinion: what it did with thousands of programs, beside the model and the crate.
//!
//! Every recorded program runs in lockstep on the model and on the implementation, and every step is compared with what
//! Python did. Where they differ, one of the named departures must explain it.

mod compare;
mod departures;
mod vectors;

use std::collections::BTreeMap;

use shieldable_model::Seed;
use shieldable_proptests::lockstep::Lockstep;

use compare::{Comparison, Stop};
use departures::{ALL, Counts};

/// So many steps are compared, at the least: nearly all that are recorded. The others come after the two runs have
/// parted.
const COMPARED: usize = 34_000;

#[test]
fn python_does_the_same_but_for_the_departures() {
    let mut lockstep = Lockstep::new();
    let mut counts = Counts::default();
    let mut families = BTreeMap::<&str, usize>::new();
    let mut failures = Vec::new();
    let (mut steps, mut compared) = (0, 0);
    for vector in vectors::all() {
        *families.entry(vector.family).or_default() += 1;
        steps += vector.steps.len();
        let mut comparison = Comparison::new(&vector);
        let run = lockstep.run_watched(&vector.program, &mut Seed(0), |_, step| comparison.step(&step));
        run.unwrap_or_else(|failure| panic!("after {} vectors, line {}: {failure}", failure.programs, vector.line));
        for (at, (departure, _)) in ALL.iter().enumerate() {
            counts.vectors[at] += usize::from(comparison.met.contains(departure));
            counts.ended[at] += usize::from(matches!(&comparison.stop, Some(Stop::Parted(by)) if by == departure));
        }
        compared += comparison.compared();
        if comparison.compared() == 0 {
            failures.push(format!("line {}: nothing was compared", vector.line));
        }
        match comparison.stop {
            Some(Stop::Mismatch(what)) => failures.push(format!("line {}, {what}\n{}", vector.line, vector.program)),
            None if !comparison.is_complete() => failures.push(format!("line {}: steps are left", vector.line)),
            _ => {}
        }
    }
    println!("{families:?}; {compared} of {steps} steps compared\n{counts}");
    let shown: Vec<_> = failures.iter().take(10).cloned().collect();
    assert!(failures.is_empty(), "{} vectors differ unexplained:\n\n{}", failures.len(), shown.join("\n\n"));
    assert!(compared >= COMPARED, "only {compared} of {steps} steps were compared");
    let too_few = counts.too_few();
    assert!(too_few.is_empty(), "departures that hardly occur any more: {too_few:?}");
}

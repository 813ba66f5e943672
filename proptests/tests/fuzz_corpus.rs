//! The seeds that the fuzzers start from: in lockstep with the model, and reaching what SPEC.md promises.
//!
//! When the generator changes, the seeds stand for other programs: `fuzz/seeds` makes new ones.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use shieldable_model::{Bytes, Clause, Coverage, Seed, exercised};
use shieldable_proptests::inputs::Target;
use shieldable_proptests::lockstep::Lockstep;

/// Bytes of all committed seeds together.
const MOST_BYTES: u64 = 100_000;

fn seeds(folder: &Path) -> Vec<Vec<u8>> {
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("a folder of seeds").map(|entry| entry.unwrap().path()).collect();
    // Beside the seeds lies what a fuzzer has found on this machine.
    files.retain(|file| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("seed-")));
    files.sort();
    files.iter().map(|file| fs::read(file).expect("a seed")).collect()
}

fn corpus() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus"))
}

fn reached(target: Target) -> Coverage {
    let mut lockstep = Lockstep::new();
    let seeds = seeds(&corpus().join(target.name()));
    assert!(!seeds.is_empty(), "{} has no seeds", target.name());
    for seed in &seeds {
        let program = Arc::new(target.program(&mut Bytes(seed)));
        lockstep.run(&program, &mut Seed(0)).unwrap_or_else(|failure| panic!("{failure}"));
    }
    let coverage = lockstep.coverage();
    println!("{}: {} seeds reach {} clauses: {coverage}", target.name(), seeds.len(), coverage.iter().count());
    coverage
}

#[test]
fn the_seeds_of_mixed_reach_every_observable_clause() {
    let coverage = reached(Target::Mixed);
    exercised("fuzz", coverage).unwrap();
    let missing: Vec<_> = coverage.missing().map(Clause::id).collect();
    assert!(missing.is_empty(), "no seed of mixed reaches {missing:?}; `fuzz/seeds` looks for some");
}

#[test]
fn the_seeds_of_the_other_targets_reach_what_these_are_about() {
    let groups = [
        (Target::CancelSequences, &["SCP", "DLV", "HDL", "SHD", "NST", "CHK"][..]),
        (Target::LockSequences, &["LCK", "WTR"]),
        (Target::Threads, &["SCP", "HDL", "SHD", "NST", "TSK", "CHK", "TMO", "LCK", "RLK", "WTR"]),
    ];
    for (target, groups) in groups {
        let coverage = reached(target);
        let missing: Vec<_> = coverage.missing().map(Clause::id).filter(|id| groups.contains(&&id[..3])).collect();
        assert!(missing.is_empty(), "no seed of {} reaches {missing:?}", target.name());
    }
}

#[test]
fn the_seeds_are_small() {
    let names = Target::ALL.map(Target::name).into_iter().chain(["program_text"]);
    let bytes: u64 = names.flat_map(|name| seeds(&corpus().join(name))).map(|seed| seed.len() as u64).sum();
    println!("{bytes} bytes of seeds");
    assert!(bytes <= MOST_BYTES, "{bytes} bytes of seeds");
}

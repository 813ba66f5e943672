//! Programs on real tokio runtimes, with real races, judged by the spec.
//!
//! Each lane of a program is spawned: those that run a task poll it with tokio's own context, the others poll, cancel,
//! abort, drop, notify and ask. Each writes down what it saw, and the judge looks for an order of steps in which the
//! spec does the same. Nothing sleeps, and nothing ends by the clock: a run is over when all workers are parked
//! (`stage.rs`). Tasks that are asleep then must be asleep in the spec, too, or a wake-up is lost.
//!
//! The driver is that of lockstep, and so is the language: all of it, polls with other wakers included. At the default
//! size or more, every observable clause and everything in `EVENTS` must occur on each runtime. On a current thread the
//! same happens in every run; on two workers the rarest occurs about sixty times.

mod flavours;
mod stage;

use std::sync::Arc;

use shieldable_model::{Clause, Coverage, History, Judge, Order, Program, Seen, exercised};

use shieldable_proptests::scale::{DEFAULT_CASES, cases, scaled, seed};

use flavours::{EVENTS, FLAVOURS};
use stage::{Run, Stage};

/// So many histories of each flavour, by default.
const HISTORIES: u64 = 5120;

/// What the histories of a runtime show.
struct Seeing {
    histories: usize,
    /// Something of another lane was seen during an operation.
    overlapping: usize,
    asleep: usize,
    clauses: Vec<usize>,
    events: Vec<usize>,
}

impl Seeing {
    fn new() -> Self {
        let (clauses, events) = (vec![0; Clause::ALL.len()], vec![0; EVENTS.len()]);
        Self { histories: 0, overlapping: 0, asleep: 0, clauses, events }
    }

    fn see(&mut self, program: &Program, run: &Run, coverage: Coverage) {
        self.histories += 1;
        self.overlapping += usize::from(overlaps(&run.history));
        self.asleep += usize::from(run.history.stuck);
        coverage.iter().for_each(|clause| self.clauses[clause as usize] += 1);
        for (count, (_, happened)) in self.events.iter_mut().zip(EVENTS) {
            *count += usize::from(happened(program, run));
        }
    }

    /// All that should be seen and in how many histories it was, the rarest first.
    fn counts(&self) -> Vec<(usize, &'static str)> {
        let clauses = Clause::ALL.iter().filter(|clause| clause.is_observable());
        let clauses = clauses.map(|clause| (self.clauses[*clause as usize], clause.id()));
        let events = self.events.iter().zip(EVENTS).map(|(count, (name, _))| (*count, *name));
        let mut counts: Vec<_> = clauses.chain(events).collect();
        counts.sort_unstable();
        counts
    }
}

fn overlaps(history: &History) -> bool {
    history.events.windows(2).any(|pair| {
        let [first, second] = pair else { return false };
        matches!(first.seen, Seen::Call(_)) && first.lane != second.lane
    })
}

/// Runs programs of each flavour, each so many times.
fn judged(stage: &Stage, runs: u64) -> Seeing {
    let programs = scaled(HISTORIES).div_ceil(runs);
    let mut seeing = Seeing::new();
    let mut all = Coverage::default();
    for (name, source) in FLAVOURS {
        let mut clauses = Coverage::default();
        for (number, program) in (0..).zip(source.programs(programs)) {
            let program = Arc::new(program);
            for run in 0..runs {
                let run = stage.run(&program, seed() ^ (run << 32 | number));
                let mut judge = Judge::new(&program, Order::RealTime).roused_by_any_waker();
                let coverage = judge.allows(&run.history).unwrap_or_else(|mismatch| {
                    panic!("after {} histories, {mismatch}", seeing.histories + 1);
                });
                clauses.merge(coverage);
                seeing.see(&program, &run, coverage);
            }
        }
        all.merge(clauses);
        println!("{:>9} histories, {} clauses: {name}", programs * runs, clauses.iter().count());
    }
    let Seeing { histories, overlapping, asleep, .. } = seeing;
    println!("{histories:>9} histories in all, of which {overlapping} overlap, {asleep} end with somebody asleep, and");
    let counts = seeing.counts();
    for (count, what) in &counts {
        println!("{count:>9} {what}");
    }
    let never: Vec<_> = counts.iter().filter(|(count, _)| *count == 0).map(|(_, what)| *what).collect();
    if cases() >= DEFAULT_CASES {
        assert!(never.is_empty(), "never seen: {never:?}");
        exercised("tokio", all).unwrap();
    }
    seeing
}

#[test]
fn tasks_on_a_current_thread_runtime_do_what_the_spec_allows() {
    judged(&Stage::current_thread(), 1);
}

#[test]
fn tasks_on_two_workers_do_what_the_spec_allows() {
    let seen = judged(&Stage::two_workers(), 5);
    assert!(seen.overlapping > seen.histories / 10, "hardly anything ran at the same time");
}

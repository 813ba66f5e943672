//! Programs on real tokio runtimes, with real races, judged by the spec.
//!
//! Each task of a program is spawned and polled with tokio's own wakers; the threads outside are tokio tasks that
//! cancel, notify and ask. Each lane writes down what it saw, and the judge looks for an order of steps in which the
//! spec does the same. Nothing sleeps; the programs are such that every task ends (`programs.rs`). A run that does not
//! is a lost wake-up.

mod interpreter;
mod jostle;
mod programs;
mod record;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use proptest::test_runner::Config;
use shieldable_model::{Coverage, History, Outcome, Program, Ret, Seen, allows};
use tokio::runtime::{Builder, Runtime};

use interpreter::Run;
use jostle::Jostle;

/// Nothing is timed by it: a run that takes so long hangs.
const HANGS: Duration = Duration::from_secs(60);

fn current_thread() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

fn two_workers() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).build().unwrap()
}

fn run_once(runtime: Runtime, program: Arc<Program>, jostle: Option<Jostle>) -> (Runtime, History) {
    let (done, result) = channel();
    let thread = std::thread::spawn({
        let program = program.clone();
        move || {
            let history = runtime.block_on(Run::of(program, jostle));
            let _ = done.send(history);
            runtime
        }
    });
    let Ok(history) = result.recv_timeout(HANGS) else { panic!("a wake-up is lost:\n{program}") };
    (thread.join().unwrap(), history)
}

#[derive(Default)]
struct Witnesses {
    runs: usize,
    /// Something else happened during an operation.
    overlapping: usize,
    outcomes: BTreeMap<Ret, usize>,
    coverage: Coverage,
}

impl Witnesses {
    fn see(&mut self, history: &History, coverage: Coverage) {
        self.runs += 1;
        self.coverage.merge(coverage);
        let mut calls = history.events.windows(2);
        self.overlapping += usize::from(calls.any(|pair| {
            let [first, second] = pair else { return false };
            matches!(first.seen, Seen::Call(_)) && first.lane != second.lane
        }));
        for event in &history.events {
            if let Seen::Return(_, ret) = event.seen {
                *self.outcomes.entry(ret).or_default() += 1;
            }
        }
    }
}

fn judged(mut runtime: Runtime, runs: u32, jostle: bool) -> Witnesses {
    let mut seen = Witnesses::default();
    for seed in 0..u64::from(Config::default().cases) {
        let program = Arc::new(programs::program(seed));
        for run in 0..runs {
            let jostle = jostle.then(|| Jostle::new(run << 8 | seed as u32));
            let history;
            (runtime, history) = run_once(runtime, program.clone(), jostle);
            let coverage = allows(&program, &history).unwrap_or_else(|mismatch| panic!("{mismatch}"));
            seen.see(&history, coverage);
        }
    }
    println!("{} runs, {} overlapping, {:?}", seen.runs, seen.overlapping, seen.outcomes);
    println!("clauses: {}", seen.coverage);
    for outcome in
        [Ret::Pending, Ret::Ready(Outcome::Value), Ret::Ready(Outcome::Cancelled), Ret::Flag(true), Ret::Flag(false)]
    {
        assert!(seen.outcomes.contains_key(&outcome), "{outcome} never occurred");
    }
    seen
}

#[test]
fn tasks_on_a_current_thread_runtime_do_what_the_spec_allows() {
    judged(current_thread(), 1, false);
}

#[test]
fn tasks_on_two_workers_do_what_the_spec_allows() {
    let seen = judged(two_workers(), 6, true);
    assert!(seen.overlapping > seen.runs / 10, "hardly anything ran at the same time");
}

//! Times in turns: every side of a comparison runs once per round, so that a busy moment of the machine hits all of
//! them, and what is judged is the median over the rounds of the ratio within a round.
//!
//! Harnesses that measure one function after the other give good absolute figures and bad ratios on a machine that is
//! not idle. The former are `criterion.rs`'s.

use std::hint::black_box;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How long to measure, and where to say how far it is.
#[derive(Debug)]
pub struct Plan {
    pub rounds: usize,
    /// Each side runs for about so long in each round.
    pub slice: Duration,
    /// A glimpse: sizes stay below what takes long, and figures are rough.
    pub quick: bool,
    bar: ProgressBar,
}

impl Plan {
    pub fn new(quick: bool) -> Self {
        let bar = ProgressBar::new_spinner()
            .with_style(ProgressStyle::with_template("{spinner} {elapsed} {msg}").expect("a fixed template"));
        bar.enable_steady_tick(Duration::from_millis(100));
        // Many short slices: most then pass without the scheduler taking the processor away in the middle.
        let (rounds, slice) = if quick { (9, Duration::from_micros(500)) } else { (101, Duration::from_micros(700)) };
        Self { rounds, slice, quick, bar }
    }

    /// Says what is being measured.
    pub fn say(&self, what: impl Into<String>) {
        self.bar.set_message(what.into());
    }

    /// Prints above the line that says what is being measured.
    ///
    /// # Errors
    ///
    /// If standard output takes nothing, as when its reader has gone away.
    pub fn print(&self, text: &str) -> io::Result<()> {
        self.bar.suspend(|| writeln!(io::stdout(), "{text}"))
    }
}

/// One way to do the thing that is measured.
pub struct Side<'a> {
    name: &'static str,
    /// Does it so many times, and says how long that took.
    run: Box<dyn FnMut(u64) -> Duration + 'a>,
}

impl<'a> Side<'a> {
    /// `run` does the operation so many times and times itself.
    pub fn timed(name: &'static str, run: impl FnMut(u64) -> Duration + 'a) -> Self {
        Self { name, run: Box::new(run) }
    }

    /// An operation by itself.
    pub fn each<R>(name: &'static str, mut operation: impl FnMut() -> R + 'a) -> Self {
        Self::timed(name, move |times| {
            let start = Instant::now();
            for _ in 0..times {
                black_box(operation());
            }
            start.elapsed()
        })
    }
}

/// Nanoseconds per operation of one side, round by round.
#[derive(Clone, Debug)]
pub struct Times(pub Vec<f64>);

impl Times {
    pub fn median(&self) -> f64 {
        median(self.0.clone())
    }

    /// The lower quartile: what it takes when nobody disturbs. For times that are compared with those of other moments.
    pub fn undisturbed(&self) -> f64 {
        let mut values = self.0.clone();
        values.sort_by(f64::total_cmp);
        values[values.len() / 4]
    }

    /// The median over the rounds of `figure` of both sides' times in a round.
    pub fn with(&self, other: &Self, figure: impl Fn(f64, f64) -> f64) -> f64 {
        median(self.0.iter().zip(&other.0).map(|(&one, &two)| figure(one, two)).collect())
    }

    /// How many times the other side's time this one takes.
    pub fn over(&self, other: &Self) -> f64 {
        self.with(other, |one, two| one / two)
    }
}

/// Runs the sides in turns.
pub fn in_turns<const N: usize>(plan: &Plan, what: &str, mut sides: [Side<'_>; N]) -> [Times; N] {
    let times: Vec<u64> = sides.iter_mut().map(|side| operations_in(plan.slice, &mut side.run)).collect();
    let mut results = std::array::from_fn(|_| Times(Vec::with_capacity(plan.rounds)));
    for round in 0..plan.rounds {
        for turn in 0..N {
            // Backwards in every second round: whoever comes first has no advantage of it.
            let index = if round % 2 == 0 { turn } else { N - 1 - turn };
            let side = &mut sides[index];
            plan.say(format!("{what}: {}, round {} of {}", side.name, round + 1, plan.rounds));
            let took = (side.run)(times[index]);
            results[index].0.push(took.as_nanos() as f64 / times[index] as f64);
        }
    }
    results
}

/// How many operations fit into a slice. Warms up on the way.
fn operations_in(slice: Duration, run: &mut dyn FnMut(u64) -> Duration) -> u64 {
    let mut times = 1;
    loop {
        let took = run(times);
        if took >= slice / 4 {
            let fit = times as f64 * slice.as_secs_f64() / took.as_secs_f64();
            return (fit as u64).max(1);
        }
        times *= 4;
    }
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

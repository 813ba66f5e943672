//! `cargo verify`: the checks that look for bugs in one command, and what they are worth.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{ArgGroup, Parser};
use shieldable_verify::matrix::{self, Plan};
use shieldable_verify::{Usage, interrupt, ladder, markdown, parts, report, root};

/// Runs the whole ladder of checks, from the exploration of the spec to the seeded bugs, and ends with one table.
///
/// Exit status: 0 if everything that ran was green, 1 if a check failed, 2 for a wrong command line, 130 if
/// interrupted.
#[derive(Debug, Parser)]
#[command(name = "cargo verify", bin_name = "cargo verify", version, max_term_width = 110)]
#[command(group = ArgGroup::new("level").args(["quick", "deep"]))]
#[command(group = ArgGroup::new("job").args(["matrix", "report", "merge", "list"]))]
struct Arguments {
    /// A few minutes: smaller bounds, fewer cases
    #[arg(long, conflicts_with_all = ["matrix", "report", "merge"])]
    quick: bool,
    /// Hours: the largest bounds, campaigns, sanitizers
    #[arg(long, conflicts_with_all = ["matrix", "report", "merge"])]
    deep: bool,
    /// Only these rungs of the ladder (see --list)
    #[arg(long, value_name = "NAME", num_args = 1.., conflicts_with_all = ["list", "matrix", "report", "merge"])]
    only: Vec<String>,
    /// The K-th of N machines: runs its share of the ladder
    #[arg(long, value_name = "K/N", value_parser = ladder::Share::parse, conflicts_with_all = ["matrix", "report", "merge"])]
    part: Option<ladder::Share>,
    /// Lists the rungs and what they take; with --part, what that machine runs of each
    #[arg(long)]
    list: bool,

    /// Each seeded bug against each checker, as far as not known yet; writes docs/kill-matrix.md
    #[arg(long)]
    matrix: bool,
    /// Only these checkers
    #[arg(long, value_name = "ID", num_args = 1.., requires = "matrix")]
    checkers: Vec<String>,
    /// Only bugs with one of these in their id
    #[arg(long, value_name = "TEXT", num_args = 1.., requires = "matrix")]
    bugs: Vec<String>,
    /// Seconds of processor time for the models or long tests of one cell, building aside; those that had less are run
    /// again
    #[arg(long, value_name = "SECONDS", default_value_t = 30, requires = "matrix")]
    budget: u64,
    /// Begins no bug after so many minutes
    #[arg(long, value_name = "MINUTES", requires = "matrix")]
    minutes: Option<f64>,
    /// Bugs at a time, each with a copy of the sources of its own
    #[arg(long, value_name = "N", default_value_t = 2, requires = "matrix")]
    jobs: usize,
    /// Systematic checkers alone, and no further for a bug that one of them has noticed
    #[arg(long, requires = "matrix")]
    until_killed: bool,
    /// Runs a fixed choice of N known kills again; fails if one of them is none any more
    #[arg(long, value_name = "N", requires = "matrix", conflicts_with_all = ["bugs", "until_killed", "again"])]
    sample: Option<NonZeroUsize>,
    /// Runs cells again that are known
    #[arg(long, requires = "matrix")]
    again: bool,
    /// Tries the sources of this commit instead of the working tree
    #[arg(long, value_name = "REVISION", requires = "matrix")]
    commit: Option<String>,
    /// Where the private copies of the sources are
    #[arg(long, value_name = "FOLDER", requires = "matrix")]
    work: Option<PathBuf>,

    /// Writes target/verify/report.html and docs/kill-matrix.md from what is known, and runs nothing
    #[arg(long)]
    report: bool,
    /// Puts the parts of several machines together into one report
    #[arg(long, value_name = "FOLDER", num_args = 1..)]
    merge: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match interrupt::listen().and_then(|()| run(&arguments)) {
        Ok(_) if interrupt::happened() => ExitCode::from(130),
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cargo verify: {error:#}");
            if error.is::<Usage>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool> {
    let level = match (arguments.quick, arguments.deep) {
        (true, _) => ladder::Level::Quick,
        (_, true) => ladder::Level::Deep,
        _ => ladder::Level::Usual,
    };
    if arguments.matrix {
        return run_matrix(arguments);
    }
    if arguments.list {
        return ladder::list(level, arguments.part).map(|()| true);
    }
    if !arguments.merge.is_empty() {
        parts::merge(&arguments.merge)?;
    }
    if arguments.report || !arguments.merge.is_empty() {
        let good = report::verdict(!arguments.merge.is_empty())?;
        markdown::write()?;
        report::write()?;
        return Ok(good);
    }
    let green = ladder::run(level, &arguments.only, arguments.part)?;
    report::write()?;
    Ok(green)
}

/// A week, in seconds.
const MOST_BUDGET: u64 = 604_800;

fn run_matrix(arguments: &Arguments) -> Result<bool> {
    if !(1..=MOST_BUDGET).contains(&arguments.budget)
        || arguments.minutes.is_some_and(|minutes| !(minutes > 0.0 && minutes < 1e6))
    {
        return Err(Usage::error("the time must be more than nothing, and not for ever"));
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let plan = Plan {
        results: root().join("docs/kill-matrix.json"),
        work: arguments.work.clone().unwrap_or_else(|| target.join("verify/mutants")),
        commit: arguments.commit.clone(),
        columns: arguments.checkers.clone(),
        bugs: arguments.bugs.clone(),
        budget: Duration::from_secs(arguments.budget),
        time: arguments.minutes.map(|minutes| Duration::from_secs_f64(minutes * 60.0)),
        jobs: arguments.jobs,
        again: arguments.again,
        until_killed: arguments.until_killed,
        sample: arguments.sample.map(NonZeroUsize::get),
    };
    let summary = matrix::run(&plan)?;
    for wrong in &summary.wrong {
        println!("WRONG: {wrong}");
    }
    for survivor in &summary.survived {
        println!("survived: {survivor}");
    }
    println!(
        "{} cells: {} killed, {} survived, {} not finished in their time, {} not run",
        summary.cells,
        summary.killed,
        summary.survived.len(),
        summary.unfinished,
        summary.left
    );
    if plan.sample.is_none() {
        markdown::write()?;
    }
    // A sample that was cut short shows nothing.
    Ok(summary.wrong.is_empty() && (plan.sample.is_none() || summary.left == 0))
}

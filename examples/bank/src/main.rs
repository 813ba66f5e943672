//! Moves money between two banks under a storm of cancellations, three ways, and audits the books.
//!
//! The crate's motivating program. A transfer is four steps at three servers (debit, journal line, credit, closing
//! line), no transaction covers them, and a cancellation may arrive at any await. The same orders and the same storm
//! are run with plain tokio tasks and `abort`, with the spawn-and-await shield of crate `tokio-shield`, and with
//! shieldable tasks; the table says what each left behind. See `transfer.rs` for the three writings, `audit.rs` for the
//! judge.

mod audit;
mod plan;
mod report;
mod store;
mod storm;
mod transfer;
mod ways;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;
use clap::builder::RangedU64ValueParser;
use indicatif::{ProgressBar, ProgressStyle};

use crate::report::{Column, Table};
use crate::storm::Interrupted;
use crate::ways::Way;

/// Moves money between two banks under a storm of cancellations, three ways, and audits the books.
#[derive(Debug, Parser)]
#[command(
    name = "bank",
    after_help = "Exit codes: 0 all is well with the last column, 1 it is not, 2 bad arguments, 3 the run could not be \
                  done, 130 interrupted.\nThe damage in the other two columns is what they are there to show and fails \
                  nothing."
)]
struct Args {
    /// Decides the orders and where the storm strikes
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Transfers in each of the three runs
    #[arg(long, default_value_t = 15_000, value_parser = RangedU64ValueParser::<u64>::new().range(1..=1_000_000))]
    transfers: u64,

    /// Accounts in each of the two banks
    #[arg(long, default_value_t = 200, value_parser = RangedU64ValueParser::<u32>::new().range(1..=10_000))]
    accounts: u32,

    /// Transfers in the air at the same time
    #[arg(long, default_value_t = 400, value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    at_once: usize,

    /// Keep the databases and journals, and say where they are
    #[arg(long)]
    keep: bool,

    /// Leave the shield out of the last run, to see that the audit notices
    #[arg(long)]
    no_shield: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let columns = match run_all(&args) {
        Ok(columns) => columns,
        Err(error) if error.is::<Interrupted>() => {
            eprintln!("bank: interrupted");
            return ExitCode::from(130);
        }
        Err(error) => {
            eprintln!("bank: {error:#}");
            return ExitCode::from(3);
        }
    };
    let faults = columns.last().map(Column::faults).unwrap_or_default();
    let verdict = if faults.is_empty() {
        "shieldable: nothing torn, nothing lost, nothing left running, not a coin missing.".to_owned()
    } else {
        format!("BROKEN: {}.", faults.join("; "))
    };
    let Args { seed, accounts, at_once, .. } = args;
    // `println!` panics if the reader has gone away, as `head` does. The exit code still tells.
    let _ = writeln!(
        std::io::stdout(),
        "seed {seed}, {accounts} accounts in each bank, {at_once} transfers at once\n\n{}\n{verdict}",
        Table(&columns)
    );
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The three runs, each in a directory of its own that is gone afterwards.
fn run_all(args: &Args) -> Result<Vec<Column>> {
    let dir = tempfile::Builder::new().prefix("bank-").tempdir().context("cannot create a temporary directory")?;
    let result = run_in(args, dir.path());
    if args.keep {
        eprintln!("files kept in {}", dir.keep().display());
    } else if let Err(error) = dir.close() {
        eprintln!("bank: cannot remove the temporary directory: {error}");
    }
    result
}

fn run_in(args: &Args, dir: &Path) -> Result<Vec<Column>> {
    let plan = plan::draw(args.seed, args.transfers, args.accounts);
    let style =
        ProgressStyle::with_template("{msg:>14} {wide_bar} {pos}/{len} {elapsed}").context("the progress bar")?;
    let ways = [Way::Abort, Way::SpawnAndAwait, Way::Shieldable { shield: !args.no_shield }];
    let run = |way: &Way| {
        let paths = store::Paths::create(&dir.join(way.name().replace(['(', ')', ' '], "")))?;
        // Hides itself where no terminal shows it.
        let bar = ProgressBar::new(args.transfers).with_style(style.clone()).with_message(way.name());
        let column = storm::run(*way, &plan, &paths, (args.accounts, args.at_once, args.seed), &bar);
        bar.finish_and_clear();
        column
    };
    ways.iter().map(run).collect()
}

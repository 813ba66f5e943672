//! Ours and theirs in one run; see `--help`.

use std::fs::{self, File};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser};
use shieldable_benches::alloc::Counting;
use shieldable_benches::measure::Plan;
use shieldable_benches::plot;
use shieldable_benches::report::{self, Line};
use shieldable_benches::sections::{self, Curve, Section};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Measures shieldable beside its peers, in turns within one run, and judges the ratios.
///
/// The exit code is 1 if a bound is missed, and 2 for a wrong command line. A bound on a time holds if the median over
/// the rounds is within 5 % of it.
#[derive(Debug, Parser)]
#[command(name = "shieldable-benches", version = None)]
struct Options {
    /// Run only this section; may be given several times.
    #[arg(long, value_name = "SECTION", value_parser = PossibleValuesParser::new(sections::ALL.map(|known| known.name)))]
    only: Vec<String>,

    /// A glimpse in seconds: few short rounds, small sizes. Its verdicts mean little.
    #[arg(long)]
    quick: bool,

    /// Draw the growth curves into this file.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,

    /// Write the table and the plot into docs/performance.md and docs/performance.svg. Needs a whole run.
    #[arg(long, conflicts_with_all = ["only", "quick", "plot"])]
    docs: bool,

    /// Of a child process that measures memory: whose tasks, and how many.
    #[arg(long, hide = true, num_args = 2)]
    idle: Option<Vec<String>>,
}

fn main() -> Result<ExitCode> {
    let unread = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    match run(Options::parse()) {
        // The reader has gone away, as `head` does: what a shell says of SIGPIPE, since there is no verdict.
        Err(error) if error.downcast_ref().is_some_and(unread) => Ok(ExitCode::from(141)),
        outcome => outcome,
    }
}

fn run(options: Options) -> Result<ExitCode> {
    if let Some(idle) = options.idle {
        sections::idle_child(&idle[0], idle[1].parse()?)?;
    }
    if let Some(path) = &options.plot {
        // Minutes of measuring are not lost to a wrong path. What is in the file stays until there is something better.
        if let Err(error) = File::options().append(true).create(true).open(path) {
            let message = format!("cannot write {}: {error}", path.display());
            Options::command().error(ErrorKind::Io, message).exit();
        }
    }
    let plan = Plan::new(options.quick);
    let (mut tables, mut curves): (Vec<(&str, Vec<Line>)>, Vec<Curve>) = Default::default();
    for section in selected(&options.only) {
        plan.print(&format!("\n{}\n{}", section.title, report::headings()))?;
        if !std::io::stderr().is_terminal() {
            // There is no moving line that says what is going on.
            eprintln!("measuring: {}", section.title);
        }
        let outcome = (section.run)(&plan);
        for line in &outcome.lines {
            plan.print(&report::row(line))?;
        }
        tables.push((section.title, outcome.lines));
        curves.extend(outcome.curves);
    }
    if let Some(path) = &options.plot {
        plot::draw(path, &curves)?;
    }
    if options.docs {
        write_docs(&tables, &curves)?;
    }
    let missed = tables.iter().flat_map(|(_, lines)| lines).filter(|line| line.is_missed()).count();
    plan.print(&match missed {
        0 => "\nall bounds hold".into(),
        missed => format!("\nbounds missed: {missed}"),
    })?;
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn selected(only: &[String]) -> impl Iterator<Item = Section> {
    sections::ALL.into_iter().filter(|section| only.is_empty() || only.iter().any(|name| name == section.name))
}

/// Replaces what is between the marks of the page.
fn write_docs(tables: &[(&str, Vec<Line>)], curves: &[Curve]) -> Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    plot::draw(&docs.join("performance.svg"), curves)?;
    let page = docs.join("performance.md");
    let text = fs::read_to_string(&page).with_context(|| format!("reading {}", page.display()))?;
    let (begin, end) = ("<!-- generated: table -->\n", "<!-- end generated -->");
    let before = text.find(begin).context("the page has no mark for the table")? + begin.len();
    let after = text[before..].find(end).context("the table has no end mark")? + before;
    let table = report::markdown(tables);
    fs::write(&page, format!("{}{table}\n{}", &text[..before], &text[after..]))?;
    Ok(())
}

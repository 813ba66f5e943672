//! Ours and theirs in one run; see `--help`.

use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use shieldable_benches::alloc::Counting;
use shieldable_benches::measure::Plan;
use shieldable_benches::plot;
use shieldable_benches::report::{self, Line};
use shieldable_benches::sections::{self, Curve, Section};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Measures shieldable beside its peers, in turns within one run, and judges the ratios.
///
/// The exit code is 1 if a bound is missed. A bound on a time holds if the median over the rounds is within 5 % of it.
#[derive(Debug, Parser)]
#[command(name = "shieldable-benches", version = None)]
struct Options {
    /// Run only this section; may be given several times. One of: scope, spawn, lock, contended, waiter, cancel, memory,
    /// growth.
    #[arg(long, value_name = "SECTION")]
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
    let options = Options::parse();
    if let Some(idle) = options.idle {
        sections::idle_child(&idle[0], idle[1].parse()?)?;
    }
    let selected = selected(&options.only)?;
    let plan = Plan::new(options.quick);
    let (mut tables, mut curves): (Vec<(&str, Vec<Line>)>, Vec<Curve>) = Default::default();
    for section in selected {
        plan.print(&format!("\n{}\n{}", section.title, report::headings()));
        if !std::io::stderr().is_terminal() {
            // There is no moving line that says what is going on.
            eprintln!("measuring: {}", section.title);
        }
        let outcome = (section.run)(&plan);
        for line in &outcome.lines {
            plan.print(&report::row(line));
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
    });
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn selected(only: &[String]) -> Result<Vec<Section>> {
    if let Some(unknown) = only.iter().find(|name| !sections::ALL.iter().any(|section| section.name == *name)) {
        let known: Vec<&str> = sections::ALL.iter().map(|section| section.name).collect();
        bail!("there is no section {unknown:?}; there are {}", known.join(", "));
    }
    Ok(sections::ALL
        .into_iter()
        .filter(|section| only.is_empty() || only.iter().any(|name| name == section.name))
        .collect())
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

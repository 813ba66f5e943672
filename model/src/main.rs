//! Runs the spec: explores it, traces programs, keeps the generated parts of SPEC.md.

use std::fmt::{Display, Write as _};
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use shieldable_model::explore::{self, CONFIGS, Config, Depth, Grain, Law, Report, SITUATIONS};
use shieldable_model::{LaneId, Program, spec, transcript};
use stateright::Model as _;

/// The executable spec of `shieldable`.
///
/// Exit codes: 0 all is well; 1 a law is broken, or SPEC.md is stale; 2 the command line or a program text is wrong.
#[derive(Parser)]
#[command(name = "shieldable-model")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Explores every reachable state of the configurations and prints a table.
    Check {
        /// The large configurations too; minutes, not seconds.
        #[arg(long)]
        deep: bool,
        /// Only configurations whose name contains this.
        #[arg(long, value_name = "NAME")]
        only: Option<String>,
        /// Also shows, for every law, that a broken model violates it, with the counterexample.
        #[arg(long)]
        faults: bool,
        /// Threads of the checker.
        #[arg(long, value_name = "N", default_value_t = threads(), value_parser = number_of_threads)]
        threads: usize,
    },
    /// Runs a program in lockstep and draws its timeline.
    Trace {
        /// The text of the program, `-` for the standard input.
        file: PathBuf,
        /// Which thread does its next operation, in order, such as `0,1,0`; then each thread in turn until nobody can.
        #[arg(long, value_delimiter = ',', value_name = "THREADS")]
        schedule: Vec<u8>,
    },
    /// Serves the states of a configuration, or of a program, to click through.
    Explore {
        /// The name of a configuration, or a file with the text of a program.
        #[arg(default_value = "shield")]
        what: String,
        /// On this port of localhost.
        #[arg(long, default_value_t = 3000)]
        port: u16,
    },
    /// Compares the generated parts of SPEC.md with what they should be.
    Spec {
        /// Writes them.
        #[arg(long)]
        write: bool,
    },
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Without a thread nothing would be checked, and with too many of them the process would be aborted.
fn number_of_threads(text: &str) -> Result<usize, String> {
    const MOST: usize = 1024;
    text.parse().ok().filter(|n| (1..=MOST).contains(n)).ok_or_else(|| format!("give it a number from 1 to {MOST}"))
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Check { deep, only, faults, threads } => run_check(deep, only.as_deref(), faults, threads),
        Command::Trace { file, schedule } => run_trace(&file, &schedule),
        Command::Explore { what, port } => run_explore(&what, port),
        Command::Spec { write } => run_spec(write),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(message) => {
            // Nobody is left to be told of an error here.
            let _ = writeln!(std::io::stderr(), "error: {message}");
            ExitCode::from(2)
        }
    }
}

/// Prints a line, or more. False if nobody reads any more, which is no error: what was found decides the exit code.
fn say(text: impl Display) -> Result<bool, String> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(format!("the standard output: {error}")),
    }
}

fn run_check(deep: bool, only: Option<&str>, faults: bool, threads: usize) -> Result<bool, String> {
    let wanted = |config: &Config| only.is_none_or(|only| config.name.contains(only));
    let mut configs: Vec<Config> =
        CONFIGS.iter().filter(|config| deep || config.depth == Depth::Quick).copied().collect();
    if deep {
        // Those whose polls are whole steps so far, interleaved within the polls too.
        let coarse = CONFIGS.iter().filter(|config| {
            config.grain == Grain::Poll && config.depth == Depth::Quick && !explore::ONLY_POLLS.contains(&config.name)
        });
        configs.extend(coarse.map(|config| Config { grain: Grain::Step, spurious: 0, ..*config }));
    }
    configs.retain(wanted);
    if configs.is_empty() {
        return Err(no_configuration(only.unwrap_or_default()));
    }
    let mut reports = Vec::new();
    for config in &configs {
        reports.push((config, check_with_progress(config, threads)));
    }
    let mut text = table(&reports);
    let mut well = true;
    for (config, report) in &reports {
        for violation in &report.violations {
            let _ = write!(text, "\n\n\"{}\" in {} steps:\n\n{}", config.name, violation.steps, violation.timeline);
            well = false;
        }
    }
    if only.is_none() {
        let never =
            SITUATIONS.iter().filter(|situation| !reports.iter().any(|(_, r)| r.situations.contains(situation.name)));
        for situation in never {
            let _ = write!(text, "\nnever reached: {}", situation.name);
            well = false;
        }
    }
    if say(text)? && faults {
        well &= check_faults()?;
    }
    Ok(well)
}

fn no_configuration(only: &str) -> String {
    match CONFIGS.iter().find(|config| config.name.contains(only)) {
        Some(config) => format!("\"{}\" is a large configuration: add --deep", config.name),
        None => format!("no configuration has \"{only}\" in its name; there are{}", names()),
    }
}

/// All configurations, a line each: there are commas in their names.
fn names() -> String {
    CONFIGS.iter().map(|config| format!("\n    {}", config.name)).collect()
}

fn check_with_progress(config: &Config, threads: usize) -> Report {
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::with_template("{spinner} {prefix:34} {msg}").expect("a valid template"));
    bar.set_prefix(config.name);
    bar.enable_steady_tick(Duration::from_millis(120));
    let report = explore::check(config, threads, &mut |states, transitions, depth| {
        bar.set_message(format!("{states} states, {transitions} transitions, depth {depth}"));
    });
    bar.finish_and_clear();
    report
}

fn table(reports: &[(&Config, Report)]) -> String {
    let mut text = format!(
        "{:36} {:5} {:>10} {:>11} {:>6} {:>5} {:>8} {:>9} {:>9}\n",
        "configuration", "grain", "states", "transitions", "depth", "laws", "reached", "symmetry", "time"
    );
    let mut total = (0, 0, Duration::ZERO);
    for (config, report) in reports {
        let grain = match config.grain {
            Grain::Poll => "poll",
            Grain::Step => "step",
        };
        let laws = format!("{}/{}", Law::ALL.len() - report.violations.len(), Law::ALL.len());
        let reached = format!("{}/{}", report.situations.len(), SITUATIONS.len());
        let _ = writeln!(
            text,
            "{:36} {:5} {:>10} {:>11} {:>6} {:>5} {:>8} {:>9} {:>8.2}s",
            config.name,
            grain,
            report.states,
            report.transitions,
            report.depth,
            laws,
            reached,
            report.symmetries,
            report.time.as_secs_f64()
        );
        total = (total.0 + report.states, total.1 + report.transitions, total.2 + report.time);
    }
    let _ = write!(text, "{:36} {:5} {:>10} {:>11} {:>48.2}s", "all", "", total.0, total.1, total.2.as_secs_f64());
    text
}

fn check_faults() -> Result<bool, String> {
    let mut well = true;
    for law in Law::ALL {
        for fault in law.faults() {
            let quick = CONFIGS.iter().filter(|config| config.depth == Depth::Quick);
            let found = quick.into_iter().find_map(|config| explore::hunt(config, *fault, *law, 200_000));
            well &= found.is_some();
            let found = match found {
                Some(violation) => format!("violates, in {} steps:\n\n{}", violation.steps, violation.timeline),
                None => format!("DOES NOT VIOLATE: {}", law.name()),
            };
            if !say(format_args!("\n{}\n{found}", fault.text()))? {
                return Ok(well);
            }
        }
    }
    Ok(well)
}

fn read_program(file: &PathBuf) -> Result<Program, String> {
    let name = file.display();
    let text =
        if file.as_os_str() == "-" { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(file) };
    let text = text.map_err(|error| format!("{name}: {error}"))?;
    let program: Program = text.parse().map_err(|error| format!("{name}:{error}"))?;
    if program.lanes().len() == 0 {
        return Err(format!(
            "{name}: nobody does anything in this program: add a thread, such as `thread {{ run t0 }}`"
        ));
    }
    Ok(program)
}

fn run_trace(file: &PathBuf, schedule: &[u8]) -> Result<bool, String> {
    let program = read_program(file)?;
    if let Some(lane) = schedule.iter().find(|lane| usize::from(**lane) >= program.lanes().len()) {
        return Err(format!("there is no thread {lane} in the program"));
    }
    let schedule: Vec<LaneId> = schedule.iter().map(|lane| LaneId(*lane)).collect();
    say(format_args!("{program}\n{}", transcript(&program, &schedule)))?;
    Ok(true)
}

fn run_explore(what: &str, port: u16) -> Result<bool, String> {
    let explored = match CONFIGS.iter().find(|config| config.name == what) {
        Some(config) => explore::explored(config, None, None),
        None => {
            let program = read_program(&PathBuf::from(what))
                .map_err(|error| format!("{error}\nnor is it a configuration; there are{}", names()))?;
            explore::Explored::new(&program, Grain::Step, 0, None, None)
        }
    };
    say(format_args!("{}\nhttp://localhost:{port}", explored.program()))?;
    explored.checker().serve(("localhost", port));
    Ok(true)
}

fn run_spec(write: bool) -> Result<bool, String> {
    let path = spec::path();
    let old = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let new = spec::regenerated(&old)?;
    if old == new {
        say("SPEC.md is up to date")?;
        return Ok(true);
    }
    if write {
        std::fs::write(&path, new).map_err(|error| format!("{}: {error}", path.display()))?;
        say("SPEC.md was written")?;
        return Ok(true);
    }
    say("SPEC.md is stale: `cargo run -p shieldable-model -- spec --write`")?;
    Ok(false)
}

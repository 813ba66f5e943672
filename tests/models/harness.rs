//! How models are listed, run and reported: each in a process of its own, since a deadlock under loom ends the process.
//!
//! The test binary starts itself again with `--model NAME`; the child explores the model and ends with one line that
//! the parent reads. A model without that line has failed, whatever its exit status says.
//!
//! Each execution of a race sees an outcome before its first thread ends, and all executions together see all that are
//! listed. None is cut off: a bound of loom leaves out whole executions, and one that is too long for shuttle fails.

use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::time::Instant;

use libtest_mimic::{Arguments, Failed, Trial};
use shieldable_model::{Clause, Coverage, Fault, Program, exercised};

use crate::checker;
use crate::timeline;

/// What a model runs.
#[derive(Clone, Copy, Debug)]
pub enum Run {
    /// A race written by hand.
    Race(fn()),
    Programs(Programs),
}

/// Programs of the shared language, each judged by the spec.
#[derive(Clone, Copy, Debug)]
pub struct Programs {
    pub all: fn() -> Vec<Program>,
    /// Judged by a variant of the spec that is wrong, to see that a failure is noticed.
    pub fault: Option<Fault>,
}

/// A race: a closed program over the public API, and the outcomes that must each have been seen.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    pub name: &'static str,
    pub run: Run,
    /// `None`: every interleaving. `Some(n)`: those with at most `n` preemptions.
    pub bound: Option<usize>,
    pub outcomes: &'static [&'static str],
}

impl Model {
    pub const fn new(name: &'static str, run: fn(), outcomes: &'static [&'static str]) -> Self {
        Self { name, run: Run::Race(run), bound: None, outcomes }
    }

    /// Programs of the shared language, judged by the spec.
    pub const fn programs(name: &'static str, all: fn() -> Vec<Program>) -> Self {
        Self { name, run: Run::Programs(Programs { all, fault: None }), bound: None, outcomes: &[] }
    }

    /// For three threads and more, where all interleavings are too many.
    pub const fn bounded(mut self, preemptions: usize) -> Self {
        self.bound = Some(preemptions);
        self
    }

    /// One execution of the race.
    fn execution(&self, race: fn()) -> impl Fn() + Send + Sync + Clone + use<> {
        let lists_outcomes = !self.outcomes.is_empty();
        move || {
            race();
            if lists_outcomes {
                timeline::ends_with_an_outcome();
            }
        }
    }
}

/// A model of this module, by the name of its function, and the outcomes it must have seen.
macro_rules! model {
    ($run:ident: $($outcome:literal),+ $(,)?) => {
        $crate::harness::Model::new(stringify!($run), $run, &[$($outcome),+])
    };
}
pub(crate) use model;

/// What a check of one model went through.
#[derive(Clone, Debug)]
pub struct Explored {
    pub executions: u64,
    /// "complete", or what bounded it.
    pub extent: String,
}

const MARK: &str = "explored:";
/// Before the clauses that a child says its programs have exercised.
pub const CLAUSES: &str = "; clauses: ";

/// What the child says in its last line and the table shows.
#[derive(Clone, Debug)]
pub struct Row {
    pub name: &'static str,
    pub executions: String,
    pub extent: String,
    pub seconds: String,
    /// Of the spec: what programs have exercised.
    pub clauses: Coverage,
}

/// Runs one model, or all of them as tests; `checker` names the checker and its part of the table.
/// `planted` are models that fail, which are run by name only; `others` are tests that are no models.
pub fn main(checker: &'static str, models: &[Model], planted: &[Model], others: Vec<Trial>) -> ExitCode {
    by_arguments(checker, models, planted, others).unwrap_or_else(|wrong| {
        eprintln!("{wrong}");
        ExitCode::from(2)
    })
}

/// An error is one of the command line.
fn by_arguments(
    checker: &'static str,
    models: &[Model],
    planted: &[Model],
    others: Vec<Trial>,
) -> Result<ExitCode, String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let of_name = |name: &str| {
        let found = models.iter().chain(planted).find(|model| model.name == name);
        found.copied().ok_or_else(|| format!("no model is called {name}; {}", like(name, models)))
    };
    Ok(match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--models"] => {
            models.iter().for_each(|model| println!("{}", model.name));
            ExitCode::SUCCESS
        }
        ["--model", name] => explore(&of_name(name)?),
        ["--replay", name, schedule] => {
            let (name, number) = name.split_once('#').unwrap_or((name, "0"));
            let model = of_name(name)?;
            timeline::install_reporter("that is replayed");
            match model.run {
                Run::Race(race) => checker::replay(schedule, model.execution(race)),
                Run::Programs(programs) => {
                    let all = (programs.all)();
                    let number = number.parse().ok().filter(|number| *number < all.len());
                    let number = number.ok_or_else(|| format!("{name} has programs #0 to #{}", all.len() - 1))?;
                    crate::programs::replay(&all[number], programs.fault, number, schedule);
                }
            }
            ExitCode::SUCCESS
        }
        ["--program", text] => {
            let program: Program = text.parse().map_err(|error| format!("the program, {error}"))?;
            if program.lanes().len() == 0 {
                return Err("the program, nobody does anything in it: add a thread, such as `thread { run t0 }`".into());
            }
            timeline::install_reporter("of one program");
            let one = Programs { all: Vec::new, fault: None };
            match crate::programs::explore_all(vec![program], one) {
                Some(explored) => {
                    println!("{} executions, {}", explored.executions, explored.extent);
                    ExitCode::SUCCESS
                }
                None => ExitCode::FAILURE,
            }
        }
        ["--write-table"] => {
            let arguments = Arguments { test_threads: Some(4), ..Arguments::default() };
            run_all(checker, models, others, &arguments, true)
        }
        _ => run_all(checker, models, others, &Arguments::from_args(), false),
    })
}

/// The names that have most words in common with this one.
fn like(name: &str, models: &[Model]) -> String {
    const MOST: usize = 5;
    let words: Vec<_> = name.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 2).collect();
    let common = |model: &Model| model.name.split('_').filter(|word| words.contains(word)).count();
    let most = models.iter().map(common).max().unwrap_or_default();
    let alike: Vec<_> = models.iter().filter(|model| common(model) == most).map(|model| model.name).collect();
    if most == 0 || alike.len() > MOST {
        return "`--models` lists them".to_owned();
    }
    format!("most like it: {}", alike.join(", "))
}

/// Whether all is to be explored that there is, or a part of it.
pub fn is_deep() -> bool {
    std::env::var_os("SHIELDABLE_DEEP").is_some()
}

/// In the child.
fn explore(model: &Model) -> ExitCode {
    timeline::install_reporter(model.name);
    let start = Instant::now();
    let explored = match model.run {
        Run::Race(race) => checker::explore(model.bound, model.execution(race)),
        Run::Programs(programs) => match crate::programs::explore_all((programs.all)(), programs) {
            Some(explored) => explored,
            None => return ExitCode::FAILURE,
        },
    };
    let seconds = start.elapsed().as_secs_f64();
    let counts = timeline::outcomes_seen();
    let missing: Vec<_> = model.outcomes.iter().filter(|outcome| !counts.contains_key(**outcome)).collect();
    for (outcome, count) in &counts {
        println!("    {count:>9} x {outcome}");
    }
    let unlisted: Vec<_> = counts.keys().filter(|outcome| !model.outcomes.contains(outcome)).collect();
    if !missing.is_empty() || !unlisted.is_empty() {
        println!("outcomes that never occurred: {missing:?}; that are not listed: {unlisted:?}");
        return ExitCode::FAILURE;
    }
    println!("{MARK} {} | {} | {seconds:.1}", explored.executions, explored.extent);
    ExitCode::SUCCESS
}

fn run_all(
    checker: &'static str,
    models: &[Model],
    others: Vec<Trial>,
    arguments: &Arguments,
    write: bool,
) -> ExitCode {
    static ROWS: Mutex<Vec<Row>> = Mutex::new(Vec::new());

    let names: Vec<_> = models.iter().map(|model| model.name).collect();
    let mut trials: Vec<_> = models
        .iter()
        .map(|model| {
            let name = model.name;
            Trial::test(name, move || in_a_child(name).map(|row| ROWS.lock().unwrap().push(row)))
        })
        .collect();
    trials.extend(others);
    trials.push(Trial::test("the_listing_is_whole", move || match write {
        true => Ok(()),
        false if is_deep() => Ok(()),
        false => crate::listing::compare(checker, &names),
    }));
    let all = arguments.filter.is_none() && arguments.skip.is_empty() && !arguments.list && !arguments.ignored;
    let conclusion = libtest_mimic::run(arguments, trials);

    let mut rows = std::mem::take(&mut *ROWS.lock().unwrap());
    rows.sort_by_key(|row| models.iter().position(|model| model.name == row.name));
    let mut clauses = Coverage::default();
    for Row { name, executions, extent, seconds, clauses: of_it } in &rows {
        println!("{executions:>9} executions, {extent}, {seconds} s: {name}");
        clauses.merge(*of_it);
    }
    if conclusion.has_failed() {
        return ExitCode::FAILURE;
    }
    if all && rows.len() != models.len() {
        println!("{} models ran, {} are listed", rows.len(), models.len());
        return ExitCode::FAILURE;
    }
    if all && !is_deep() {
        if let Err(missing) = exercised(checker, clauses) {
            println!("{missing}");
            return ExitCode::FAILURE;
        }
    }
    if write {
        crate::listing::write(checker, &rows);
    }
    ExitCode::SUCCESS
}

/// What runs the schedule again that a failing model has printed, where the checker prints one.
pub fn again(name: &str, output: &str) -> Option<[String; 3]> {
    let schedule = checker::schedule_in(output)?.to_owned();
    let program = output.split("program ").skip(1).find_map(|rest| rest.split_once(": ")?.0.parse::<usize>().ok());
    let name = program.map_or(name.to_owned(), |program| format!("{name}#{program}"));
    Some(["--replay".to_owned(), name, schedule])
}

fn in_a_child(name: &'static str) -> Result<Row, Failed> {
    let this = std::env::current_exe()?;
    let child = Command::new(this).args(["--model", name]).env("RUST_BACKTRACE", "0").stdin(Stdio::null()).output()?;
    let (out, err) = (String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    let line = out.lines().last().and_then(|line| line.strip_prefix(MARK)).filter(|_| child.status.success());
    let Some(line) = line else {
        let again = again(name, &format!("{out}{err}")).map(|arguments| {
            let checker = env!("CARGO_CRATE_NAME");
            format!("once more: cargo test --features {checker} --test {checker} -- {}\n", arguments.join(" "))
        });
        return Err(format!("{}\n{out}{err}{}", child.status, again.unwrap_or_default()).into());
    };
    let mut fields = line.split('|').map(|field| field.trim().to_owned());
    let mut field = || fields.next().expect("three fields");
    Ok(Row { name, executions: field(), extent: field(), seconds: field(), clauses: clauses_in(&out) })
}

/// The clauses that the child has printed.
fn clauses_in(output: &str) -> Coverage {
    let mut coverage = Coverage::default();
    for id in output.split(CLAUSES).skip(1).flat_map(|rest| rest.lines().next().unwrap_or("").split(' ')) {
        Clause::ALL.iter().filter(|clause| clause.id() == id).for_each(|clause| coverage.mark(*clause));
    }
    coverage
}

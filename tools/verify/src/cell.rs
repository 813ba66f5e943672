//! One bug against one checker: build, run what is likely to notice first, stop at the first that does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde::Deserialize;

use crate::catalogue::Bug;
use crate::columns::{Column, Kind};
use crate::process::{self, End, Finished};
use crate::results::{Cell, Verdict, today};

/// Building takes longer than running; a build beyond this has a problem of its own.
const BUILD_LIMIT: Duration = Duration::from_secs(540);

/// Where a worker has its copy of the sources and what it builds.
#[derive(Clone, Debug)]
pub struct Place {
    pub tree: PathBuf,
    pub target: PathBuf,
    pub scratch: PathBuf,
}

impl Place {
    pub fn new(work: &Path, worker: usize) -> Self {
        let work = work.join(worker.to_string());
        Self { tree: work.join("tree"), target: work.join("target"), scratch: work.join("scratch") }
    }
}

/// What is known from before about where to look.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    /// The executable that noticed last time, and the test or model.
    pub part: Option<String>,
    pub by: Option<String>,
    pub times: BTreeMap<String, f64>,
}

/// What came of a cell, and how long its parts took.
#[derive(Debug)]
pub struct Outcome {
    pub cell: Option<Cell>,
    pub times: BTreeMap<String, f64>,
    /// What the failing check printed, or the compiler.
    pub evidence: String,
}

struct Run<'a> {
    column: &'a Column,
    place: &'a Place,
    budget: Duration,
    spent: Duration,
    /// Executions, cases or tests so far, and of what ran last.
    count: u64,
    last: u64,
    times: BTreeMap<String, f64>,
}

/// How a part of a checker took the bug.
enum Notice {
    Passed,
    Killed { by: String, how: &'static str, evidence: String },
    OutOfTime,
    Interrupted,
}

/// Tries the bug that is in the copy; the cell is without its key. `None` as cell: interrupted.
pub fn run(column: &Column, place: &Place, bug: Option<&Bug>, budget: Duration, hints: &Hints) -> Result<Outcome> {
    let start = Instant::now();
    let mut run = Run { column, place, budget, spent: Duration::ZERO, count: 0, last: 0, times: BTreeMap::new() };
    let outcome = |run: Run, verdict, by, part, how: Option<&str>, evidence| {
        let after = (run.count > 0).then_some(run.count);
        let own = (verdict == Verdict::Killed && 0 < run.last && run.last < run.count).then_some(run.last);
        let budget = (verdict == Verdict::Unfinished).then_some(budget.as_secs());
        let seconds = (start.elapsed().as_secs_f64() * 10.0).round() / 10.0;
        let how = how.map(str::to_owned);
        let cell = Cell { verdict, key: String::new(), by, part, after, own, budget, how, seconds, date: today() };
        Outcome { cell: Some(cell), times: run.times, evidence }
    };

    let mut seen = BTreeSet::new();
    let mut out_of_time = false;
    for stage in stages(column, bug, hints) {
        let executables = match build(column, place, &stage)? {
            Built::Executables(executables) => executables,
            Built::Broken(errors) => {
                return Ok(outcome(run, Verdict::Broken, None, None, Some("does not build"), errors));
            }
            Built::Interrupted => return Ok(Outcome { cell: None, times: run.times, evidence: String::new() }),
        };
        for (name, path) in executables {
            if !seen.insert(name.clone()) {
                continue;
            }
            let notice = match column.kind {
                Kind::Models | Kind::LongTests => run.each(&path, bug, hints)?,
                Kind::Tests => run.tests(&name, &path, hints)?,
                Kind::Programs => run.program(&name, &path)?,
            };
            match notice {
                Notice::Passed => {}
                Notice::OutOfTime => out_of_time = true,
                Notice::Interrupted => {
                    return Ok(Outcome { cell: None, times: run.times, evidence: String::new() });
                }
                Notice::Killed { by, how, evidence } => {
                    return Ok(outcome(run, Verdict::Killed, Some(by), Some(name), Some(how), evidence));
                }
            }
        }
    }
    let verdict = if out_of_time { Verdict::Unfinished } else { Verdict::Survived };
    Ok(outcome(run, verdict, None, None, None, String::new()))
}

/// Which test files to build and run, group by group; an empty group means all.
fn stages(column: &Column, bug: Option<&Bug>, hints: &Hints) -> Vec<Vec<String>> {
    let mut stages = Vec::new();
    if column.narrow {
        if let Some(part) = hints.part.as_ref().filter(|part| *part != "shieldable") {
            stages.push(vec![part.clone()]);
        }
        if let Some(bug) = bug {
            let near = column.near.get(&bug.file).cloned().unwrap_or_default();
            stages.push([bug.tests.clone(), near].concat());
        }
    }
    stages.retain(|stage| !stage.is_empty());
    stages.push(Vec::new());
    stages
}

enum Built {
    Executables(Vec<(String, PathBuf)>),
    Broken(String),
    Interrupted,
}

#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
    message: Option<Diagnostic>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

#[derive(Deserialize)]
struct Diagnostic {
    level: String,
    rendered: Option<String>,
}

fn build(column: &Column, place: &Place, only: &[String]) -> Result<Built> {
    let mut command = Command::new("cargo");
    let narrowed = column.build.iter().filter(|word| only.is_empty() || !matches!(word.as_str(), "--lib" | "--tests"));
    command.args(narrowed);
    if column.build[0] == "test" {
        command.arg("--no-run");
    }
    command.args(["--message-format", "json", "--quiet"]);
    for test in only {
        command.args(["--test", test]);
    }
    command.current_dir(&place.tree).env("CARGO_TARGET_DIR", &place.target);
    // Nobody debugs these, and linking them is most of the time.
    command.env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_PROFILE_TEST_DEBUG", "0").env("RUSTFLAGS", "");
    command.envs(&column.build_environment);
    let built = process::run(&mut command, BUILD_LIMIT, &place.scratch)?;
    if built.end == End::Interrupted {
        // A compiler that is killed may leave half of its state behind, and the next one would trust it.
        remove_incremental(&place.target, 2);
        return Ok(Built::Interrupted);
    }
    if built.end == End::Timeout {
        bail!("its build is not done after {} s: is the machine too busy?", BUILD_LIMIT.as_secs());
    }
    let messages: Vec<Message> = built.output.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    if built.end != End::Success {
        let errors = messages.iter().filter_map(|message| message.message.as_ref());
        let errors: String =
            errors.filter(|error| error.level == "error").filter_map(|error| error.rendered.as_deref()).collect();
        return Ok(Built::Broken(if errors.is_empty() { built.errors } else { errors }));
    }
    let mut executables: Vec<_> = messages
        .into_iter()
        // Programs of the package are built for its tests, too.
        .filter(|message| column.build[0] != "test" || message.profile.as_ref().is_some_and(|profile| profile.test))
        .filter_map(|message| Some((message.target?.name, message.executable?)))
        .filter(|(name, _)| (only.is_empty() || only.contains(name)) && !column.skip.contains(name))
        .collect();
    // In the order of the wish, then as cargo has it.
    executables.sort_by_key(|(name, _)| only.iter().position(|wish| wish == name).unwrap_or(usize::MAX));
    Ok(Built::Executables(executables))
}

/// Beside the profiles of this machine there are those of a target that is named.
fn remove_incremental(folder: &Path, depth: usize) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name() == "incremental" {
            let _ = fs::remove_dir_all(entry.path());
        } else if depth > 0 && entry.path().is_dir() {
            remove_incremental(&entry.path(), depth - 1);
        }
    }
}

impl Run<'_> {
    fn start(&self, path: &Path, arguments: &[&str], limit: Duration) -> Result<Finished> {
        self.start_with(path, arguments, None, limit)
    }

    fn start_with(
        &self,
        path: &Path,
        arguments: &[&str],
        size: Option<&BTreeMap<String, String>>,
        limit: Duration,
    ) -> Result<Finished> {
        let mut command = Command::new(path);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let own = self.column.arguments.iter().map(|argument| argument.replace("{name}", &name));
        command.args(arguments).args(own).envs(&self.column.environment).envs(size.into_iter().flatten());
        command.current_dir(&self.place.tree).env("RUST_BACKTRACE", "0").env("CARGO_MANIFEST_DIR", &self.place.tree);
        process::run(&mut command, limit, &self.place.scratch)
    }

    /// One after the other, so that the one that hangs or aborts is known.
    fn tests(&mut self, name: &str, path: &Path, hints: &Hints) -> Result<Notice> {
        // How long it takes without a bug may not be known yet.
        let limit = hints.times.get(name).map_or(BUILD_LIMIT, |usual| {
            (Duration::from_secs_f64(usual.max(0.0)) * 4).max(Duration::from_secs(self.column.patience))
        });
        let run = self.start(path, &["--test-threads", "1"], limit)?;
        self.note(name, run.time);
        let started = |line: &str| Some(line.strip_prefix("test ")?.split(" ...").next()?.trim().to_owned());
        if self.column.count_after.is_empty() {
            let ended = |line: &&str| line.starts_with("test ") && line.ends_with("ok");
            self.count += run.output.lines().filter(ended).count() as u64;
        }
        let last = || run.output.lines().filter_map(started).next_back().unwrap_or_else(|| "at its start".to_owned());
        let (by, how) = match run.end {
            End::Success => return Ok(Notice::Passed),
            End::Interrupted => return Ok(Notice::Interrupted),
            End::Timeout => (last(), "hangs"),
            End::Failure => {
                let failed = run.output.lines().find(|line| line.starts_with("test ") && line.ends_with("FAILED"));
                match failed.and_then(started) {
                    Some(test) => (test, "fails"),
                    None => (last(), "aborts"),
                }
            }
        };
        self.count_in(&run);
        Ok(Notice::Killed { by: format!("{name}: {by}"), how, evidence: run.all() })
    }

    /// One model or long test after the other, each in a process of its own.
    fn each(&mut self, path: &Path, bug: Option<&Bug>, hints: &Hints) -> Result<Notice> {
        // A test of the harness itself is no model, and fails if it is run as one.
        let list = if self.column.kind == Kind::Models { "--models" } else { "--list" };
        let listed = self.start(path, &[list], Duration::from_secs(20))?;
        match listed.end {
            End::Interrupted => return Ok(Notice::Interrupted),
            End::Timeout => bail!("its models are not listed after 20 s: is the machine too busy?"),
            End::Success | End::Failure => {}
        }
        let name = |line: &str| match self.column.kind {
            Kind::Models => Some(line.to_owned()),
            _ => Some(line.strip_suffix(": test")?.to_owned()),
        };
        let mut models: Vec<_> = listed.output.lines().filter_map(name).collect();
        if models.is_empty() {
            return Ok(Notice::Killed { by: "the list of models".into(), how: "fails", evidence: listed.all() });
        }
        let near = bug.and_then(|bug| self.column.near.get(&bug.file));
        let wishes = bug.map(|bug| &bug.loom[..]).unwrap_or_default().iter().chain(near.into_iter().flatten());
        let wishes: Vec<_> = hints.by.iter().chain(wishes).collect();
        let rank = |name: &String| wishes.iter().position(|wish| name.contains(*wish)).unwrap_or(usize::MAX);
        // A model that is new since the others were timed may be a long one.
        let unknown = if hints.times.is_empty() { 1.0 } else { 20.0 };
        let cost = |name: &String| (hints.times.get(name).copied().unwrap_or(unknown) * 1000.0) as u64;
        // What noticed it before and what is wished for first unless it is very long, then from the quickest to the
        // longest.
        let meant = |name: &String| bug.is_some_and(|bug| bug.loom.iter().any(|wish| name.contains(wish.as_str())));
        models.sort_by_key(|name| {
            let known = hints.by.as_ref() == Some(name);
            let long = !known && cost(name) > 10_000 && (hints.times.contains_key(name) || !meant(name));
            (long, if long { 0 } else { rank(name) }, cost(name))
        });
        let mut out_of_time = false;
        let smaller = &self.column.smaller[..if bug.is_some() { self.column.smaller.len() } else { 0 }];
        let sizes = smaller.iter().map(Some).chain([None]).enumerate();
        let mut runs: Vec<_> =
            sizes.flat_map(|(size, set)| models.iter().map(move |model| (size, set, model))).collect();
        // All at the smallest size, then what is wished for at every size.
        runs.sort_by_key(|(size, _, model)| (*size > 0 && rank(model) == usize::MAX, *size));
        for (_, size, model) in runs {
            let left = self.budget.saturating_sub(self.spent);
            if left.is_zero() {
                out_of_time = true;
                break;
            }
            let words = match self.column.kind {
                Kind::Models => vec!["--model", model],
                _ => vec![model, "--exact", "--nocapture"],
            };
            let run = self.start_with(path, &words, size, left)?;
            self.note(model, run.time);
            self.count_in(&run);
            match run.end {
                End::Success => {}
                End::Timeout => out_of_time = true,
                End::Interrupted => return Ok(Notice::Interrupted),
                End::Failure => {
                    let how = how_it_failed(&run.all());
                    return Ok(Notice::Killed { by: model.clone(), how, evidence: run.all() });
                }
            }
        }
        Ok(if out_of_time { Notice::OutOfTime } else { Notice::Passed })
    }

    fn program(&mut self, name: &str, path: &Path) -> Result<Notice> {
        let run = self.start(path, &[], Duration::from_secs(self.column.patience))?;
        self.note(name, run.time);
        self.count_in(&run);
        Ok(match run.end {
            End::Success => Notice::Passed,
            End::Timeout => Notice::Killed { by: name.to_owned(), how: "hangs", evidence: run.all() },
            End::Interrupted => Notice::Interrupted,
            End::Failure => Notice::Killed { by: name.to_owned(), how: "fails", evidence: run.all() },
        })
    }

    fn note(&mut self, name: &str, time: Duration) {
        self.spent += time;
        self.times.insert(name.to_owned(), (time.as_secs_f64() * 100.0).round() / 100.0);
    }

    /// Adds what the output says about executions or cases.
    fn count_in(&mut self, run: &Finished) {
        let text = run.all();
        self.last = 0;
        for mark in &self.column.count_after {
            let number = |(at, _): (usize, &str)| {
                let digits: String = text[at + mark.len()..].chars().take_while(char::is_ascii_digit).collect();
                digits.parse::<u64>().ok()
            };
            if let Some(number) = text.match_indices(mark.as_str()).filter_map(number).last() {
                self.last = number;
                self.count += number;
                return;
            }
        }
    }
}

fn how_it_failed(output: &str) -> &'static str {
    const SIGNS: &[(&str, &str)] = &[
        ("lost wake-up", "lost wake-up"),
        ("deadlock", "deadlock"),
        ("Causality violation", "data race"),
        ("concurrent", "data race"),
        ("leaked", "leak"),
        ("outcomes that never occurred", "other outcomes"),
        ("exceeded", "does not end"),
    ];
    SIGNS.iter().find(|(sign, _)| output.contains(sign)).map_or("fails", |(_, how)| how)
}

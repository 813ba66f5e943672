//! The matrix: every bug against every checker, as far as the time goes, to be taken up again later.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};

use crate::catalogue::{self, Bug};
use crate::cell::{self, Hints, Place};
use crate::columns::{self, Column, Kind};
use crate::results::{Cell, NO_BUG, Results, Verdict};
use crate::tree::{Seeded, Source};
use crate::{home, interrupt, root};

/// What to run, and for how long.
#[derive(Clone, Debug)]
pub struct Plan {
    pub results: PathBuf,
    /// Where the copies are; a folder for each checker.
    pub work: PathBuf,
    /// `None`: the working tree.
    pub commit: Option<String>,
    /// Checkers, by id; empty: all.
    pub columns: Vec<String>,
    /// Bugs, by parts of their ids; empty: all.
    pub bugs: Vec<String>,
    pub budget: Duration,
    /// No cell begins after this.
    pub time: Option<Duration>,
    pub jobs: usize,
    /// Run cells again: those that ran out of time, or all.
    pub unfinished: bool,
    pub again: bool,
    /// A fixed choice of so many cells, which must be killed as they were before.
    pub sample: Option<usize>,
}

/// The catalogue and the checkers, and what their results are keyed by.
pub struct Matrix {
    pub bugs: Vec<Bug>,
    pub columns: Vec<Column>,
    keys: Vec<(String, bool)>,
}

impl Matrix {
    pub fn read(source: &Source) -> Result<Self> {
        let bugs = catalogue::read(&home().join("bugs"))?;
        let columns = columns::read(&home().join("columns.toml"))?;
        let code = source.fingerprint(&["src/".to_owned()])?;
        let keys = columns
            .iter()
            .map(|column| {
                let checker = source.fingerprint(&column.sources)?;
                let mut how = format!("{:?} {:?} {:?}", column.build, column.arguments, column.environment);
                if !column.build_environment.is_empty() {
                    how += &format!(" {:?}", column.build_environment);
                }
                Ok((format!("{code} {checker} {how}"), source.has(&column.needs)))
            })
            .collect::<Result<_>>()?;
        Ok(Self { bugs, columns, keys })
    }

    /// Whether a checker is in the repository yet.
    pub fn is_there(&self, column: &str) -> bool {
        self.columns.iter().position(|other| other.id == column).is_some_and(|number| self.keys[number].1)
    }

    pub fn key(&self, bug: Option<&Bug>, column: &str) -> String {
        let number = self.columns.iter().position(|other| other.id == column).unwrap_or_default();
        let mut hash = Sha256::new();
        hash.update(&self.keys[number].0);
        for edit in bug.iter().flat_map(|bug| bug.edits()) {
            hash.update(format!("{:?}", (edit.file, edit.find, edit.replace)));
        }
        format!("{:x}", hash.finalize())[..16].to_owned()
    }

    /// A cell that is about these sources, this checker and this bug.
    pub fn fresh<'a>(&self, results: &'a Results, bug: Option<&Bug>, column: &str) -> Option<&'a Cell> {
        let id = bug.map_or(NO_BUG, |bug| &bug.id);
        results.cell(id, column).filter(|cell| cell.key == self.key(bug, column))
    }
}

/// One cell that is to be run.
#[derive(Clone, Debug)]
struct Task<'a> {
    bug: Option<&'a Bug>,
    hints: Hints,
    expected: Option<Verdict>,
}

/// What a run of the matrix came to.
#[derive(Debug, Default)]
pub struct Summary {
    pub cells: usize,
    pub killed: usize,
    pub survived: Vec<String>,
    pub unfinished: usize,
    /// What must not be: a checker that fails without a bug, a bug that does not build, a kill that no longer is one.
    pub wrong: Vec<String>,
    /// What was to be run and was not, because of the time or of Ctrl-C.
    pub left: usize,
}

/// Runs what is missing or out of date, and writes each result at once.
pub fn run(plan: &Plan) -> Result<Summary> {
    let source = Source::new(&root(), plan.commit.as_deref())?;
    let matrix = Matrix::read(&source)?;
    for column in &plan.columns {
        ensure!(matrix.columns.iter().any(|other| other.id == *column), "there is no checker called {column}");
    }
    let results = Mutex::new(Results::read(&plan.results)?);
    let summary = Mutex::new(Summary::default());
    let mut queues: Vec<(&Column, Vec<Task>)> = Vec::new();
    let mut columns: Vec<_> = matrix.columns.iter().filter(|column| matrix.is_there(&column.id)).collect();
    // In the order of the wish.
    let wish = |column: &&Column| plan.columns.iter().position(|id| *id == column.id);
    columns.sort_by_key(|column| wish(column));
    for column in columns {
        if plan.columns.is_empty() || wish(&column).is_some() {
            let tasks = tasks(plan, &matrix, &results.lock().expect("no panic while locked"), column);
            if !tasks.is_empty() {
                queues.push((column, tasks));
            }
        }
    }
    if let Some(sample) = plan.sample {
        choose(&mut queues, sample);
    }
    let total: usize = queues.iter().map(|(_, tasks)| tasks.len()).sum();
    let bars = MultiProgress::new();
    let bar = bars.add(ProgressBar::new(total as u64));
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} cells, {elapsed} gone, {eta} to go  {msg}")?);
    let deadline = plan.time.map(|time| Instant::now() + time);
    let mut places: Vec<Vec<(&Column, Vec<Task>)>> = Vec::new();
    for (column, tasks) in queues {
        match places.iter_mut().find(|place| place[0].0.place() == column.place()) {
            Some(place) => place.push((column, tasks)),
            None => places.push(vec![(column, tasks)]),
        }
    }
    let places = Mutex::new(places.into_iter());
    let work = |_| -> Result<()> {
        // A place is one worker's alone: it has one copy of the sources.
        while let Some(queues) = { places.lock().expect("no panic while locked").next() } {
            let place = Place::new(&plan.work, queues[0].0.place());
            source.copy_to(&place.tree)?;
            for (column, tasks) in queues {
                for (number, task) in tasks.iter().enumerate() {
                    if interrupt::happened() || deadline.is_some_and(|deadline| Instant::now() > deadline) {
                        summary.lock().expect("no panic while locked").left += tasks.len() - number;
                        break;
                    }
                    one(plan, &matrix, column, &place, task, &results, &summary, &bar)?;
                    source.tidy(&place.tree)?;
                }
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..plan.jobs.max(1)).map(|number| scope.spawn(move || work(number))).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })?;
    bar.finish_and_clear();
    Ok(summary.into_inner().expect("no panic while locked"))
}

fn tasks<'a>(plan: &Plan, matrix: &'a Matrix, results: &Results, column: &Column) -> Vec<Task<'a>> {
    let times = results.times.get(&column.id).cloned().unwrap_or_default();
    let wanted = |bug: &&Bug| plan.bugs.is_empty() || plan.bugs.iter().any(|part| bug.id.contains(part.as_str()));
    let bugs = matrix.bugs.iter().filter(wanted).filter(|bug| !column.is_blind_to(bug)).map(Some);
    let mut tasks: Vec<_> = std::iter::once(None)
        .chain(bugs)
        .filter(|bug| match matrix.fresh(results, *bug, &column.id) {
            None => true,
            Some(_) if plan.sample.is_some() => bug.is_some(),
            Some(cell) => {
                plan.again || cell.verdict == Verdict::Broken || plan.unfinished && cell.verdict == Verdict::Unfinished
            }
        })
        .map(|bug| {
            let former = results.cell(bug.map_or(NO_BUG, |bug| &bug.id), &column.id);
            let hints = Hints {
                part: former.and_then(|cell| cell.part.clone()),
                by: former.and_then(|cell| cell.by.clone()),
                times: times.clone(),
            };
            Task { bug, hints, expected: former.map(|cell| cell.verdict) }
        })
        .collect();
    // What was never tried comes before what is only out of date, and for models what one of them was written for before
    // the others; equivalent variants come last.
    tasks.sort_by_key(|task| {
        let equivalent = task.bug.is_some_and(|bug| bug.equivalent.is_some());
        let tried = task.bug.is_some() && task.expected.is_some();
        // That it passes without a bug comes first, or last if that is only out of date.
        if task.bug.is_none() {
            return (!times.is_empty(), false, false);
        }
        let unexpected = column.kind == Kind::Models && task.bug.is_some_and(|bug| bug.loom.is_empty());
        (equivalent, tried, unexpected)
    });
    tasks
}

/// The same cells whenever it is asked: of the kills, every n-th, over all checkers.
fn choose(queues: &mut Vec<(&Column, Vec<Task>)>, sample: usize) {
    for (_, tasks) in queues.iter_mut() {
        tasks.retain(|task| task.bug.is_some() && task.expected == Some(Verdict::Killed));
        tasks.sort_by_key(|task| task.bug.map(|bug| bug.id.clone()));
    }
    let total: usize = queues.iter().map(|(_, tasks)| tasks.len()).sum();
    let step = total.div_ceil(sample.max(1)).max(1);
    let mut number = 0;
    for (_, tasks) in queues.iter_mut() {
        tasks.retain(|_| {
            number += 1;
            (number - 1) % step == 0
        });
    }
    queues.retain(|(_, tasks)| !tasks.is_empty());
}

#[expect(clippy::too_many_arguments, reason = "the shared state of the workers, by name")]
fn one(
    plan: &Plan,
    matrix: &Matrix,
    column: &Column,
    place: &Place,
    task: &Task,
    results: &Mutex<Results>,
    summary: &Mutex<Summary>,
    bar: &ProgressBar,
) -> Result<()> {
    let id = task.bug.map_or(NO_BUG, |bug| &bug.id);
    bar.set_message(format!("{id} under {}", column.id));
    let key = matrix.key(task.bug, &column.id);
    let outcome = {
        let _seeded = match Seeded::new(&place.tree, task.bug) {
            Ok(seeded) => seeded,
            Err(error) => {
                summary.lock().expect("no panic while locked").wrong.push(format!("{error:#}"));
                return Ok(());
            }
        };
        // Without a bug all of a checker runs, however long it takes.
        let budget = if task.bug.is_none() { plan.budget * 40 } else { plan.budget };
        cell::run(column, place, task.bug, &key, budget, &task.hints)
            .with_context(|| format!("{id} under {}", column.id))?
    };
    let mut summary = summary.lock().expect("no panic while locked");
    let Some(cell) = outcome.cell else {
        summary.left += 1;
        return Ok(());
    };
    bar.inc(1);
    let evidence = plan.work.join("evidence").join(format!("{id}.{}.txt", column.id));
    fs::create_dir_all(evidence.parent().expect("it is in a folder"))?;
    fs::write(&evidence, &outcome.evidence)?;
    if bar.is_hidden() {
        println!("{}", line(id, column, &cell));
    } else {
        bar.println(line(id, column, &cell));
    }
    note(&mut summary, task, column, &cell, plan.sample.is_some());
    let mut results = results.lock().expect("no panic while locked");
    if task.bug.is_none() && cell.verdict == Verdict::Survived {
        results.times.insert(column.id.clone(), outcome.times);
    }
    if plan.sample.is_none() {
        results.cells.insert((id.to_owned(), column.id.clone()), cell);
        results.write(&plan.results)?;
    }
    Ok(())
}

fn line(id: &str, column: &Column, cell: &Cell) -> String {
    let what = match cell.verdict {
        Verdict::Killed => format!("killed by {}", cell.by.as_deref().unwrap_or("?")),
        Verdict::Survived => "SURVIVED".to_owned(),
        Verdict::Unfinished => "not noticed in its time".to_owned(),
        Verdict::Broken => "DOES NOT BUILD".to_owned(),
    };
    let after = cell.after.map(|after| format!(", {after} {}", column.unit)).unwrap_or_default();
    let how = cell.how.as_deref().map(|how| format!(" ({how})")).unwrap_or_default();
    format!("{:7} {id}: {what}{how}{after}, {} s", column.id, cell.seconds)
}

fn note(summary: &mut Summary, task: &Task, column: &Column, cell: &Cell, sampled: bool) {
    summary.cells += 1;
    let id = task.bug.map_or(NO_BUG, |bug| &bug.id);
    let name = format!("{id} under {}", column.id);
    let equivalent = task.bug.is_some_and(|bug| bug.equivalent.is_some());
    match (cell.verdict, task.bug.is_none()) {
        (Verdict::Broken, _) => summary.wrong.push(format!("{name} does not build")),
        (Verdict::Killed, true) => {
            summary.wrong.push(format!("{} fails without any bug: {}", column.title, cell.by.as_deref().unwrap_or("?")))
        }
        (Verdict::Killed, false) if equivalent => {
            summary.wrong.push(format!("{name} was noticed, so it is not equivalent"));
        }
        (Verdict::Killed, false) => summary.killed += 1,
        (Verdict::Survived, false) if !equivalent => summary.survived.push(name.clone()),
        (Verdict::Unfinished, _) => summary.unfinished += 1,
        _ => {}
    }
    if sampled && cell.verdict != Verdict::Killed {
        summary.wrong.push(format!("{name} was noticed before and is not any more"));
    }
}

/// Bugs that are neither equivalent nor noticed by anybody, and those that no systematic checker notices.
pub fn gaps<'a>(matrix: &'a Matrix, results: &Results) -> (Vec<&'a Bug>, Vec<&'a Bug>) {
    let systematic: BTreeSet<_> =
        matrix.columns.iter().filter(|column| column.systematic).map(|column| column.id.as_str()).collect();
    let killers = |bug: &Bug| -> Vec<&str> {
        let killed =
            |column: &&Column| results.cell(&bug.id, &column.id).is_some_and(|cell| cell.verdict == Verdict::Killed);
        matrix.columns.iter().filter(killed).map(|column| column.id.as_str()).collect()
    };
    let real = || matrix.bugs.iter().filter(|bug| bug.equivalent.is_none());
    let nobody = real().filter(|bug| killers(bug).is_empty()).collect();
    let no_systematic = real()
        .filter(|bug| !killers(bug).is_empty() && !killers(bug).iter().any(|id| systematic.contains(id)))
        .collect();
    (nobody, no_systematic)
}

//! The matrix: every bug against every checker, as far as the time goes, to be taken up again later.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};

use crate::catalogue::{self, Bug};
use crate::cell::{self, Hints, Place};
use crate::columns::{self, Column};
use crate::results::{Cell, NO_BUG, Results, Verdict};
use crate::tree::{Seeded, Source};
use crate::{Usage, home, interrupt, process, root};

/// The code that every result is about. What errors say is no part of it: no checker looks at that, nor is any bug in
/// it.
pub const CODE: [&str; 2] = ["src/", "!src/error.rs"];

/// What to run, and for how long.
#[derive(Clone, Debug)]
pub struct Plan {
    pub results: PathBuf,
    /// Where the copies are; a folder for each worker.
    pub work: PathBuf,
    /// `None`: the working tree.
    pub commit: Option<String>,
    /// Checkers, by id; empty: all.
    pub columns: Vec<String>,
    /// Bugs, by parts of their ids; empty: all.
    pub bugs: Vec<String>,
    pub budget: Duration,
    /// No bug begins after this.
    pub time: Option<Duration>,
    pub jobs: usize,
    /// Run cells again that are known.
    pub again: bool,
    /// The systematic checkers alone, and no further for a bug that one of them has noticed.
    pub until_killed: bool,
    /// A fixed choice of so many cells, which must be killed as they were before.
    pub sample: Option<usize>,
}

/// The catalogue and the checkers, and what their results are keyed by.
pub struct Matrix {
    pub bugs: Vec<Bug>,
    pub columns: Vec<Column>,
    keys: Vec<Key>,
}

/// What the results of one checker are keyed by.
struct Key {
    code: String,
    /// The whole checker.
    checker: String,
    /// What all of its tests use, if that is told apart.
    shared: Option<String>,
    /// The other files of it.
    others: Vec<Part>,
    /// What makes, runs and judges programs, where some of its models are of these alone.
    programs: Option<String>,
    how: String,
    is_there: bool,
}

/// A file that holds some of the tests or models of a checker.
struct Part {
    /// Its name as a module.
    module: String,
    text: String,
    fingerprint: String,
}

impl Key {
    fn new(source: &Source, code: &str, column: &Column) -> Result<Self> {
        let mut how = format!("{:?} {:?} {:?}", column.build, column.arguments, column.environment);
        if !column.build_environment.is_empty() {
            how += &format!(" {:?}", column.build_environment);
        }
        if !column.skip.is_empty() || !column.smaller.is_empty() {
            how += &format!(" {:?} {:?}", column.skip, column.smaller);
        }
        for package in &column.packages {
            how += &format!(" {package} {:?}", source.locked(package)?);
        }
        let shared = source.matching(&column.shared);
        let mut others = Vec::new();
        if !shared.is_empty() {
            for file in source.matching(&column.sources).iter().filter(|file| !shared.contains(file)) {
                let module = Path::new(file).file_stem().unwrap_or_default().to_string_lossy().into_owned();
                others.push(Part { module, text: source.text(file)?, fingerprint: source.fingerprint_of(&[file])? });
            }
        }
        Ok(Self {
            code: code.to_owned(),
            checker: source.fingerprint(&column.sources)?,
            shared: (!shared.is_empty()).then(|| source.fingerprint_of(&shared)).transpose()?,
            others,
            programs: (!column.programs.is_empty()).then(|| source.fingerprint(&column.programs)).transpose()?,
            how,
            is_there: source.has(&column.needs),
        })
    }

    /// The checker, or the part of it that noticed.
    fn text(&self, noticed_by: Option<&str>) -> String {
        let Self { code, checker, how, .. } = self;
        if let (Some(test), Some(shared)) = (noticed_by, &self.shared) {
            // The name of a parameter may follow that of the test, which is a sentence.
            let name = test.split("::").max_by_key(|segment| segment.len()).unwrap_or(test);
            let holds = |part: &&Part| part.text.contains(name);
            let used = |part: &&Part| {
                let path = format!("crate::{}", part.module);
                let named = |text: &str| text.split(&path).skip(1).any(|rest| rest.starts_with([':', ';']));
                self.others.iter().filter(holds).any(|holder| named(&holder.text))
            };
            let holders: Vec<_> = self.others.iter().filter(|part| holds(part) || used(part)).collect();
            let of_programs = holders.iter().any(|part| part.text.contains("Model::programs("));
            let programs = self.programs.iter().filter(|_| of_programs);
            let parts: Vec<_> =
                holders.iter().map(|part| &part.fingerprint).chain(programs).map(String::as_str).collect();
            if !parts.is_empty() {
                return format!("{code} {shared} {} {how}", parts.join(" "));
            }
        }
        let programs = self.programs.as_deref().unwrap_or_default();
        format!("{code} {checker}{programs} {how}")
    }
}

impl Matrix {
    pub fn read(source: &Source) -> Result<Self> {
        let bugs = catalogue::read(&home().join("bugs"))?;
        let columns = columns::read(&home().join("columns.toml"))?;
        let code = source.fingerprint(&CODE.map(str::to_owned))?;
        let keys = columns.iter().map(|column| Key::new(source, &code, column)).collect::<Result<_>>()?;
        Ok(Self { bugs, columns, keys })
    }

    /// Whether a checker is in the repository yet.
    pub fn is_there(&self, column: &str) -> bool {
        self.columns.iter().position(|other| other.id == column).is_some_and(|number| self.keys[number].is_there)
    }

    /// For a kill, with what noticed.
    pub fn key(&self, bug: Option<&Bug>, column: &str, noticed_by: Option<&str>) -> String {
        let number = self.columns.iter().position(|other| other.id == column).unwrap_or_default();
        let mut hash = Sha256::new();
        hash.update(self.keys[number].text(noticed_by));
        for edit in bug.iter().flat_map(|bug| bug.edits()) {
            hash.update(format!("{:?}", (edit.file, edit.find, edit.replace)));
        }
        format!("{:x}", hash.finalize())[..16].to_owned()
    }

    /// A cell that is about these sources, this checker and this bug.
    pub fn fresh<'a>(&self, results: &'a Results, bug: Option<&Bug>, column: &str) -> Option<&'a Cell> {
        let id = bug.map_or(NO_BUG, |bug| &bug.id);
        results.cell(id, column).filter(|cell| cell.key == self.key(bug, column, cell.noticed_by()))
    }
}

/// A bug, and the checkers that it is to be tried against: it is compiled once for all that build the same.
#[derive(Clone, Debug)]
struct Task<'a> {
    bug: Option<&'a Bug>,
    cells: Vec<Wanted<'a>>,
}

/// One cell that is to be run.
#[derive(Clone, Debug)]
struct Wanted<'a> {
    column: &'a Column,
    hints: Hints,
    former: Option<Verdict>,
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
        let known = || matrix.columns.iter().map(|column| column.id.as_str()).collect::<Vec<_>>().join(", ");
        if !matrix.columns.iter().any(|other| other.id == *column) {
            return Err(Usage::error(format!("there is no checker called {column}; there are {}", known())));
        }
    }
    for text in &plan.bugs {
        if !matrix.bugs.iter().any(|bug| bug.id.contains(text.as_str())) {
            return Err(Usage::error(format!("no bug has {text} in its id; docs/kill-matrix.md lists them")));
        }
    }
    let _work = process::alone(&plan.work, "wait for it, or give --work another")?;
    let folder = plan.results.parent().unwrap_or(Path::new("."));
    let _results = match plan.sample {
        Some(_) => None,
        None => Some(process::alone(folder, "wait for it")?),
    };
    let results = Results::read(&plan.results)?;
    let tasks = match plan.sample {
        Some(sample) => choose(plan, &matrix, &results, sample)?,
        None => missing(plan, &matrix, &results),
    };
    let total: usize = tasks.iter().map(|task| task.cells.len()).sum();
    let bars = MultiProgress::new();
    let bar = bars.add(ProgressBar::new(total as u64));
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} cells, {elapsed} gone, {eta} to go  {msg}")?);
    let deadline = plan.time.map(|time| Instant::now() + time);
    let state = State { plan, matrix: &matrix, results: Mutex::new(results), summary: Mutex::default(), bar };
    let tasks = Mutex::new(tasks.into_iter());
    let work = |number| -> Result<()> {
        let place = Place::new(&plan.work, number);
        source.copy_to(&place.tree)?;
        while let Some(task) = { tasks.lock().expect("no panic while locked").next() } {
            if interrupt::happened() || deadline.is_some_and(|deadline| Instant::now() > deadline) {
                state.summary().left += task.cells.len();
                continue;
            }
            state.one(&task, &place)?;
            source.tidy(&place.tree)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let work = &work;
        let workers: Vec<_> = (1..=plan.jobs.max(1)).map(|number| scope.spawn(move || work(number))).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })?;
    state.bar.finish_and_clear();
    Ok(state.summary.into_inner().expect("no panic while locked"))
}

fn wanted<'a>(plan: &Plan, matrix: &'a Matrix, results: &Results, bug: Option<&'a Bug>) -> Vec<Wanted<'a>> {
    let id = bug.map_or(NO_BUG, |bug| &bug.id);
    let columns = matrix.columns.iter().filter(|column| {
        matrix.is_there(&column.id)
            && (plan.columns.is_empty() || plan.columns.contains(&column.id))
            && bug.is_none_or(|bug| !column.is_blind_to(bug))
    });
    columns
        .map(|column| {
            let former = results.cell(id, &column.id);
            let hints = Hints {
                part: former.and_then(|cell| cell.part.clone()),
                by: former.and_then(|cell| cell.by.clone()),
                times: results.times.get(&column.id).cloned().unwrap_or_default(),
            };
            Wanted { column, hints, former: former.map(|cell| cell.verdict) }
        })
        .collect()
}

/// The cells that are not known, bug by bug.
fn missing<'a>(plan: &Plan, matrix: &'a Matrix, results: &Results) -> Vec<Task<'a>> {
    let named = |bug: &&Bug| plan.bugs.is_empty() || plan.bugs.iter().any(|part| bug.id.contains(part.as_str()));
    let known = |bug: Option<&Bug>, column: &Column| match matrix.fresh(results, bug, &column.id) {
        None => false,
        Some(cell) => {
            let had_less = cell.budget.is_some_and(|budget| budget < plan.budget.as_secs());
            !(plan.again || had_less || cell.verdict == Verdict::Broken)
        }
    };
    let noticed = |bug: Option<&Bug>, column: &Column| {
        matrix.fresh(results, bug, &column.id).is_some_and(|cell| column.kills_systematically(cell))
    };
    let mut tasks = Vec::new();
    // The sources without a bug only if it is not about some bugs.
    let baseline = plan.bugs.is_empty().then_some(None);
    for bug in baseline.into_iter().chain(matrix.bugs.iter().filter(named).map(Some)) {
        let mut cells = wanted(plan, matrix, results, bug);
        if plan.until_killed {
            cells.retain(|cell| cell.column.systematic);
            if bug.is_none() || !plan.again && cells.iter().any(|cell| noticed(bug, cell.column)) {
                continue;
            }
            // The likeliest first.
            let likely = |cell: &Wanted| match cell.former {
                Some(Verdict::Killed) => 0,
                None => 1,
                Some(_) => 2,
            };
            let class = bug.map(|bug| &bug.class);
            cells.sort_by_key(|cell| (likely(cell), class.is_none_or(|class| !cell.column.likely.contains(class))));
        }
        cells.retain(|cell| !known(bug, cell.column));
        if !cells.is_empty() {
            tasks.push(Task { bug, cells });
        }
    }
    // The sources without a bug first where it is not known how long each test takes, or else last; what was never
    // tried before what is only out of date, and that before what is known to take long; equivalent variants after all
    // others.
    tasks.sort_by_key(|task| {
        let former = |verdict| task.cells.iter().any(|cell| cell.former == verdict);
        match task.bug {
            None if task.cells.iter().any(|cell| cell.hints.times.is_empty()) => 0,
            None => 5,
            Some(bug) if bug.equivalent.is_some() => 4,
            Some(_) if former(Some(Verdict::Killed)) => 2,
            Some(_) if former(Some(Verdict::Unfinished)) || former(Some(Verdict::Survived)) => 3,
            Some(_) => 1,
        }
    });
    tasks
}

/// Kills that took longer are not for a sample that has to be quick.
const QUICK: f64 = 15.0;

/// The same cells whenever it is asked: one a bug, in an order that depends on nothing but the name of the bug.
fn choose<'a>(plan: &Plan, matrix: &'a Matrix, results: &Results, sample: usize) -> Result<Vec<Task<'a>>> {
    let rank = |bug: &Bug| format!("{:x}", Sha256::digest(&bug.id));
    let quick = |bug: &Bug, cell: &Wanted| {
        let seconds = results.cell(&bug.id, &cell.column.id).map_or(f64::MAX, |cell| cell.seconds);
        cell.former == Some(Verdict::Killed) && seconds < QUICK
    };
    let mut tasks = Vec::new();
    for bug in matrix.bugs.iter().filter(|bug| bug.equivalent.is_none()) {
        let mut cells = wanted(plan, matrix, results, Some(bug));
        cells.retain(|cell| quick(bug, cell));
        cells.sort_by_key(|cell| !cell.column.systematic);
        cells.truncate(1);
        if !cells.is_empty() {
            tasks.push((rank(bug), Task { bug: Some(bug), cells }));
        }
    }
    tasks.sort_by(|(one, _), (other, _)| one.cmp(other));
    tasks.truncate(sample);
    if tasks.len() < sample {
        return Err(Usage::error(format!("only {} kills are known that are quick", tasks.len())));
    }
    Ok(tasks.into_iter().map(|(_, task)| task).collect())
}

/// What the workers share.
struct State<'a> {
    plan: &'a Plan,
    matrix: &'a Matrix,
    results: Mutex<Results>,
    summary: Mutex<Summary>,
    bar: ProgressBar,
}

impl State<'_> {
    fn summary(&self) -> MutexGuard<'_, Summary> {
        self.summary.lock().expect("no panic while locked")
    }

    /// The cells of one bug, one after the other.
    fn one(&self, task: &Task, place: &Place) -> Result<()> {
        let _seeded = match Seeded::new(&place.tree, task.bug) {
            Ok(seeded) => seeded,
            Err(error) => {
                self.summary().wrong.push(format!("{error:#}"));
                return Ok(());
            }
        };
        let mut noticed = false;
        for wanted in &task.cells {
            if noticed && self.plan.until_killed {
                self.bar.inc(1);
            } else if let Some(cell) = self.cell(task.bug, wanted, place)? {
                noticed |= wanted.column.kills_systematically(&cell);
            } else {
                self.summary().left += 1;
            }
        }
        Ok(())
    }

    /// `None`: interrupted.
    fn cell(&self, bug: Option<&Bug>, wanted: &Wanted, place: &Place) -> Result<Option<Cell>> {
        let column = wanted.column;
        let id = bug.map_or(NO_BUG, |bug| &bug.id);
        self.bar.set_message(format!("{id} under {}", column.id));
        let budget = match (bug, self.plan.sample) {
            // Without a bug all of a checker runs, however long it takes.
            (None, _) => self.plan.budget * 40,
            // What was noticed before has to be noticed on a slower machine, too.
            (_, Some(_)) => self.plan.budget * 4,
            (_, None) => self.plan.budget,
        };
        let outcome = cell::run(column, place, bug, budget, &wanted.hints)
            .with_context(|| format!("{id} under {}", column.id))?;
        let Some(mut cell) = outcome.cell else { return Ok(None) };
        cell.key = self.matrix.key(bug, &column.id, cell.noticed_by());
        self.bar.inc(1);
        let evidence = self.plan.work.join("evidence").join(format!("{id}.{}.txt", column.id));
        fs::create_dir_all(evidence.parent().expect("it is in a folder"))?;
        fs::write(&evidence, &outcome.evidence)?;
        if self.bar.is_hidden() {
            println!("{}", line(id, column, &cell));
        } else {
            self.bar.println(line(id, column, &cell));
        }
        note(&mut self.summary(), bug, column, &cell, self.plan.sample.is_some());
        let mut results = self.results.lock().expect("no panic while locked");
        if bug.is_none() && cell.verdict == Verdict::Survived {
            results.times.insert(column.id.clone(), outcome.times);
        }
        if self.plan.sample.is_none() {
            results.cells.insert((id.to_owned(), column.id.clone()), cell.clone());
            results.write(&self.plan.results)?;
        }
        Ok(Some(cell))
    }
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

fn note(summary: &mut Summary, bug: Option<&Bug>, column: &Column, cell: &Cell, sampled: bool) {
    summary.cells += 1;
    let id = bug.map_or(NO_BUG, |bug| &bug.id);
    let name = format!("{id} under {}", column.id);
    let equivalent = bug.is_some_and(|bug| bug.equivalent.is_some());
    match (cell.verdict, bug.is_none()) {
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

/// Bugs that are neither equivalent nor noticed by anybody on these sources, and those that no systematic checker
/// notices.
pub fn gaps<'a>(matrix: &'a Matrix, results: &Results) -> (Vec<&'a Bug>, Vec<&'a Bug>) {
    let any = |bug: &Bug, kills: fn(&Column, &Cell) -> bool| {
        let cell = |column: &Column| matrix.fresh(results, Some(bug), &column.id);
        matrix.columns.iter().any(|column| cell(column).is_some_and(|cell| kills(column, cell)))
    };
    let killed = |bug: &Bug| any(bug, |_, cell| cell.verdict == Verdict::Killed);
    let real = || matrix.bugs.iter().filter(|bug| bug.equivalent.is_none());
    let nobody = real().filter(|bug| !killed(bug)).collect();
    let no_systematic = real().filter(|bug| killed(bug) && !any(bug, Column::kills_systematically)).collect();
    (nobody, no_systematic)
}

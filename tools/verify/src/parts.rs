//! What came of each rung: one JSON file a rung, and one a machine where machines share it; put together into one
//! table.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::ladder::{Level, Rung};
use crate::root;
use crate::tree::Source;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Green,
    Failed,
    Interrupted,
    NotRun,
}

/// How many of what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    pub unit: String,
    pub number: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    pub rung: String,
    pub title: String,
    pub level: String,
    /// `K/N` if machines share the rung.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<String>,
    pub outcome: Outcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub counts: Vec<Count>,
    pub extent: String,
    pub seconds: f64,
    pub date: String,
    /// A fingerprint of what was checked, and of what checked it.
    #[serde(default)]
    pub sources: String,
    /// What a failure printed, from the test that failed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}

/// Where parts and the report are.
pub fn folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join("verify")
}

/// What [`Part::sources`] is of the working tree.
pub fn sources() -> Result<String> {
    const WHAT: [&str; 8] =
        ["Cargo.toml", "Cargo.lock", "src/", "tests/", "model/", "proptests/", "fuzz/", "tools/verify/ladder.toml"];
    Source::new(&root(), None)?.fingerprint(&WHAT.map(str::to_owned))
}

fn file_name(part: &Part) -> String {
    match part.share.as_deref().and_then(|share| share.split_once('/')) {
        Some((k, n)) => format!("{}.{k}-of-{n}.json", part.rung),
        None => format!("{}.json", part.rung),
    }
}

/// Writes a part in the place of the former one, and of those that belong to another number of machines.
pub fn write(part: &Part) -> Result<()> {
    let folder = folder().join("parts");
    fs::create_dir_all(&folder)?;
    let machines = |share: &Option<String>| share.as_ref().and_then(|share| Some(share.split_once('/')?.1.to_owned()));
    for other in read().unwrap_or_default() {
        if other.rung == part.rung && machines(&other.share) != machines(&part.share) {
            fs::remove_file(folder.join(file_name(&other)))?;
        }
    }
    let file = folder.join(file_name(part));
    let unfinished = file.with_extension("unfinished");
    fs::write(&unfinished, serde_json::to_string_pretty(part)? + "\n")?;
    fs::rename(unfinished, file)?;
    Ok(())
}

/// All parts there are, by name.
pub fn read() -> Result<Vec<Part>> {
    read_from(&folder().join("parts"))
}

fn read_from(folder: &Path) -> Result<Vec<Part>> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut files: Vec<_> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|kind| kind == "json"));
    files.sort();
    let part = |path: &PathBuf| {
        let text = fs::read_to_string(path)?;
        serde_json::from_str(&text).with_context(|| format!("{} is no part of a run", path.display()))
    };
    files.iter().map(part).collect()
}

/// Takes the parts of other machines over; those that are here already are replaced.
pub fn merge(folders: &[PathBuf]) -> Result<()> {
    for folder in folders {
        let inside = folder.join("parts");
        let parts = read_from(if inside.is_dir() { &inside } else { folder })?;
        ensure!(!parts.is_empty(), "there are no parts of a run in {}", folder.display());
        parts.iter().try_for_each(write)?;
    }
    Ok(())
}

/// The parts of each rung as one. A rung of which a machine's part is missing is not green.
pub fn joined(parts: &[Part]) -> Vec<Part> {
    let mut rungs: BTreeMap<(&str, &str), Vec<&Part>> = BTreeMap::new();
    for part in parts {
        rungs.entry((&part.rung, &part.level)).or_default().push(part);
    }
    rungs.into_values().map(|parts| join(&parts)).collect()
}

fn join(parts: &[&Part]) -> Part {
    let mut all = parts[0].clone();
    for part in &parts[1..] {
        for count in &part.counts {
            match all.counts.iter_mut().find(|other| other.unit == count.unit) {
                Some(other) => other.number += count.number,
                None => all.counts.push(count.clone()),
            }
        }
        all.seconds += part.seconds;
        all.date = all.date.max(part.date.clone());
        let rank = |outcome| match outcome {
            Outcome::Failed => 3,
            Outcome::Interrupted => 2,
            Outcome::NotRun => 1,
            Outcome::Green => 0,
        };
        if rank(part.outcome) > rank(all.outcome) {
            (all.outcome, all.reason, all.output) = (part.outcome, part.reason.clone(), part.output.clone());
        }
    }
    let shares: Vec<_> = parts.iter().filter_map(|part| part.share.as_deref()?.split_once('/')).collect();
    if let Some(n) = shares.first().and_then(|(_, n)| n.parse::<usize>().ok()) {
        let missing: Vec<_> = (1..=n)
            .filter(|k| !shares.iter().any(|(share, _)| *share == k.to_string()))
            .map(|k| k.to_string())
            .collect();
        all.share = Some(format!("{} of {n}", n - missing.len()));
        if !missing.is_empty() && all.outcome == Outcome::Green {
            all.outcome = Outcome::NotRun;
            all.reason = Some(format!("of {n} machines, nothing was heard of number {}", missing.join(", ")));
        }
    }
    all
}

/// The rungs of the ladders that the parts are of which have not been run to their ends.
pub fn lacking(parts: &[Part], rungs: &[Rung]) -> Vec<String> {
    let levels: BTreeSet<&str> = parts.iter().map(|part| part.level.as_str()).collect();
    let ended = |rung: &Rung, level: Level| {
        let of_it = |part: &&Part| part.rung == rung.id && part.level == level.name();
        let ended = |part: &Part| matches!(part.outcome, Outcome::Green | Outcome::Failed);
        parts.iter().find(of_it).is_some_and(ended)
    };
    let levels = Level::ALL.into_iter().filter(|level| levels.contains(level.name()));
    levels
        .flat_map(|level| {
            let all = rungs.iter().filter(move |rung| rung.is_on(level));
            all.filter(move |rung| !ended(rung, level)).map(|rung| rung.id.clone())
        })
        .collect()
}

/// One part on one line.
pub fn line(part: &Part) -> String {
    let counts: Vec<_> = part.counts.iter().map(|count| format!("{} {}", grouped(count.number), count.unit)).collect();
    let what = match (part.outcome, &part.reason) {
        (Outcome::Green, _) => format!("{} ({})", counts.join(", "), part.extent),
        (_, Some(reason)) => reason.clone(),
        (_, None) => String::new(),
    };
    let outcome = word(part.outcome);
    let share = part.share.as_ref().map(|share| format!(" [{share}]")).unwrap_or_default();
    format!("{outcome:11} {:12} {:>8.1} s  {what}{share}", part.rung, part.seconds)
}

pub fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Green => "green",
        Outcome::Failed => "FAILED",
        Outcome::Interrupted => "interrupted",
        Outcome::NotRun => "not run",
    }
}

/// `1234567` as `1 234 567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push('\u{a0}');
        }
        text.push(digit);
    }
    text
}

/// Prints the conclusion, what failed first; true if nothing did and nothing was cut short. `all`: nor was anything
/// left out because something that it needs is not there.
pub fn conclude(parts: &[Part], all: bool) -> bool {
    let failed: Vec<_> = parts.iter().filter(|part| part.outcome == Outcome::Failed).collect();
    let cut: Vec<_> = parts
        .iter()
        .filter(|part| {
            part.outcome == Outcome::Interrupted
                || part.reason.as_deref().is_some_and(|why| why.starts_with("interrupted"))
        })
        .collect();
    let names = |parts: &[&Part]| match parts {
        [] => "nothing".to_owned(),
        _ => parts.iter().map(|part| part.rung.clone()).collect::<Vec<_>>().join(", "),
    };
    let checked: Vec<_> = parts.iter().filter(|part| part.outcome == Outcome::Green).collect();
    let left: Vec<_> = parts.iter().filter(|part| part.outcome == Outcome::NotRun).collect();
    let too_little = !left.is_empty() && (all || checked.is_empty());
    println!();
    if let Some(part) = failed.first() {
        println!("FAILED: {}: {}", part.title, part.reason.as_deref().unwrap_or("it does not say why"));
    } else if !cut.is_empty() {
        println!("INTERRUPTED: checked {}; not checked {}", names(&checked), names(&cut));
    } else if too_little {
        println!("NOT WHOLE: checked {}; not checked {}", names(&checked), names(&left));
    } else {
        println!("GREEN: {} of {} checks ran, none failed", checked.len(), parts.len());
    }
    for part in parts {
        println!("{}", line(part));
    }
    failed.is_empty() && cut.is_empty() && !too_little
}

/// Text without the paths of this machine.
pub fn public(text: &str) -> String {
    let mut text = text.to_owned();
    let mut hide = |path: &str, name: &str| {
        if path.len() > 1 {
            text = text.replace(path, name);
        }
    };
    hide(&root().to_string_lossy(), ".");
    hide(&folder().to_string_lossy(), "target/verify");
    if let Some(target) = folder().parent() {
        hide(&target.to_string_lossy(), "target");
    }
    if let Some(home) = std::env::var_os("CARGO_HOME") {
        hide(&home.to_string_lossy(), "~/.cargo");
    }
    if let Some(home) = std::env::var_os("HOME") {
        hide(&home.to_string_lossy(), "~");
    }
    // Sources of dependencies, without the registry they came from.
    let registry = regex::Regex::new(r"[^\s(]*/registry/src/[^/\s]+/").expect("a pattern of this file");
    registry.replace_all(&text, "").into_owned()
}

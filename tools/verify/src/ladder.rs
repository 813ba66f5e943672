//! The ladder: every check in order, with progress, and one table at the end. The rungs are data, `ladder.toml`.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use regex::Regex;
use serde::Deserialize;

use crate::parts::{self, Count, Outcome, Part};
use crate::process::{self, End};
use crate::results::today;
use crate::{home, interrupt, root};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Quick,
    Usual,
    Deep,
}

impl Level {
    pub fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Usual => "usual",
            Self::Deep => "deep",
        }
    }
}

/// The k-th of n machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    pub k: usize,
    pub n: usize,
}

impl Share {
    pub fn parse(text: &str) -> Result<Self> {
        let (k, n) = text.split_once('/').context("it is written K/N, for instance 2/4")?;
        let share = Self { k: k.parse()?, n: n.parse()? };
        ensure!(1 <= share.k && share.k <= share.n, "K is from 1 to N");
        Ok(share)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rung {
    pub id: String,
    pub title: String,
    /// A file that is there if the check is.
    needs: Option<String>,
    /// A command that succeeds if the tool is installed.
    tool: Option<Vec<String>>,
    /// Whether it goes through everything, and up to what.
    extent: String,
    counts: Vec<Counting>,
    quick: Option<Commands>,
    usual: Option<Commands>,
    deep: Option<Commands>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Commands {
    run: Vec<Vec<String>>,
    shared: Option<Vec<Vec<String>>>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    /// About how long it takes on two cores, once built.
    seconds: u64,
}

/// How a number is read from the output.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counting {
    unit: String,
    /// The first group is a number; all are added.
    sum: Option<String>,
    /// Lines that match.
    each: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    rung: Vec<Rung>,
}

impl Rung {
    fn at(&self, level: Level) -> Option<&Commands> {
        match level {
            Level::Quick => self.quick.as_ref(),
            Level::Usual => self.usual.as_ref(),
            Level::Deep => self.deep.as_ref(),
        }
    }

    /// Why it cannot run here.
    fn obstacle(&self) -> Option<String> {
        if let Some(file) = self.needs.as_ref().filter(|file| !root().join(file).exists()) {
            return Some(format!("{file} does not exist"));
        }
        let tool = self.tool.as_ref()?;
        let mut command = Command::new(&tool[0]);
        command.args(&tool[1..]).current_dir(root()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let works = command.status().is_ok_and(|status| status.success());
        (!works).then(|| format!("`{}` does not work here", tool.join(" ")))
    }
}

pub fn read() -> Result<Vec<Rung>> {
    let file = home().join("ladder.toml");
    let page: Page = toml::from_str(&fs::read_to_string(&file)?).context("in tools/verify/ladder.toml")?;
    for rung in &page.rung {
        for pattern in rung.counts.iter().flat_map(|count| count.sum.iter().chain(&count.each)) {
            Regex::new(pattern).with_context(|| format!("in tools/verify/ladder.toml, {}", rung.id))?;
        }
    }
    Ok(page.rung)
}

/// Prints what there is.
pub fn list(level: Level) -> Result<()> {
    println!("{:12} {:>8}  WHAT", "NAME", "SECONDS");
    for rung in read()? {
        let seconds = rung.at(level).map_or("-".to_owned(), |commands| commands.seconds.to_string());
        println!("{:12} {seconds:>8}  {}", rung.id, rung.title);
    }
    Ok(())
}

/// Climbs the ladder; true if all that ran was green.
pub fn run(level: Level, only: &[String], share: Option<Share>) -> Result<bool> {
    let rungs = read()?;
    for name in only {
        let known = || rungs.iter().map(|rung| rung.id.as_str()).collect::<Vec<_>>().join(", ");
        ensure!(rungs.iter().any(|rung| rung.id == *name), "there is no rung called {name}; there are {}", known());
    }
    let former = parts::read()?;
    let chosen: Vec<_> = rungs
        .iter()
        .enumerate()
        .filter(|(_, rung)| only.is_empty() || only.contains(&rung.id))
        .filter_map(|(number, rung)| Some((number, rung, rung.at(level)?)))
        // What cannot be shared is run by one machine.
        .filter(|(number, _, commands)| {
            share.is_none_or(|share| commands.shared.is_some() || number % share.n == share.k - 1)
        })
        .collect();
    ensure!(!chosen.is_empty(), "nothing of this is on the {} ladder", level.name());
    let estimate = |rung: &Rung, commands: &Commands| {
        let before = former
            .iter()
            .find(|part| part.rung == rung.id && part.level == level.name() && part.share == share_of(share));
        before.filter(|part| part.outcome == Outcome::Green).map_or(commands.seconds, |part| part.seconds as u64 + 1)
    };
    let total: u64 = chosen.iter().map(|(_, rung, commands)| estimate(rung, commands)).sum();

    let bars = MultiProgress::new();
    let whole = bars.add(ProgressBar::new(total));
    whole.set_style(ProgressStyle::with_template("{bar:40} {percent:>3} %, {elapsed} gone, about {msg} to go")?);
    let mut parts = Vec::new();
    let mut left = total;
    for (_, rung, commands) in chosen {
        whole.set_message(humantime::format_duration(Duration::from_secs(left)).to_string());
        let bar = bars.add(ProgressBar::new_spinner());
        bar.set_style(ProgressStyle::with_template("{spinner} {prefix:12} {elapsed:>5}  {wide_msg}")?);
        bar.set_prefix(rung.id.clone());
        let part = one(rung, commands, level, share, &bar, estimate(rung, commands))?;
        left -= estimate(rung, commands);
        whole.set_position(total - left);
        bar.finish_and_clear();
        let line = parts::line(&part);
        if bars.is_hidden() {
            println!("{line}");
        } else {
            bars.println(&line)?;
        }
        parts::write(&part)?;
        parts.push(part);
    }
    whole.finish_and_clear();
    Ok(parts::conclude(&parts))
}

fn share_of(share: Option<Share>) -> Option<String> {
    share.map(|share| format!("{}/{}", share.k, share.n))
}

fn one(
    rung: &Rung,
    commands: &Commands,
    level: Level,
    share: Option<Share>,
    bar: &ProgressBar,
    estimate: u64,
) -> Result<Part> {
    let start = Instant::now();
    let mut part = Part {
        rung: rung.id.clone(),
        title: rung.title.clone(),
        level: level.name().to_owned(),
        share: share.filter(|_| commands.shared.is_some()).and_then(|share| share_of(Some(share))),
        outcome: Outcome::Green,
        reason: None,
        counts: Vec::new(),
        extent: rung.extent.clone(),
        seconds: 0.0,
        date: today(),
        output: None,
    };
    if interrupt::happened() {
        part.outcome = Outcome::NotRun;
        part.reason = Some("interrupted before it began".to_owned());
        return Ok(part);
    }
    if let Some(obstacle) = rung.obstacle() {
        part.outcome = Outcome::NotRun;
        part.reason = Some(obstacle);
        return Ok(part);
    }
    let list = match (share, &commands.shared) {
        (Some(_), Some(shared)) => shared,
        _ => &commands.run,
    };
    let Share { k, n } = share.unwrap_or(Share { k: 1, n: 1 });
    let fill = |text: &String| {
        text.replace("{k}", &k.to_string()).replace("{n}", &n.to_string()).replace("{seed}", &k.to_string())
    };
    let mut output = String::new();
    for words in list {
        let words: Vec<_> = words.iter().map(fill).collect();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(root());
        command.envs(commands.environment.iter().map(|(name, value)| (name, fill(value))));
        bar.set_message(words.join(" "));
        // Ten times what it should take, and time to build.
        let limit = Duration::from_secs(estimate * 10 + 1200);
        let scratch: PathBuf = parts::folder().join("scratch");
        let run = process::run_watched(&mut command, limit, &scratch, |line| {
            bar.set_message(line.to_owned());
            bar.tick();
        })?;
        output += &run.all();
        let wrong = match run.end {
            End::Success => continue,
            End::Failure => (Outcome::Failed, first_cause(&run.all())),
            End::Timeout => (Outcome::Failed, format!("not done after {} s", limit.as_secs())),
            End::Interrupted => {
                (Outcome::Interrupted, "interrupted half-way: what it had found so far is not kept".into())
            }
        };
        part.outcome = wrong.0;
        part.reason = Some(format!("{} (`{}`)", parts::public(&wrong.1), words.join(" ")));
        break;
    }
    part.counts = rung.counts.iter().filter_map(|counting| count(counting, &output)).fold(Vec::new(), merged);
    part.seconds = (start.elapsed().as_secs_f64() * 10.0).round() / 10.0;
    if part.outcome == Outcome::Failed {
        let lines: Vec<_> = output.lines().collect();
        part.output = Some(parts::public(&lines[lines.len().saturating_sub(400)..].join("\n")));
    }
    Ok(part)
}

fn merged(mut counts: Vec<Count>, count: Count) -> Vec<Count> {
    match counts.iter_mut().find(|other| other.unit == count.unit) {
        Some(other) => other.number += count.number,
        None => counts.push(count),
    }
    counts
}

fn count(counting: &Counting, output: &str) -> Option<Count> {
    let pattern = |text: &Option<String>| text.as_ref().and_then(|text| Regex::new(text).ok());
    let number = match (pattern(&counting.sum), pattern(&counting.each)) {
        (Some(sum), _) => output
            .lines()
            .filter_map(|line| sum.captures(line)?.get(1)?.as_str().replace([',', '_'], "").parse::<u64>().ok())
            .sum(),
        (_, Some(each)) => output.lines().filter(|line| each.is_match(line)).count() as u64,
        _ => 0,
    };
    (number > 0).then(|| Count { unit: counting.unit.clone(), number })
}

/// The line of an output that says most about why it failed.
fn first_cause(output: &str) -> String {
    const SIGNS: &[&str] =
        &["WRONG: ", "lost wake-up", "panicked at", "error[", "error: ", "FAILED", "BINGO", "SUMMARY"];
    let lines: Vec<_> = output.lines().map(str::trim).collect();
    for sign in SIGNS {
        if let Some(at) = lines.iter().position(|line| line.contains(sign)) {
            // What a panic says is on the next line.
            let next = if *sign == "panicked at" { lines.get(at + 1).copied().unwrap_or("") } else { "" };
            return format!("{} {next}", lines[at]).trim().chars().take(300).collect();
        }
    }
    lines.iter().rev().find(|line| !line.is_empty()).map_or("it failed and said nothing".into(), |line| (*line).into())
}

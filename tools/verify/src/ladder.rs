//! The ladder: the checks that look for bugs, in order, with progress, and one table at the end. The rungs are data,
//! `ladder.toml`.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::Write as _;
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
use crate::{Usage, home, interrupt, root};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Quick,
    Usual,
    Deep,
}

impl Level {
    pub const ALL: [Self; 3] = [Self::Quick, Self::Usual, Self::Deep];

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
    /// Where the rung is shared: what one machine runs besides.
    #[serde(default)]
    once: Vec<Vec<String>>,
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
    /// Whether there is anything of it on that ladder.
    pub fn is_on(&self, level: Level) -> bool {
        self.at(level).is_some()
    }

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

/// Prints what there is, or what one machine runs of it.
pub fn list(level: Level, share: Option<Share>) -> Result<()> {
    // A reader who has seen enough may close the pipe.
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{:12} {:>8}  WHAT", "NAME", "SECONDS");
    for (number, rung) in read()?.iter().enumerate() {
        let lines = commands(number, rung, level, share);
        let seconds = rung.at(level).filter(|_| !lines.is_empty()).map(|commands| commands.seconds.to_string());
        let _ = writeln!(out, "{:12} {:>8}  {}", rung.id, seconds.as_deref().unwrap_or("-"), rung.title);
        if share.is_some() {
            for command in lines {
                let _ = writeln!(out, "{:23}{command}", "");
            }
        }
    }
    Ok(())
}

/// One command of a rung: with its environment, and ready to be run; written as a shell takes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    environment: BTreeMap<String, String>,
    words: Vec<String>,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |text: &str| text.chars().all(|sign| sign.is_ascii_alphanumeric() || "-_+=./:,@%".contains(sign));
        let quoted = |text: &String| match plain(text) {
            true => text.clone(),
            false => format!("'{}'", text.replace('\'', r"'\''")),
        };
        let environment = self.environment.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
        let words: Vec<_> = environment.chain(self.words.iter().map(quoted)).collect();
        f.write_str(&words.join(" "))
    }
}

/// What a machine runs of a rung. Of several, each runs its share of what can be shared, and one of them the rest.
pub fn commands(number: usize, rung: &Rung, level: Level, share: Option<Share>) -> Vec<Line> {
    let Some(commands) = rung.at(level) else { return Vec::new() };
    let Share { k, n } = share.unwrap_or(Share { k: 1, n: 1 });
    let its_turn = number % n == k - 1;
    let mut list = match (share, &commands.shared) {
        (Some(_), Some(shared)) => shared.clone(),
        _ if its_turn => commands.run.clone(),
        _ => Vec::new(),
    };
    if share.is_some() && commands.shared.is_some() && its_turn {
        list.extend(commands.once.clone());
    }
    let fill = |text: &String| {
        let text = text.replace("{k}", &k.to_string()).replace("{n}", &n.to_string());
        text.replace("{from}", &(k - 1).to_string()).replace("{seed}", &k.to_string())
    };
    let environment: BTreeMap<_, _> =
        commands.environment.iter().map(|(name, value)| (name.clone(), fill(value))).collect();
    list.iter()
        .map(|words| Line { environment: environment.clone(), words: words.iter().map(fill).collect() })
        .collect()
}

/// Climbs the ladder; true if all that ran was green.
pub fn run(level: Level, only: &[String], share: Option<Share>) -> Result<bool> {
    let rungs = read()?;
    for name in only {
        let known = || rungs.iter().map(|rung| rung.id.as_str()).collect::<Vec<_>>().join(", ");
        let rung = rungs.iter().find(|rung| rung.id == *name);
        let rung =
            rung.ok_or_else(|| Usage::error(format!("there is no rung called {name}; there are {}", known())))?;
        if !rung.is_on(level) {
            return Err(Usage::error(format!("{name} is not on the {} ladder", level.name())));
        }
    }
    let _alone = process::alone(&parts::folder(), "wait for it, or give it another CARGO_TARGET_DIR")?;
    let sources = parts::sources()?;
    // For estimates alone.
    let former = parts::read().unwrap_or_default();
    let chosen: Vec<_> = rungs
        .iter()
        .enumerate()
        .filter(|(_, rung)| only.is_empty() || only.contains(&rung.id))
        .filter_map(|(number, rung)| Some((rung, rung.at(level)?, commands(number, rung, level, share))))
        .filter(|(.., list)| !list.is_empty())
        .collect();
    ensure!(!chosen.is_empty(), "nothing of this is on the {} ladder", level.name());
    let estimate = |rung: &Rung, commands: &Commands| {
        let before = former
            .iter()
            .find(|part| part.rung == rung.id && part.level == level.name() && part.share == share_of(share));
        before.filter(|part| part.outcome == Outcome::Green).map_or(commands.seconds, |part| part.seconds as u64 + 1)
    };
    let total: u64 = chosen.iter().map(|(rung, commands, _)| estimate(rung, commands)).sum();

    let bars = MultiProgress::new();
    let whole = bars.add(ProgressBar::new(total));
    whole.set_style(ProgressStyle::with_template("{bar:40} {percent:>3} %, {elapsed} gone, about {msg} to go")?);
    let mut parts = Vec::new();
    let mut left = total;
    for (rung, commands, list) in chosen {
        whole.set_message(humantime::format_duration(Duration::from_secs(left)).to_string());
        let bar = bars.add(ProgressBar::new_spinner());
        bar.set_style(ProgressStyle::with_template("{spinner} {prefix:12} {elapsed:>5}  {wide_msg}")?);
        bar.set_prefix(rung.id.clone());
        if bars.is_hidden() {
            println!("begins      {:12} about {} s", rung.id, estimate(rung, commands));
        }
        let estimated = estimate(rung, commands);
        let progress = |line: &str, seconds: u64| {
            let gone = seconds.min(estimated);
            bar.set_message(line.to_owned());
            bar.tick();
            whole.set_position(total - left + gone);
            whole.set_message(humantime::format_duration(Duration::from_secs(left - gone)).to_string());
        };
        let mut part = one(rung, &list, level, share.filter(|_| commands.shared.is_some()), estimated, &progress);
        part.sources.clone_from(&sources);
        left -= estimated;
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
    Ok(parts::conclude(&parts, share.is_some() || !only.is_empty()))
}

fn share_of(share: Option<Share>) -> Option<String> {
    share.map(|share| format!("{}/{}", share.k, share.n))
}

fn one(
    rung: &Rung,
    list: &[Line],
    level: Level,
    share: Option<Share>,
    estimate: u64,
    progress: &dyn Fn(&str, u64),
) -> Part {
    let start = Instant::now();
    let mut part = Part {
        rung: rung.id.clone(),
        title: rung.title.clone(),
        level: level.name().to_owned(),
        share: share_of(share),
        outcome: Outcome::Green,
        reason: None,
        counts: Vec::new(),
        extent: rung.extent.clone(),
        seconds: 0.0,
        date: today(),
        sources: String::new(),
        output: None,
    };
    if interrupt::happened() {
        part.outcome = Outcome::NotRun;
        part.reason = Some("interrupted before it began".to_owned());
        return part;
    }
    if let Some(obstacle) = rung.obstacle() {
        part.outcome = Outcome::NotRun;
        part.reason = Some(obstacle);
        return part;
    }
    let mut output = String::new();
    for line in list {
        let mut command = Command::new(&line.words[0]);
        command.args(&line.words[1..]).current_dir(root()).envs(&line.environment);
        progress(&line.to_string(), start.elapsed().as_secs());
        // Ten times what it should take, and time to build.
        let limit = Duration::from_secs(estimate * 10 + 1200);
        let scratch: PathBuf = parts::folder().join("scratch");
        let run = process::run_watched(&mut command, limit, &scratch, |line| progress(line, start.elapsed().as_secs()));
        let run = match run {
            Ok(run) => run,
            // The others are checked all the same.
            Err(error) => {
                part.outcome = Outcome::Failed;
                part.reason = Some(parts::public(&format!("{error:#} (`{line}`)")));
                break;
            }
        };
        output += &run.all();
        let wrong = match run.end {
            End::Success => continue,
            End::Failure => (Outcome::Failed, first_cause(&run.all()).1),
            End::Timeout => (Outcome::Failed, format!("not done after {} s", limit.as_secs())),
            End::Interrupted => {
                (Outcome::Interrupted, "interrupted half-way: what it had found so far is not kept".into())
            }
        };
        part.outcome = wrong.0;
        part.reason = Some(format!("{} (`{line}`)", parts::public(&wrong.1)));
        break;
    }
    part.counts = rung.counts.iter().filter_map(|counting| count(counting, &output)).fold(Vec::new(), merged);
    if part.outcome == Outcome::Green && part.counts.is_empty() && share.is_none() {
        (part.outcome, part.reason) =
            (Outcome::Failed, Some("it went through nothing that could be counted".to_owned()));
    }
    part.seconds = (start.elapsed().as_secs_f64() * 10.0).round() / 10.0;
    if part.outcome == Outcome::Failed {
        part.output = Some(parts::public(&told(&output)));
    }
    part
}

/// What a failure printed, from the beginning of the first test that failed. The timeline comes before the cause.
fn told(output: &str) -> String {
    let lines: Vec<_> = output.lines().collect();
    let cause = first_cause(output).0;
    let begins = lines[..cause.min(lines.len())].iter().rposition(|line| line.starts_with("---- "));
    let from = begins.filter(|from| cause - from < MOST_LINES).unwrap_or(cause);
    lines.iter().skip(from).take(MOST_LINES).copied().collect::<Vec<_>>().join("\n")
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

/// Of what a failure printed, so many lines are kept.
const MOST_LINES: usize = 400;

/// The line of an output that says most about why it failed: its number, and what it says.
fn first_cause(output: &str) -> (usize, String) {
    const SIGNS: &[&str] =
        &["WRONG: ", "lost wake-up", "panicked at", "error[", "error: ", "FAILED", "BINGO", "SUMMARY"];
    let lines: Vec<_> = output.lines().map(str::trim).collect();
    for sign in SIGNS {
        if let Some(at) = lines.iter().position(|line| line.contains(sign)) {
            // What a panic says is on the next line.
            let next = if *sign == "panicked at" { lines.get(at + 1).copied().unwrap_or("") } else { "" };
            return (at, format!("{} {next}", lines[at]).trim().chars().take(300).collect());
        }
    }
    let last = lines.iter().rposition(|line| !line.is_empty());
    last.map_or((0, "it failed and said nothing".into()), |at| (at, lines[at].into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_failure_begins_before_its_timeline() {
        let output = "running 2 tests\n---- one ----\nexit status: 1\none | two\n    | drop\nthread panicked at x.rs:1\nit is not";
        assert!(told(output).starts_with("---- one ----\n"));
        assert!(told(output).ends_with("it is not"));
        assert_eq!(told("error: no such file\nand so on"), "error: no such file\nand so on");
    }
}

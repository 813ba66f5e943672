//! Counts instructions, atomic operations and allocations, and holds them to `bounds.txt`. Needs valgrind.
//!
//! Under callgrind counts are the same on a busy machine and on an idle one. They are not times: an atomic operation
//! costs as much as a dozen instructions or more, and is therefore counted by itself (callgrind's "global bus events").

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context as _, Result, ensure};
use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser};
use indicatif::ProgressBar;
use shieldable_benches::alloc::Counting;
use shieldable_benches::scenarios::{self, COLLECT, TIMES};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const BOUNDS: &str = include_str!("../../bounds.txt");

/// Counts instructions, atomic operations and allocations under callgrind, and holds them to bounds.txt.
///
/// The exit code is 1 if a bound is exceeded, and 2 for a wrong command line.
#[derive(Debug, Parser)]
#[command(name = "bounds", version = None)]
struct Options {
    /// Only scenarios with this in their names.
    #[arg(long, value_name = "PART")]
    only: Option<String>,

    /// Of a child process under callgrind: the scenario.
    #[arg(long, hide = true)]
    scenario: Option<String>,
}

/// Of one operation.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    instructions: f64,
    atomics: f64,
    allocations: f64,
}

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    if let Some(name) = options.scenario {
        let (_, run) = scenarios::ALL.iter().find(|(known, _)| *known == name).context("no such scenario")?;
        println!("{}", run().allocations.count);
        return Ok(ExitCode::SUCCESS);
    }
    let bounds = parse_bounds()?;
    let wanted = |name: &str| options.only.as_deref().is_none_or(|part| name.contains(part));
    if !scenarios::ALL.iter().any(|(name, _)| wanted(name)) {
        // Nothing was held to its bounds, which must not look as if all were.
        let known: Vec<&str> = scenarios::ALL.iter().map(|(name, _)| *name).collect();
        let part = options.only.as_deref().unwrap_or_default();
        let message = format!("no scenario has {part:?} in its name; there are {}", known.join(", "));
        Options::command().error(ErrorKind::InvalidValue, message).exit();
    }
    // Those that a wanted one is compared with, too.
    let needed = |name: &str| {
        wanted(name)
            || bounds
                .iter()
                .any(|bound| wanted(&bound.name) && bound.limits.iter().any(|limit| limit.peer() == Some(name)))
    };
    let names: Vec<&str> = scenarios::ALL.iter().map(|(name, _)| *name).filter(|name| needed(name)).collect();
    let counts = count_all(&names)?;

    let mut table =
        format!("{:<26} {:>24} {:>20} {:>20}\n", "of one operation", "instructions", "atomics", "allocations");
    let mut exceeded = 0;
    for bound in bounds.iter().filter(|bound| needed(&bound.name)) {
        let of = counts[bound.name.as_str()];
        let mut row = format!("{:<26}", bound.name);
        for (index, width) in [(0, 25), (1, 21), (2, 21)] {
            let (value, limit) = (of.figures()[index], &bound.limits[index]);
            let most = limit.value(index, &counts);
            let (mark, shown) = match most {
                // Counts repeat exactly; the little that is left over is the loop's beginning and end.
                Some(most) if value > most + 0.05 => {
                    exceeded += 1;
                    (" EXCEEDED", format!("{value:.1} of {most:.1}"))
                }
                Some(most) => ("", format!("{value:.1} of {most:.1}")),
                None => ("", format!("{value:.1}")),
            };
            row += &format!("{:>width$}", shown + mark);
        }
        table += &format!("{row}\n");
    }
    let verdict = if exceeded == 0 { "all bounds hold".into() } else { format!("bounds exceeded: {exceeded}") };
    // `println!` panics if the reader has gone away, as `head` does. The exit code still tells.
    let _ = writeln!(io::stdout(), "{table}{verdict}");
    Ok(if exceeded == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Counts {
    fn figures(self) -> [f64; 3] {
        [self.instructions, self.atomics, self.allocations]
    }
}

/// A line of `bounds.txt`.
struct Bound {
    name: String,
    limits: [Limit; 3],
}

enum Limit {
    None,
    Fixed(f64),
    Relative(f64, String),
}

impl Limit {
    fn peer(&self) -> Option<&str> {
        match self {
            Self::Relative(_, peer) => Some(peer),
            _ => None,
        }
    }

    fn value(&self, index: usize, counts: &BTreeMap<&str, Counts>) -> Option<f64> {
        match self {
            Self::None => None,
            Self::Fixed(limit) => Some(*limit),
            Self::Relative(factor, peer) => Some(factor * counts[peer.as_str()].figures()[index]),
        }
    }
}

fn parse_bounds() -> Result<Vec<Bound>> {
    let mut bounds = Vec::new();
    for line in BOUNDS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or_default().to_owned();
        ensure!(scenarios::ALL.iter().any(|(known, _)| *known == name), "bounds.txt: there is no scenario {name:?}");
        let limits =
            words.map(parse_limit).collect::<Result<Vec<_>>>().with_context(|| format!("bounds.txt: {line}"))?;
        let limits = limits.try_into().ok().with_context(|| format!("bounds.txt: not three limits in {line:?}"))?;
        bounds.push(Bound { name, limits });
    }
    for (name, _) in scenarios::ALL {
        ensure!(bounds.iter().any(|bound| bound.name == *name), "bounds.txt has no line for {name}");
    }
    Ok(bounds)
}

fn parse_limit(word: &str) -> Result<Limit> {
    Ok(match word.split_once('*') {
        _ if word == "-" => Limit::None,
        None => Limit::Fixed(word.parse()?),
        Some((factor, peer)) => {
            ensure!(scenarios::ALL.iter().any(|(known, _)| *known == peer), "there is no scenario {peer:?}");
            Limit::Relative(factor.parse()?, peer.into())
        }
    })
}

/// One process each, two at a time.
fn count_all<'a>(names: &[&'a str]) -> Result<BTreeMap<&'a str, Counts>> {
    let bar = ProgressBar::new(names.len() as u64);
    let (next, counts) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    thread::scope(|scope| {
        let work = || -> Result<()> {
            while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                let counted = count(name).with_context(|| format!("counting {name}"))?;
                counts.lock().expect("nobody panics with it").insert(*name, counted);
                bar.inc(1);
            }
            Ok(())
        };
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a counting thread does not panic"))
    })?;
    bar.finish_and_clear();
    Ok(counts.into_inner().expect("nobody panics with it"))
}

fn count(name: &str) -> Result<Counts> {
    let file = std::env::temp_dir().join(format!("shieldable-bounds-{}-{name}", std::process::id()));
    let output = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind", "--collect-bus=yes"])
        .arg(format!("--toggle-collect={COLLECT}"))
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(std::env::current_exe()?)
        .args(["--scenario", name])
        .output()
        .context("starting valgrind; is it installed?")?;
    let text = fs::read_to_string(&file);
    // Before anything is judged: a run that failed leaves nothing behind either.
    let _ = fs::remove_file(&file);
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let allocations: f64 = String::from_utf8(output.stdout)?.trim().parse()?;
    let text = text.with_context(|| format!("reading {}", file.display()))?;
    let line = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).with_context(|| format!("no {key:?}"));
    ensure!(line("events:")?.trim() == "Ir Ge", "callgrind counted other events");
    let totals: Vec<f64> = line("totals:")?.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    // Zeroes at the end of a line are left out.
    let total = |index| totals.get(index).copied().unwrap_or(0.0);
    ensure!(total(0) > 0.0, "callgrind counted nothing");
    let per = |count: f64| count / TIMES as f64;
    Ok(Counts { instructions: per(total(0)), atomics: per(total(1)), allocations: per(allocations) })
}

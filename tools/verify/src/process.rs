//! Child processes with a time limit, in a process group of their own so that all of it can be stopped.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::interrupt;

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Success,
    Failure,
    /// It took longer than it may.
    Timeout,
    /// It was stopped because this process was asked to stop.
    Interrupted,
}

#[derive(Clone, Debug)]
pub struct Finished {
    pub end: End,
    /// What it printed, the errors after the output.
    pub output: String,
    pub errors: String,
    /// Of processors, so that it does not depend on what else runs.
    pub time: Duration,
}

impl Finished {
    pub fn all(&self) -> String {
        format!("{}{}", self.output, self.errors)
    }
}

/// How much longer a child may take by the clock than it may use the processors.
const PATIENCE: u32 = 4;

/// Nobody else has that folder until this process ends or lets go of it.
pub fn alone(folder: &Path, otherwise: &str) -> Result<Flock<File>> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let opened = File::open(folder).with_context(|| format!("cannot open {}", folder.display()))?;
    Flock::lock(opened, FlockArg::LockExclusiveNonblock)
        .map_err(|_| anyhow!("another run writes to {}: {otherwise}", folder.display()))
}

/// Runs a child to its end, or to the limit: so much time of processors, or four times as much by the clock if it
/// sleeps or gets no processor. `scratch`: a folder for what it prints.
pub fn run(command: &mut Command, limit: Duration, scratch: &Path) -> Result<Finished> {
    run_watched(command, limit, scratch, |_| {})
}

/// As [`run`]; `look` is called now and then with what the child has printed last.
pub fn run_watched(
    command: &mut Command,
    limit: Duration,
    scratch: &Path,
    mut look: impl FnMut(&str),
) -> Result<Finished> {
    fs::create_dir_all(scratch)?;
    let (out, err) = (scratch.join("stdout"), scratch.join("stderr"));
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(File::create(&out)?)
        .stderr(File::create(&err)?)
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))?;
    let group = Pid::from_raw(i32::try_from(child.id())?);
    let (mut looked, mut last) = (start, start);
    let (mut used, mut awake) = (Duration::ZERO, Duration::ZERO);
    let end = loop {
        // While this process itself is stopped, its children are as well: that counts as next to nothing.
        awake += last.elapsed().min(Duration::from_secs(1));
        last = Instant::now();
        used = processor_time(child.id()).unwrap_or(awake).max(used);
        if let Some(status) = child.try_wait()? {
            break if status.success() { End::Success } else { End::Failure };
        }
        let stop = if interrupt::happened() {
            Some(End::Interrupted)
        } else if used > limit || awake > limit * PATIENCE {
            Some(End::Timeout)
        } else {
            None
        };
        if let Some(end) = stop {
            put_down(group, &mut child)?;
            break end;
        }
        if looked.elapsed() > Duration::from_millis(500) {
            looked = Instant::now();
            look(&last_line(&out, &err));
        }
        std::thread::sleep(Duration::from_millis(if start.elapsed().as_secs() < 2 { 5 } else { 50 }));
    };
    let read = |path: &Path| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok(Finished { end, output: read(&out)?, errors: read(&err)?, time: used })
}

/// How long a group that was asked to end may take for it: another `cargo verify` in it has children to put down.
const GRACE: Duration = Duration::from_secs(5);

/// Asks first, and then does not ask any more.
fn put_down(group: Pid, child: &mut Child) -> Result<()> {
    let asked = Instant::now();
    // Each of these may have ended in this moment.
    let _ = killpg(group, Signal::SIGTERM);
    while child.try_wait()?.is_none() || killpg(group, None).is_ok() && asked.elapsed() < GRACE {
        if asked.elapsed() > GRACE {
            let _ = killpg(group, Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = killpg(group, Signal::SIGKILL);
    Ok(())
}

/// What a process and those of its children that have ended have used, from `/proc`.
fn processor_time(process: u32) -> Option<Duration> {
    const TICKS_A_SECOND: u64 = 100;
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, which may have blanks in it, ends at the last parenthesis; eleven fields on are four times.
    let times = text.rsplit_once(')')?.1.split_whitespace().skip(11).take(4);
    let ticks: u64 = times.filter_map(|time| time.parse::<u64>().ok()).sum();
    Some(Duration::from_millis(ticks * 1000 / TICKS_A_SECOND))
}

fn last_line(out: &Path, err: &Path) -> String {
    let tail = |path: &Path| {
        let bytes = fs::read(path).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(400)..]).into_owned();
        text.lines().rev().find(|line| !line.trim().is_empty()).map(|line| line.trim().to_owned())
    };
    tail(out).or_else(|| tail(err)).unwrap_or_default()
}

//! Programs that once failed: found, made small, stored, and run again.
//!
//! A stored program is its text, with its schedule in a comment if it has several lanes.

use std::hash::{BuildHasher, BuildHasherDefault};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use shieldable_model::{Fold, Program, Seed};

use super::{Failure, Lockstep};

const SCHEDULE: &str = "// schedule:";
/// Orders of lanes to try a smaller program with.
const ORDERS: u64 = 20;

/// Where regressions are stored.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions")
}

/// Lanes by number, one for each step; a lane that may not go on is passed over.
#[derive(Clone, Debug, Default)]
pub struct Schedule(pub Vec<u8>);

impl Schedule {
    /// From the text of a stored program.
    pub fn of_text(text: &str) -> Self {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(SCHEDULE));
        let lanes = line.unwrap_or_default().split_whitespace().filter_map(|lane| lane.parse().ok());
        Self(lanes.collect())
    }
}

impl Failure {
    /// The text to store.
    pub fn text(&self) -> String {
        if self.program.lanes().len() < 2 {
            return self.program.to_string();
        }
        let lanes: Vec<_> = self.schedule.iter().map(|lane| lane.0.to_string()).collect();
        format!("{SCHEDULE} {}\n{}", lanes.join(" "), self.program)
    }

    /// A program as small as can be that fails, too.
    #[must_use]
    pub fn minimal(self: Box<Self>) -> Box<Self> {
        let mut best = self;
        'smaller: loop {
            for program in best.program.clone().smaller().map(Arc::new) {
                let orders = if program.lanes().len() > 1 { ORDERS } else { 1 };
                for order in 0..orders {
                    if let Err(failure) = Lockstep::new().run(&program, &mut Seed(order)) {
                        best = failure;
                        continue 'smaller;
                    }
                }
            }
            return best;
        }
    }
}

/// Stores the text of a program as a regression, and says where. The same text gets the same name.
///
/// # Errors
///
/// If the file cannot be written.
pub fn store(text: &str) -> io::Result<PathBuf> {
    fs::create_dir_all(directory())?;
    let hash = BuildHasherDefault::<Fold>::default().hash_one(text);
    let path = directory().join(format!("{:08x}.txt", hash as u32));
    fs::write(&path, text)?;
    Ok(path)
}

/// Runs the program of a text, in its schedule and, with several lanes, in others.
///
/// # Errors
///
/// If it is no program, or the difference.
pub fn replay(text: &str) -> Result<(), String> {
    let program: Program = text.parse().map_err(|error| format!("not a program: {error}"))?;
    let program = Arc::new(program);
    let mut lockstep = Lockstep::new();
    lockstep.run_scheduled(&program, &Schedule::of_text(text)).map_err(|failure| failure.to_string())?;
    for order in 0..ORDERS {
        lockstep.run(&program, &mut Seed(order)).map_err(|failure| failure.to_string())?;
    }
    Ok(())
}

/// The stored regressions, by file.
///
/// # Errors
///
/// If they cannot be read.
pub fn stored() -> io::Result<Vec<(PathBuf, String)>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            all.push((path.clone(), fs::read_to_string(&path)?));
        }
    }
    all.sort();
    Ok(all)
}

//! What `cargo verify` is made of.
//!
//! * [`catalogue`], [`sites`]: the seeded bugs, and where the sources could be wrong.
//! * [`columns`], [`tree`], [`cell`], [`results`], [`matrix`]: the checkers, and each bug against each of them.
//! * [`ladder`], [`parts`]: every check in order, and what came of it.
//! * [`grid`], [`markdown`], [`report`]: the tables for people.
//! * [`process`], [`interrupt`]: child processes that can be stopped.

pub mod catalogue;
pub mod cell;
pub mod columns;
pub mod grid;
pub mod interrupt;
pub mod ladder;
pub mod markdown;
pub mod matrix;
pub mod parts;
pub mod process;
pub mod report;
pub mod results;
pub mod sites;
pub mod tree;

use std::fmt;
use std::path::{Path, PathBuf};

/// What is asked for cannot be: the exit status is that of a wrong command line.
#[derive(Debug)]
pub struct Usage(String);

impl Usage {
    /// As an error.
    pub fn error(why: impl Into<String>) -> anyhow::Error {
        Self(why.into()).into()
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap_or_else(|_| PathBuf::from("."))
}

/// The folder of this tool.
pub fn home() -> PathBuf {
    root().join("tools/verify")
}

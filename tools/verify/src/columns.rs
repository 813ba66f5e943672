//! The checkers that bugs are tried against, as data: `columns.toml`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::catalogue::Bug;
use crate::results::{Cell, Verdict};

/// One checker.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    pub id: String,
    pub title: String,
    /// Whether it goes through all cases up to a bound, rather than examples or samples.
    #[serde(default)]
    pub systematic: bool,
    /// What a systematic checker takes by chance all the same.
    #[serde(default)]
    pub by_chance: Option<ByChance>,
    pub kind: Kind,
    /// A file that is there if the checker is.
    pub needs: String,
    /// What follows `cargo`; builds and does not run.
    pub build: Vec<String>,
    /// Whether `build` may be narrowed to some test files by `--test NAME`.
    #[serde(default)]
    pub narrow: bool,
    /// What the checker itself is made of; a change makes its results out of date.
    pub sources: Vec<String>,
    /// Those of them that each of its tests or models uses. If given, a kill is out of date when these change, or the
    /// file that holds what noticed, or one that this uses; not when another test is added.
    #[serde(default)]
    pub shared: Vec<String>,
    /// What models of programs are made, run and judged with; kills by other models do not depend on it.
    #[serde(default)]
    pub programs: Vec<String>,
    /// Packages that decide what is found: another locked version makes its results out of date.
    pub packages: Vec<String>,
    /// Given to each executable; `{name}` is what it is called.
    #[serde(default)]
    pub arguments: Vec<String>,
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Environments in which all of it runs before: smaller sizes, for what shows there.
    #[serde(default)]
    pub smaller: Vec<BTreeMap<String, String>>,
    #[serde(default)]
    pub build_environment: BTreeMap<String, String>,
    /// Executables that have nothing to do with it.
    #[serde(default)]
    pub skip: Vec<String>,
    /// Seconds of processors after which one executable that has not ended is taken to hang; four times as many if it
    /// sleeps.
    #[serde(default = "patience")]
    pub patience: u64,
    /// What stands before the number of executions or cases in the output of a failure.
    #[serde(default)]
    pub count_after: Vec<String>,
    pub unit: String,
    /// Beginnings of the files that it does not build, or that it is not about: it is not tried on a bug there.
    #[serde(default)]
    pub blind: Vec<String>,
    /// Classes of bugs that it cannot see: what only another thread notices, where there is one thread.
    #[serde(default)]
    pub blind_to: Vec<String>,
    /// Classes of bugs that it is likely to notice.
    #[serde(default)]
    pub likely: Vec<String>,
    /// Where to begin, by the file that the bug is in: test files, or parts of names of models.
    #[serde(default)]
    pub near: BTreeMap<String, Vec<String>>,
}

/// A kill by chance is none by a systematic checker.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByChance {
    /// Executions of a model that are taken in order before.
    pub after: u64,
    /// Beginnings of the names of models that are of chance altogether.
    pub models: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Executables of libtest.
    Tests,
    /// One executable that runs a model by `--model NAME`, each in a process of its own.
    Models,
    /// Executables of libtest with long tests: each in a process of its own, the quickest first.
    LongTests,
    /// Programs that end by themselves.
    Programs,
}

impl Column {
    /// Whether the cell is a kill by going through all cases up to a bound.
    pub fn kills_systematically(&self, cell: &Cell) -> bool {
        let by_chance = self.by_chance.as_ref().is_some_and(|by_chance| {
            let model = cell.noticed_by().unwrap_or_default();
            cell.executions().is_none_or(|executions| executions > by_chance.after)
                || by_chance.models.iter().any(|begin| model.starts_with(begin.as_str()))
        });
        self.systematic && cell.verdict == Verdict::Killed && !by_chance
    }

    pub fn is_blind_to(&self, bug: &Bug) -> bool {
        self.blind.iter().any(|folder| bug.file.starts_with(folder.as_str())) || self.blind_to.contains(&bug.class)
    }
}

fn patience() -> u64 {
    10
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    column: Vec<Column>,
}

pub fn read(file: &Path) -> Result<Vec<Column>> {
    let text = fs::read_to_string(file)?;
    let page: Page = toml::from_str(&text).with_context(|| format!("in {}", file.display()))?;
    Ok(page.column)
}

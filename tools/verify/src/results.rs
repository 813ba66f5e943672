//! What came of each bug under each checker: one JSON file in the repository, one line a cell, so that a run can be
//! taken up where another one stopped and a change shows as a change of lines.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Killed,
    Survived,
    /// The time of the cell was over before all of the checker had run.
    Unfinished,
    /// It could not be built: a fault of the catalogue, or of a checker that is broken.
    Broken,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cell {
    pub verdict: Verdict,
    /// Sources, checker and bug that it is about. Another key: out of date.
    pub key: String,
    /// The test or model that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The executable that it is in, to begin with it next time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Executions, cases or tests until then, of all that was tried before as well; or all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Those of what noticed alone, if there are others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<u64>,
    /// In seconds, if the time was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<u64>,
    /// How it failed, in a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub how: Option<String>,
    pub seconds: f64,
    pub date: String,
}

impl Cell {
    /// What the test or model that noticed had been through.
    pub fn executions(&self) -> Option<u64> {
        self.own.or(self.after)
    }

    /// The test or model that noticed the bug, without the name of its executable.
    pub fn noticed_by(&self) -> Option<&str> {
        let by = self.by.as_deref().filter(|_| self.verdict == Verdict::Killed)?;
        Some(by.rsplit_once(": ").map_or(by, |(_, test)| test))
    }
}

/// Cells by bug and column; the bug `none` is the sources as they are.
#[derive(Clone, Debug, Default)]
pub struct Results {
    pub cells: BTreeMap<(String, String), Cell>,
    /// How long each model or test file takes without a bug, in seconds, by column.
    pub times: BTreeMap<String, BTreeMap<String, f64>>,
}

/// The bug that is none: a checker has to pass without one.
pub const NO_BUG: &str = "none";

#[derive(Serialize, Deserialize)]
struct Row {
    bug: String,
    column: String,
    #[serde(flatten)]
    cell: Cell,
}

#[derive(Deserialize)]
struct Page {
    cells: Vec<Row>,
    times: BTreeMap<String, BTreeMap<String, f64>>,
}

impl Results {
    pub fn read(file: &Path) -> Result<Self> {
        if !file.exists() {
            return Ok(Self::default());
        }
        let page: Page =
            serde_json::from_str(&fs::read_to_string(file)?).with_context(|| format!("in {}", file.display()))?;
        let cells = page.cells.into_iter().map(|row| ((row.bug, row.column), row.cell)).collect();
        Ok(Self { cells, times: page.times })
    }

    pub fn write(&self, file: &Path) -> Result<()> {
        let mut text = String::from("{\"cells\": [\n");
        for (number, ((bug, column), cell)) in self.cells.iter().enumerate() {
            let row = Row { bug: bug.clone(), column: column.clone(), cell: cell.clone() };
            let comma = if number + 1 < self.cells.len() { "," } else { "" };
            writeln!(text, "{}{comma}", serde_json::to_string(&row)?)?;
        }
        text.push_str("],\n\"times\": {\n");
        for (number, (column, times)) in self.times.iter().enumerate() {
            let comma = if number + 1 < self.times.len() { "," } else { "" };
            writeln!(text, "{}: {}{comma}", serde_json::to_string(column)?, serde_json::to_string(times)?)?;
        }
        text.push_str("}}\n");
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        let new = file.with_extension("new");
        fs::write(&new, text)?;
        fs::rename(new, file)?;
        Ok(())
    }

    pub fn cell(&self, bug: &str, column: &str) -> Option<&Cell> {
        self.cells.get(&(bug.to_owned(), column.to_owned()))
    }
}

/// Today, in UTC.
pub fn today() -> String {
    humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string()[..10].to_owned()
}

//! The kill matrix as people see it: what each cell says, and the sums.

use anyhow::Result;

use crate::catalogue::Bug;
use crate::columns::Column;
use crate::matrix::Matrix;
use crate::parts::grouped;
use crate::results::{Cell, NO_BUG, Results, Verdict};
use crate::root;
use crate::tree::Source;

/// What there is to say about one bug under one checker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Say {
    Killed,
    Survived,
    Unfinished,
    Broken,
    NotRun,
    /// The checker does not build the file that the bug is in, or is not about it, or cannot see bugs of its class.
    Blind,
}

impl Say {
    pub fn word(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::Survived => "survived",
            Self::Unfinished => "unfinished",
            Self::Broken => "broken",
            Self::NotRun => "not-run",
            Self::Blind => "blind",
        }
    }
}

/// All that the tables are made of.
pub struct Grid {
    pub matrix: Matrix,
    pub results: Results,
}

/// How many cells of a column say what.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sums {
    pub killed: usize,
    pub survived: usize,
    pub unfinished: usize,
    pub not_run: usize,
    pub broken: usize,
    pub blind: usize,
    /// Of those that were run, those of other sources or another state of the checker.
    pub stale: usize,
}

impl Grid {
    pub fn read() -> Result<Self> {
        let source = Source::new(&root(), None)?;
        Ok(Self { matrix: Matrix::read(&source)?, results: Results::read(&root().join("docs/kill-matrix.json"))? })
    }

    pub fn cell(&self, bug: &Bug, column: &Column) -> (Say, Option<&Cell>) {
        if column.is_blind_to(bug) {
            return (Say::Blind, None);
        }
        match self.results.cell(&bug.id, &column.id) {
            None => (Say::NotRun, None),
            Some(cell) => {
                let say = match cell.verdict {
                    Verdict::Killed => Say::Killed,
                    Verdict::Survived => Say::Survived,
                    Verdict::Unfinished => Say::Unfinished,
                    Verdict::Broken => Say::Broken,
                };
                (say, Some(cell))
            }
        }
    }

    pub fn is_stale(&self, bug: &Bug, column: &Column) -> bool {
        self.results.cell(&bug.id, &column.id).is_some()
            && self.matrix.fresh(&self.results, Some(bug), &column.id).is_none()
    }

    /// Of the bugs that are none of the equivalent variants.
    pub fn sums(&self, column: &Column) -> Sums {
        let mut sums = Sums::default();
        for bug in self.matrix.bugs.iter().filter(|bug| bug.equivalent.is_none()) {
            match self.cell(bug, column).0 {
                Say::Killed => sums.killed += 1,
                Say::Survived => sums.survived += 1,
                Say::Unfinished => sums.unfinished += 1,
                Say::NotRun => sums.not_run += 1,
                Say::Broken => sums.broken += 1,
                Say::Blind => sums.blind += 1,
            }
            sums.stale += usize::from(self.is_stale(bug, column));
        }
        sums
    }

    /// Who noticed it: the first systematic checker that did, else the first of all; but what is out of date comes
    /// last.
    pub fn killer(&self, bug: &Bug) -> Option<(&Column, &Cell)> {
        let killed = |column: &&Column| self.cell(bug, column).0 == Say::Killed;
        let by_chance =
            |column: &Column| !self.cell(bug, column).1.is_some_and(|cell| column.kills_systematically(cell));
        let columns = self.matrix.columns.iter().filter(killed);
        let column = columns.min_by_key(|column| (self.is_stale(bug, column), by_chance(column)))?;
        Some((column, self.cell(bug, column).1?))
    }

    /// Whether each checker that could see the bug has been through all it has, on these sources.
    pub fn is_settled(&self, bug: &Bug) -> bool {
        self.matrix.columns.iter().all(|column| match self.cell(bug, column).0 {
            Say::Blind => true,
            Say::Survived | Say::Killed => !self.is_stale(bug, column),
            Say::Unfinished | Say::Broken | Say::NotRun => false,
        })
    }

    /// The killer in words: checker, model or test, how, after how much.
    pub fn killed_by(&self, bug: &Bug) -> Option<String> {
        let (column, cell) = self.killer(bug)?;
        Some(format!("{}: {}", column.id, described(column, cell)))
    }

    /// The cell of a checker that passes without a bug, and whether that is so of these sources.
    pub fn passes_without_bugs(&self, column: &Column) -> Option<(&Cell, bool)> {
        let cell = self.results.cell(NO_BUG, &column.id).filter(|cell| cell.verdict == Verdict::Survived)?;
        Some((cell, self.matrix.fresh(&self.results, None, &column.id).is_some()))
    }

    /// The last day on which a cell was run.
    pub fn date(&self) -> &str {
        self.results.cells.values().map(|cell| cell.date.as_str()).max().unwrap_or("never")
    }
}

/// What a cell found, in words.
pub fn described(column: &Column, cell: &Cell) -> String {
    let by = cell.by.as_deref().unwrap_or("").replace('_', " ");
    let how = cell.how.as_deref().map(|how| format!(", {how}")).unwrap_or_default();
    let after = cell.after.map(|after| format!(", after {} {}", grouped(after), column.unit)).unwrap_or_default();
    let own = cell.own.map(|own| format!(", of which {} are its own", grouped(own))).unwrap_or_default();
    format!("{by}{how}{after}{own}")
}

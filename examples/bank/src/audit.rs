//! Judges a run by its files alone.
//!
//! The program's own counters would be the accused as witness: a task that was dropped between two lines counts
//! nothing. So after every server has stopped, the audit opens the databases anew, reads the journal from the disk and
//! asks of each transfer what traces it left: none, all of them, or something in between.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use rusqlite::{Connection, OpenFlags};

use crate::plan::Order;
use crate::store::{OPENING, Paths};

/// What the books say of one transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// Nothing at all.
    Nothing,
    /// Debit, journal, credit and the closing line, for the amount ordered.
    Complete,
    /// Something in between.
    Half(Half),
}

/// In which way a transfer is half-done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// More was taken than given.
    Lost,
    /// More was given than taken.
    Created,
    /// The money is right, the journal is not.
    Unclosed,
}

/// The books of one run.
#[derive(Debug)]
pub struct Books {
    /// The money in both banks.
    pub total: i64,
    /// Accounts whose balance is not what their entries add up to: two transfers were at it at once.
    pub miscounted: usize,
    marks: HashMap<u64, Marks>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Marks {
    debit: i64,
    credit: i64,
    opened: bool,
    closed: bool,
}

impl Books {
    /// Reads both databases and the journal.
    pub fn read(paths: &Paths) -> Result<Self> {
        let mut books = Self { total: 0, miscounted: 0, marks: HashMap::new() };
        for bank in 0..2 {
            books.read_bank(&paths.bank(bank))?;
        }
        books.read_journal(&paths.journal())?;
        Ok(books)
    }

    fn read_bank(&mut self, path: &Path) -> Result<()> {
        let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .with_context(|| format!("cannot open {} for the audit", path.display()))?;
        let mut accounts: HashMap<u32, i64> = HashMap::new();
        let mut query = db.prepare("SELECT transfer, account, amount FROM entry")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let (transfer, account, amount): (i64, u32, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let marks = self.marks.entry(transfer as u64).or_default();
            *if amount < 0 { &mut marks.debit } else { &mut marks.credit } += amount.abs();
            *accounts.entry(account).or_default() += amount;
        }
        let mut query = db.prepare("SELECT number, balance FROM account")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let (number, balance): (u32, i64) = (row.get(0)?, row.get(1)?);
            self.total += balance;
            let expected = OPENING + accounts.get(&number).copied().unwrap_or(0);
            self.miscounted += usize::from(balance != expected);
        }
        Ok(())
    }

    fn read_journal(&mut self, path: &Path) -> Result<()> {
        let text = std::fs::read_to_string(path).context("cannot read the journal for the audit")?;
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let Some(transfer) = words.first().and_then(|id| id.parse().ok()) else { bail!("journal: {line:?}") };
            let marks = self.marks.entry(transfer).or_default();
            match words[1..] {
                ["open", _] => marks.opened = true,
                ["close"] => marks.closed = true,
                _ => bail!("journal: {line:?}"),
            }
        }
        Ok(())
    }

    /// What the books say of `order`.
    pub fn trace(&self, order: &Order) -> Trace {
        let Some(marks) = self.marks.get(&order.id) else {
            return Trace::Nothing;
        };
        if marks.debit > marks.credit {
            Trace::Half(Half::Lost)
        } else if marks.debit < marks.credit {
            Trace::Half(Half::Created)
        } else if marks.debit == order.amount && marks.opened && marks.closed {
            Trace::Complete
        } else {
            Trace::Half(Half::Unclosed)
        }
    }
}

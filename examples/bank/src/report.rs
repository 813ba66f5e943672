//! What a run comes to: one column per way, and the verdict on this crate's.

use std::fmt;
use std::time::Duration;

use crate::audit::{Books, Half, Trace};
use crate::storm::Seen;
use crate::transfer::Reply;
use crate::ways::{Told, Way};

/// One way's figures. Each transfer is counted once in `finished`, `refused`, `cancelled` or one of the half-done.
#[derive(Clone, Debug)]
pub struct Column {
    way: Way,
    started: usize,
    finished: usize,
    in_spite: usize,
    refused: usize,
    cancelled: usize,
    lost: usize,
    created: usize,
    unclosed: usize,
    results_lost: usize,
    unfounded: usize,
    orphaned: usize,
    torn: usize,
    miscounted: usize,
    before: i64,
    after: i64,
    time: Duration,
}

impl Column {
    /// Sets what the customers were told against what the books say.
    pub fn judge(way: Way, seen: &[Seen], books: &Books, before: i64, time: Duration) -> Self {
        let mut column = Self {
            way,
            started: seen.len(),
            finished: 0,
            in_spite: 0,
            refused: 0,
            cancelled: 0,
            lost: 0,
            created: 0,
            unclosed: 0,
            results_lost: 0,
            unfounded: 0,
            orphaned: seen.iter().filter(|one| one.orphaned).count(),
            torn: seen.iter().filter(|one| one.told == Told::Torn).count(),
            miscounted: books.miscounted,
            before,
            after: books.total,
            time,
        };
        for Seen { order, told, cancelled, .. } in seen {
            let trace = books.trace(order);
            let told_done = *told == Told::Reply(Reply::Done);
            *match trace {
                Trace::Complete => &mut column.finished,
                Trace::Half(Half::Lost) => &mut column.lost,
                Trace::Half(Half::Created) => &mut column.created,
                Trace::Half(Half::Unclosed) => &mut column.unclosed,
                Trace::Nothing if *told == Told::Reply(Reply::Refused) => &mut column.refused,
                Trace::Nothing => &mut column.cancelled,
            } += 1;
            column.in_spite += usize::from(trace == Trace::Complete && *cancelled);
            column.results_lost += usize::from(trace == Trace::Complete && !told_done);
            column.unfounded += usize::from(trace != Trace::Complete && told_done);
        }
        column
    }

    fn half_done(&self) -> usize {
        self.lost + self.created + self.unclosed
    }

    /// What is wrong with it, in words. Empty if nothing is.
    pub fn faults(&self) -> Vec<String> {
        let counts = [
            (self.half_done(), "transfers are half-done"),
            (self.results_lost, "results were lost"),
            (self.unfounded, "transfers were reported done and are not"),
            (self.orphaned, "sections were still running after their handle had resolved"),
            (self.torn, "bodies were torn out of an open shield"),
            (self.miscounted, "accounts do not agree with their entries"),
        ];
        let mut faults: Vec<String> =
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        if self.before != self.after {
            faults.push(format!("the total balance went from {} to {}", self.before, self.after));
        }
        faults
    }
}

/// The columns side by side.
#[derive(Debug)]
pub struct Table<'a>(pub &'a [Column]);

/// A row: its label, and its figure in a column.
type Row = (&'static str, fn(&Column) -> String);

const ROWS: [Row; 15] = [
    ("transfers started", |c| c.started.to_string()),
    ("  finished", |c| c.finished.to_string()),
    ("    although cancelled meanwhile", |c| c.in_spite.to_string()),
    ("  refused, funds too low", |c| c.refused.to_string()),
    ("  cancelled cleanly", |c| c.cancelled.to_string()),
    ("  half-done", |c| c.half_done().to_string()),
    ("    money lost", |c| c.lost.to_string()),
    ("    money created", |c| c.created.to_string()),
    ("    journal not closed", |c| c.unclosed.to_string()),
    ("finished, but the result was lost", |c| c.results_lost.to_string()),
    ("still running after the handle resolved", |c| c.orphaned.to_string()),
    ("accounts that disagree with their entries", |c| c.miscounted.to_string()),
    ("total balance before", |c| c.before.to_string()),
    ("total balance after", |c| c.after.to_string()),
    ("time", |c| format!("{:.2} s", c.time.as_secs_f64())),
];

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |label: &str, cells: Vec<String>| {
            write!(f, "{label:<42}")?;
            cells.iter().try_for_each(|cell| write!(f, "{cell:>15}"))?;
            writeln!(f)
        };
        line("", self.0.iter().map(|c| c.way.name().to_owned()).collect())?;
        for (label, figure) in ROWS {
            line(label, self.0.iter().map(figure).collect())?;
        }
        Ok(())
    }
}

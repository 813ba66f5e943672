//! Timelines: what happened, from top to bottom, in columns.

use std::fmt;

use crate::history::{Event, Seen};
use crate::program::{FiberId, LaneId, OpId, Program};
use crate::trace::Waker;

/// Draws events as they come: one column a thread, and, if wanted, one for each fiber declared at the top.
pub struct Timeline<'p> {
    program: &'p Program,
    columns: Vec<String>,
    /// The top fibers that have columns, after those of the threads.
    tops: Vec<FiberId>,
    rows: Vec<(usize, String)>,
}

impl<'p> Timeline<'p> {
    /// A column for each thread.
    pub fn of_threads(program: &'p Program) -> Self {
        let columns = program.lanes().map(|lane| format!("thread {}", lane.0)).collect();
        Self { program, columns, tops: Vec::new(), rows: Vec::new() }
    }

    /// A column for each thread, and one for each fiber declared at the top with all that happens inside it.
    pub fn of_tasks(program: &'p Program) -> Self {
        let mut timeline = Self::of_threads(program);
        timeline.tops = program.fibers().filter(|fiber| !program.fiber(*fiber).inline).collect();
        timeline.columns.extend(timeline.tops.iter().map(|top| program.name(*top).to_string()));
        timeline
    }

    /// A row for something seen.
    pub fn event(&mut self, event: Event) {
        let lane = self.program.lane_fiber(event.lane);
        let (Seen::Call(op) | Seen::Return(op, _)) = event.seen;
        let top = self.top(op);
        let column = self.tops.iter().position(|fiber| *fiber == top);
        let column = column.map_or(event.lane.index(), |column| self.program.lanes().len() + column);
        let owner = self.program.owner(op);
        let inside = if owner != lane && (owner != top || self.tops.is_empty()) {
            format!("  {}: ", self.program.name(owner))
        } else {
            String::new()
        };
        self.rows.push((column, format!("{inside}{}", self.program.seen_text(event.seen))));
    }

    /// A row for a wake, in the column of the fiber that is woken.
    pub fn wake(&mut self, waker: Waker) {
        if let Some(column) = self.tops.iter().position(|fiber| *fiber == waker.fiber) {
            let version = if waker.version > 0 { format!(" (waker {})", waker.version) } else { String::new() };
            self.rows.push((self.program.lanes().len() + column, format!("* woken{version}")));
        }
    }

    /// A row of free text in the column of a thread.
    pub fn note(&mut self, lane: LaneId, text: impl Into<String>) {
        self.rows.push((lane.index(), text.into()));
    }

    /// The top fiber that the operation happens in, or its lane.
    fn top(&self, op: OpId) -> FiberId {
        let mut owner = self.program.owner(op);
        while let Some(maker) = self.maker(owner) {
            owner = self.program.owner(maker);
        }
        owner
    }

    fn maker(&self, fiber: FiberId) -> Option<OpId> {
        let mut ops = (0..self.program.len() as u8).map(OpId);
        ops.find(|op| self.program.op(*op).creates() == Some(fiber))
    }
}

impl fmt::Display for Timeline<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            let texts = self.rows.iter().filter(|row| row.0 == column).map(|row| row.1.chars().count());
            texts.max().unwrap_or(0).max(self.columns[column].len())
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let mut line = |cell: &dyn Fn(usize) -> String| {
            let cells: Vec<String> =
                widths.iter().enumerate().map(|(column, width)| format!("{:width$}", cell(column))).collect();
            writeln!(f, "{}", cells.join(" | ").trim_end())
        };
        line(&|column| self.columns[column].clone())?;
        line(&|column| "-".repeat(widths[column]))?;
        for (at, text) in &self.rows {
            line(&|column| if column == *at { text.clone() } else { String::new() })?;
        }
        Ok(())
    }
}

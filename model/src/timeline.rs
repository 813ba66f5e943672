//! Timelines: what happened, from top to bottom, with one column a lane.

use std::fmt;

use crate::history::Event;
use crate::program::{LaneId, Program};

/// Draws events as they come.
pub struct Timeline<'p> {
    program: &'p Program,
    rows: Vec<(LaneId, String)>,
}

impl<'p> Timeline<'p> {
    /// Nothing yet.
    pub fn new(program: &'p Program) -> Self {
        Self { program, rows: Vec::new() }
    }

    /// A row for something seen.
    pub fn event(&mut self, event: Event) {
        let text = self.program.seen_text(event.lane, event.seen);
        self.rows.push((event.lane, text));
    }

    /// A row of free text in the column of a lane.
    pub fn note(&mut self, lane: LaneId, text: impl Into<String>) {
        self.rows.push((lane, text.into()));
    }
}

impl fmt::Display for Timeline<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lanes: Vec<LaneId> = self.program.lanes().collect();
        let head = |lane: LaneId| format!("thread {}", lane.0);
        let width = |lane: LaneId| {
            let texts = self.rows.iter().filter(|row| row.0 == lane).map(|row| row.1.chars().count());
            texts.max().unwrap_or(0).max(head(lane).len())
        };
        let widths: Vec<usize> = lanes.iter().map(|lane| width(*lane)).collect();
        let mut line = |cells: &dyn Fn(LaneId) -> String| {
            let mut text = String::new();
            for (lane, width) in lanes.iter().zip(&widths) {
                if !text.is_empty() {
                    text.push_str(" | ");
                }
                text.push_str(&format!("{:width$}", cells(*lane)));
            }
            writeln!(f, "{}", text.trim_end())
        };
        line(&head)?;
        line(&|lane| "-".repeat(widths[lane.index()]))?;
        for (at, text) in &self.rows {
            line(&|lane| if lane == *at { text.clone() } else { String::new() })?;
        }
        Ok(())
    }
}

//! What was measured, beside what it must reach, and whether it does.

use std::fmt::{self, Write};

/// Ratios of times are judged with this much allowance: a bound holds when the median is within 5 % of it.
const ALLOWANCE: f64 = 1.05;

/// A figure with its unit.
#[derive(Clone, Copy, Debug)]
pub enum Figure {
    Nanos(f64),
    Bytes(f64),
    Count(f64),
    /// How many times the other side's.
    Times(f64),
    Share(f64),
}

impl Figure {
    fn value(self) -> f64 {
        match self {
            Self::Nanos(value) | Self::Bytes(value) | Self::Count(value) | Self::Times(value) | Self::Share(value) => {
                value
            }
        }
    }

    /// Whether it is measured with a clock, and therefore never the same twice.
    fn wavers(self) -> bool {
        matches!(self, Self::Nanos(_) | Self::Times(_))
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match *self {
            Self::Nanos(value) if value.abs() >= 1e6 => format!("{:.2} ms", value / 1e6),
            Self::Nanos(value) if value.abs() >= 1e4 => format!("{:.1} µs", value / 1e3),
            Self::Nanos(value) if value.abs() >= 100.0 => format!("{value:.0} ns"),
            Self::Nanos(value) => format!("{value:.1} ns"),
            Self::Bytes(value) => format!("{value:.0} B"),
            Self::Count(value) => format!("{value:.0}"),
            Self::Times(value) if value < 0.1 => format!("{value:.4}x"),
            Self::Times(value) => format!("{value:.2}x"),
            Self::Share(value) => format!("{value:.3}"),
        };
        f.pad(&text)
    }
}

/// What a figure must be.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    AtMost(f64),
    AtLeast(f64),
    /// To be reached one day; missing it fails nothing.
    Aim(f64),
    /// For information.
    None,
}

/// One line of the table.
#[derive(Debug)]
pub struct Line {
    pub what: String,
    pub ours: Option<Figure>,
    pub peer: String,
    pub theirs: Option<Figure>,
    /// What is judged.
    pub judged: Figure,
    pub bound: Bound,
}

impl Line {
    /// Ours beside theirs, in nanoseconds, judged by how many times theirs it is.
    pub fn times(what: impl Into<String>, ours: f64, peer: &str, theirs: f64, ratio: f64, bound: Bound) -> Self {
        Self {
            what: what.into(),
            ours: Some(Figure::Nanos(ours)),
            peer: peer.into(),
            theirs: Some(Figure::Nanos(theirs)),
            judged: Figure::Times(ratio),
            bound,
        }
    }

    /// A figure by itself.
    pub fn alone(what: impl Into<String>, judged: Figure, bound: Bound) -> Self {
        Self { what: what.into(), ours: None, peer: String::new(), theirs: None, judged, bound }
    }

    /// Ours beside theirs, of any unit, judged by `judged`.
    pub fn beside(
        what: impl Into<String>,
        ours: Figure,
        peer: &str,
        theirs: Figure,
        judged: Figure,
        bound: Bound,
    ) -> Self {
        Self { what: what.into(), ours: Some(ours), peer: peer.into(), theirs: Some(theirs), judged, bound }
    }

    pub fn is_missed(&self) -> bool {
        matches!(self.bound, Bound::AtMost(_) | Bound::AtLeast(_)) && !self.holds()
    }

    fn holds(&self) -> bool {
        let value = self.judged.value();
        let allowance = if self.judged.wavers() { ALLOWANCE } else { 1.0 };
        match self.bound {
            Bound::AtMost(limit) | Bound::Aim(limit) => value <= limit * allowance,
            Bound::AtLeast(limit) => value >= limit,
            Bound::None => true,
        }
    }

    fn bound(&self) -> String {
        let with_unit = |limit| match self.judged {
            Figure::Nanos(_) => Figure::Nanos(limit),
            Figure::Bytes(_) => Figure::Bytes(limit),
            Figure::Count(_) => Figure::Count(limit),
            Figure::Times(_) => Figure::Times(limit),
            Figure::Share(_) => Figure::Share(limit),
        };
        match self.bound {
            Bound::AtMost(limit) => format!("<= {}", with_unit(limit)),
            Bound::AtLeast(limit) => format!(">= {}", with_unit(limit)),
            Bound::Aim(limit) => format!("aim {}", with_unit(limit)),
            Bound::None => String::new(),
        }
    }

    fn verdict(&self) -> &'static str {
        match (self.bound, self.holds()) {
            (Bound::None, _) => "",
            (Bound::Aim(_), true) => "reached",
            (Bound::Aim(_), false) => "not yet",
            (_, true) => "ok",
            (_, false) => "MISSED",
        }
    }

    fn cells(&self) -> [String; 7] {
        let show = |figure: Option<Figure>| figure.map(|figure| figure.to_string()).unwrap_or_default();
        [
            self.what.clone(),
            show(self.ours),
            self.peer.clone(),
            show(self.theirs),
            self.judged.to_string(),
            self.bound(),
            self.verdict().into(),
        ]
    }
}

const HEADINGS: [&str; 7] = ["what", "ours", "peer", "theirs", "judged", "bound", ""];
/// Wide enough for the terminal table; longer cells push the rest of their line to the right.
const WIDTHS: [usize; 7] = [52, 10, 30, 10, 10, 12, 7];

/// The headings of the table on a terminal.
pub fn headings() -> String {
    padded(&HEADINGS.map(String::from))
}

/// A line of the table on a terminal.
pub fn row(line: &Line) -> String {
    padded(&line.cells())
}

fn padded(cells: &[String; 7]) -> String {
    let mut out = String::new();
    for (index, (cell, width)) in cells.iter().zip(WIDTHS).enumerate() {
        let right = matches!(index, 1 | 3 | 4 | 5);
        let _ = if right { write!(out, "{cell:>width$}  ") } else { write!(out, "{cell:<width$}  ") };
    }
    out.trim_end().into()
}

/// The sections as Markdown tables.
pub fn markdown(sections: &[(&str, Vec<Line>)]) -> String {
    let mut out = String::new();
    for (title, lines) in sections {
        let _ = writeln!(out, "\n### {title}\n\n| {} |\n|---|---:|---|---:|---:|---:|---|", HEADINGS.join(" | "));
        for line in lines {
            let _ = writeln!(out, "| {} |", line.cells().join(" | "));
        }
    }
    out
}

//! `docs/kill-matrix.md`, made from the catalogue and the results.

use std::fmt::Write;
use std::fs;

use anyhow::Result;

use crate::catalogue::Bug;
use crate::grid::{Grid, Say};
use crate::matrix::gaps;
use crate::root;

const HEAD: &str = "\
# The kill matrix

A check is worth what it would catch. Each row is a bug: the crate's own sources with one thing done wrong, compiled in
and tried against each checker. The bugs are data, in `tools/verify/bugs/`; a test fails when one of them does not fit
the sources any more, and when a memory ordering, a read-modify-write, a wake or a counter of `src/core` or of the
reference count has none.

    cargo verify --matrix                            # what is missing or out of date, and this page anew
    cargo verify --matrix --bugs wake --checkers loom
    cargo verify --matrix --until-killed             # of each bug no more than the first kill by a systematic checker
    cargo verify --matrix --sample 6                 # a fixed choice of known kills, run again

The results are in `kill-matrix.json`, keyed by the sources (but for comments and for `src/error.rs`, where errors have
their texts), the checker and the bug. A cell stops at the first test or model that notices, and otherwise when all of
the checker has run. Models and long tests, each in a process of its own, are given half a minute of processor time
together (`--budget`); building does not count.
";

/// Writes the page.
pub fn write() -> Result<()> {
    let grid = Grid::read()?;
    fs::write(root().join("docs/kill-matrix.md"), page(&grid))?;
    Ok(())
}

fn page(grid: &Grid) -> String {
    let mut text = String::from(HEAD);
    let bugs = &grid.matrix.bugs;
    let equivalent: Vec<_> = bugs.iter().filter(|bug| bug.equivalent.is_some()).collect();
    let (nobody, no_systematic) = gaps(&grid.matrix, &grid.results);
    let real = bugs.len() - equivalent.len();
    let _ = writeln!(
        text,
        "\nLast run on {}: {} variants, {} of them equivalent to the sources and {} beyond every checker. Of the {real} bugs, \
         {} are noticed on the present sources, {} by a systematic checker.\n",
        grid.date(),
        bugs.len(),
        equivalent.iter().filter(|bug| !bug.beyond).count(),
        equivalent.iter().filter(|bug| bug.beyond).count(),
        real - nobody.len(),
        real - nobody.len() - no_systematic.len(),
    );
    checkers(&mut text, grid);
    text.push_str("\n## The bugs\n\n");
    text.push_str(
        "**x** noticed; **–** survived; **?** not noticed in the time of the cell; **!** does not build; a dot: not run; \
         blank: not applicable, since the checker does not build that file, is about other code, has one thread where the \
         bug takes two, or knows no memory orderings. A cell in italics is of an earlier state of the sources or of the \
         checker. *Noticed by* names the first systematic checker that did, or else the first of all, and executions of \
         everything that it had tried by then; *nobody yet*, where some checker has not run on it to the end. What shuttle \
         noticed in a schedule or a program made at random is no kill by a systematic checker.\n",
    );
    let mut classes: Vec<&str> = Vec::new();
    for bug in bugs.iter().filter(|bug| bug.equivalent.is_none()) {
        if !classes.contains(&bug.class.as_str()) {
            classes.push(&bug.class);
        }
    }
    for class in classes {
        table(&mut text, grid, class);
    }
    let mut section = |head: &str, beyond: bool| {
        text.push_str(head);
        text.push_str("\n\n| variant | what is different | why nobody sees it |\n|---|---|---|\n");
        for bug in equivalent.iter().filter(|bug| bug.beyond == beyond) {
            let _ = writeln!(text, "| `{}` | {} | {} |", bug.id, bug.title, bug.equivalent.as_deref().unwrap_or(""));
        }
    };
    section(
        "\n## Equivalent variants\n\nThese change nothing that anybody could see, but for the text of `Debug`, which is no promise.",
        false,
    );
    section(
        "\n## Beyond every checker\n\nThe memory model allows executions that tell these apart, and no checker explores them.",
        true,
    );
    list(&mut text, "Noticed by nobody so far", &nobody);
    list(&mut text, "Noticed, but by no systematic checker", &no_systematic);
    text
}

fn checkers(text: &mut String, grid: &Grid) {
    text.push_str("| checker | systematic | killed | survived | not noticed in time | does not build | not run | out of date | passes without a bug |\n");
    text.push_str("|---|---|---:|---:|---:|---:|---:|---:|---|\n");
    for column in &grid.matrix.columns {
        let sums = grid.sums(column);
        let passes = match (grid.passes_without_bugs(column), grid.matrix.is_there(&column.id)) {
            (Some((cell, true)), _) => format!("{} s", cell.seconds),
            (Some((cell, false)), _) => format!("*{} s, on {}*", cell.seconds, cell.date),
            (None, true) => "not run".to_owned(),
            (None, false) => "does not exist yet".to_owned(),
        };
        let _ = writeln!(
            text,
            "| `{}`: {} | {} | {} | {} | {} | {} | {} | {} | {passes} |",
            column.id,
            column.title,
            if column.systematic { "yes" } else { "" },
            sums.killed,
            sums.survived,
            sums.unfinished,
            sums.broken,
            sums.not_run,
            sums.stale,
        );
    }
}

fn table(text: &mut String, grid: &Grid, class: &str) {
    let columns = &grid.matrix.columns;
    let _ = writeln!(text, "\n### {}\n", capitalised(class));
    let names: Vec<_> = columns.iter().map(|column| column.id.as_str()).collect();
    let _ = writeln!(text, "| bug | what is wrong | {} | noticed by |", names.join(" | "));
    let _ = writeln!(text, "|---|---|{}---|", ":-:|".repeat(columns.len()));
    for bug in grid.matrix.bugs.iter().filter(|bug| bug.class == class && bug.equivalent.is_none()) {
        let cells: Vec<_> = columns
            .iter()
            .map(|column| {
                let sign = match grid.cell(bug, column).0 {
                    Say::Killed => "x",
                    Say::Survived => "–",
                    Say::Unfinished => "?",
                    Say::Broken => "!",
                    Say::NotRun => "·",
                    Say::Blind => "",
                };
                if grid.is_stale(bug, column) { format!("*{sign}*") } else { sign.to_owned() }
            })
            .collect();
        let known = bug.known.as_ref().map(|known| format!(" ({known})")).unwrap_or_default();
        let nobody = if grid.is_settled(bug) { "**nobody**" } else { "nobody yet" };
        let by = grid.killed_by(bug).unwrap_or_else(|| nobody.to_owned());
        let _ = writeln!(text, "| `{}` | {}{known} | {} | {by} |", bug.id, bug.title, cells.join(" | "));
    }
}

fn list(text: &mut String, title: &str, bugs: &[&Bug]) {
    let _ = writeln!(text, "\n## {title}\n");
    if bugs.is_empty() {
        text.push_str("None.\n");
    }
    for bug in bugs {
        let _ = writeln!(text, "- `{}`: {}", bug.id, bug.title);
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

//! The generated parts of SPEC.md: the diagrams of phases, and the table from clauses to what exercises them.
//!
//! Everything in them was counted: the diagrams show the transitions of the states that the quick exploration reached,
//! the table names the transitions that went through a clause, the laws that are about it, and the checkers that said,
//! when they last ran with `UPDATE_SPEC=1`, that they had exercised it ([`exercised`](crate::exercised)).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::clause::Clause;
use crate::exercised::records;
use crate::explore::{CONFIGS, Depth, LOCK_PHASES, Law, LawKind, Projection, SCOPE_PHASES, check};

/// What causes each transition that may be drawn. One that is reached and not here is a mistake in the model or here.
const SCOPE_LABELS: &[(usize, usize, &str)] = &[
    (0, 1, "first poll"),
    (0, 4, "hard drop"),
    (1, 2, "Pending"),
    (1, 3, "Pending"),
    (1, 4, "value or delivery"),
    (1, 5, "panic"),
    (2, 1, "poll"),
    (2, 4, "hard drop"),
    (3, 1, "poll"),
    (3, 2, "last guard dropped elsewhere"),
    (3, 4, "hard drop, torn"),
    (4, 6, "the body is dropped"),
    (5, 4, "the wrapper is dropped"),
];
const LOCK_LABELS: &[(usize, usize, &str)] = &[
    (0, 1, "acquired"),
    (1, 0, "released"),
    (1, 2, "first waiter queues"),
    (2, 1, "last waiter dropped, or enters as owner"),
    (2, 3, "handed over"),
    (2, 4, "handed over, others wait"),
    (3, 0, "granted waiter dropped"),
    (3, 1, "granted waiter polled"),
    (3, 2, "passed on by a poll of another task, which queues"),
    (3, 4, "a waiter queues"),
    (4, 2, "granted waiter polled"),
    (4, 3, "last waiter dropped, or granted waiter dropped"),
];

/// Where SPEC.md is.
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../SPEC.md")
}

/// What each checker has recorded.
fn recorded() -> BTreeMap<String, BTreeSet<String>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(records()).into_iter().flatten().flatten() {
        let path = entry.path();
        if let (Some(name), Ok(text)) =
            (path.file_stem().and_then(|name| name.to_str()), std::fs::read_to_string(&path))
        {
            all.insert(name.to_string(), text.split_whitespace().map(String::from).collect());
        }
    }
    all
}

/// The text of SPEC.md with its generated parts made anew.
///
/// # Errors
///
/// If a marker is missing, or something was reached that has no name.
pub fn regenerated(old: &str) -> Result<String, String> {
    let mut projection = Projection::default();
    for config in CONFIGS.iter().filter(|config| config.depth == Depth::Quick) {
        projection.merge(&check(config, 2, &mut |_, _, _| ()).projection);
    }
    regenerated_from(old, &projection)
}

/// As [`regenerated`], from an exploration that has been done.
///
/// # Errors
///
/// As there.
pub fn regenerated_from(old: &str, projection: &Projection) -> Result<String, String> {
    let scope = diagram(&SCOPE_PHASES, &projection.scope_edges, SCOPE_LABELS, 0, 6)?;
    let lock = diagram(&LOCK_PHASES, &projection.lock_edges, LOCK_LABELS, 0, usize::MAX)?;
    let text = replaced(old, "task diagram", &scope)?;
    let text = replaced(&text, "lock diagram", &lock)?;
    replaced(&text, "traceability", &table(projection))
}

/// Observable clauses that nothing has exercised.
pub fn unexercised(projection: &Projection) -> Vec<Clause> {
    let recorded = recorded();
    let mut clauses = Clause::ALL.to_vec();
    clauses.retain(|clause| {
        let by_model = projection.transitions.contains_key(clause);
        let by_checker = recorded.values().any(|ids| ids.contains(clause.id()));
        clause.is_observable() && !by_model && !by_checker
    });
    clauses
}

fn replaced(text: &str, part: &str, content: &str) -> Result<String, String> {
    let begin = format!("<!-- generated: {part} -->\n");
    let end = "<!-- end generated -->";
    let missing = || format!("SPEC.md has no part \"{part}\"");
    let (before, rest) = text.split_once(&begin).ok_or_else(missing)?;
    let (_, after) = rest.split_once(end).ok_or_else(missing)?;
    Ok(format!("{before}{begin}{content}{end}{after}"))
}

fn diagram(
    phases: &[&str],
    edges: &BTreeSet<(usize, usize)>,
    labels: &[(usize, usize, &str)],
    first: usize,
    last: usize,
) -> Result<String, String> {
    let mut text = String::from("```mermaid\nstateDiagram-v2\n");
    for (index, phase) in phases.iter().enumerate() {
        let _ = writeln!(text, "    s{index}: {phase}");
    }
    let _ = writeln!(text, "    [*] --> s{first}");
    for (from, to) in edges {
        let label = labels.iter().find(|label| (label.0, label.1) == (*from, *to));
        let label = label.ok_or_else(|| format!("no name for {} to {}", phases[*from], phases[*to]))?.2;
        let _ = writeln!(text, "    s{from} --> s{to}: {label}");
    }
    if last < phases.len() {
        let _ = writeln!(text, "    s{last} --> [*]");
    }
    text.push_str("```\n");
    Ok(text)
}

fn table(projection: &Projection) -> String {
    let recorded = recorded();
    let mut text =
        String::from("| clause | transitions of the model | properties | exercised by |\n|---|---|---|---|\n");
    for clause in Clause::ALL {
        let transitions: Vec<&str> =
            projection.transitions.get(clause).into_iter().flatten().map(String::as_str).collect();
        let laws = Law::ALL.iter().filter(|law| law.clauses().contains(clause));
        let laws: Vec<&str> = laws.map(|law| law.name()).collect();
        let mut checkers: Vec<&str> = Vec::new();
        if !transitions.is_empty() {
            checkers.push("exploration");
        }
        checkers.extend(recorded.iter().filter(|(_, ids)| ids.contains(clause.id())).map(|(name, _)| name.as_str()));
        if !clause.is_observable() && checkers.is_empty() {
            checkers.push("tests of its own");
        }
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            clause.id(),
            transitions.join(" "),
            laws.join("; "),
            checkers.join(", ")
        );
    }
    let _ = writeln!(text, "\nThe properties, and the faults that were shown to break each:\n");
    for law in Law::ALL {
        let kind = match law.kind() {
            LawKind::Safety => "safety",
            LawKind::Liveness => "liveness",
        };
        let faults: Vec<&str> = law.faults().iter().map(|fault| fault.text().trim_end_matches('.')).collect();
        let _ = writeln!(text, "* {kind}: **{}**. Broken if: {}.", law.name(), faults.join("; "));
    }
    text
}

//! The catalogue fits the sources, and lacks nothing that can be derived from them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;

use serde::Deserialize;
use shieldable_verify::catalogue::{self, Bug};
use shieldable_verify::results::{Cell, Verdict};
use shieldable_verify::tree::Source;
use shieldable_verify::{columns, home, matrix, root, sites};

fn bugs() -> Vec<Bug> {
    catalogue::read(&home().join("bugs")).expect("the catalogue can be read")
}

#[test]
fn every_text_of_the_catalogue_is_in_the_sources_exactly_once() {
    let problems: Vec<_> =
        bugs().iter().filter_map(|bug| bug.changes(&root()).err()).map(|error| error.to_string()).collect();
    assert!(problems.is_empty(), "{} bugs do not fit the sources:\n\n{}", problems.len(), problems.join("\n\n"));
}

#[test]
fn every_bug_is_in_code_that_results_are_keyed_by() {
    let source = Source::new(&root(), None).expect("the sources can be read");
    let code = source.matching(&matrix::CODE.map(str::to_owned));
    for bug in bugs() {
        for edit in bug.edits() {
            assert!(code.contains(&edit.file), "{}: a change of {} would go unseen", bug.id, edit.file);
        }
    }
}

#[test]
fn the_catalogue_is_large_enough_and_says_what_it_violates() {
    let bugs = bugs();
    assert!(bugs.len() >= 40, "{} bugs", bugs.len());
    let spec = fs::read_to_string(root().join("SPEC.md")).expect("SPEC.md is there");
    for bug in &bugs {
        assert!(!bug.clauses.is_empty() || bug.equivalent.is_some(), "{} violates no clause", bug.id);
        for clause in &bug.clauses {
            assert!(spec.contains(&format!("**{clause}**")), "{}: there is no clause {clause}", bug.id);
        }
    }
}

/// Offsets in the text before the change that some bug of the file replaces, and what it does to the sites in them.
fn edits<'a>(bugs: &'a [Bug], file: &'a str, text: &'a str) -> impl Iterator<Item = (usize, &'a str, &'a str)> {
    bugs.iter()
        .flat_map(|bug| bug.edits())
        .filter(move |edit| edit.file == file)
        .filter_map(|edit| Some((text.find(edit.find)?, edit.find, edit.replace)))
}

/// Where the two begin to differ, and where they are the same again, in the first.
fn changed(find: &str, replace: &str) -> Range<usize> {
    let same = |pairs: &mut dyn Iterator<Item = (u8, u8)>| pairs.take_while(|(one, other)| one == other).count();
    let begin = same(&mut find.bytes().zip(replace.bytes()));
    let end = same(&mut find.bytes().rev().zip(replace.bytes().rev()));
    begin..(find.len() - end).max(begin)
}

/// So far from an operator a change still is one of its operands.
const OPERAND: usize = 24;

#[test]
fn every_ordering_has_each_of_its_weaker_variants() {
    let bugs = bugs();
    let mut missing = Vec::new();
    let mut orderings = BTreeMap::<String, usize>::new();
    for (file, text) in sites::core_files(&root()).expect("src/core can be read") {
        let before = sites::orderings(&text);
        let mut weakened = BTreeSet::new();
        for bug in bugs.iter().filter(|bug| bug.file == file) {
            let Ok(changes) = bug.changes(&root()) else { continue };
            let after = sites::orderings(&changes[0].2);
            if after.len() == before.len() {
                let differ: Vec<_> = (0..before.len()).filter(|&at| before[at].text != after[at].text).collect();
                if let [at] = differ[..] {
                    weakened.insert((at, after[at].text.clone()));
                }
            }
        }
        for (at, site) in before.iter().enumerate() {
            *orderings.entry(site.text.clone()).or_default() += 1;
            for weaker in sites::weaker(&site.text) {
                if !weakened.contains(&(at, (*weaker).to_owned())) {
                    missing.push(format!("{file}:{}: {} as {weaker}", site.line, site.text));
                }
            }
        }
    }
    assert!(missing.is_empty(), "no bug weakens\n{}", missing.join("\n"));
    assert!(
        orderings.get("Relaxed").is_some_and(|&relaxed| relaxed > 10),
        "the orderings are not found: {orderings:?}"
    );
}

#[test]
fn every_atomic_operation_names_its_ordering_where_it_is_looked_for() {
    for (file, text) in sites::core_files(&root()).expect("src/core can be read") {
        let code = sites::without_comments(&text);
        assert!(!code.contains("Ordering::*") && !code.contains("Ordering::{"), "{file} imports orderings by name");
        let operations = sites::atomic_operations(&text).len();
        let orderings = sites::orderings(&text).len();
        assert!(operations <= orderings && (operations > 0) == (orderings > 0), "{file}: {operations}, {orderings}");
    }
}

#[test]
fn every_read_modify_write_is_taken_apart_by_some_bug() {
    let bugs = bugs();
    let mut missing = Vec::new();
    for (file, text) in sites::core_files(&root()).expect("src/core can be read") {
        for site in sites::read_modify_writes(&text) {
            let taken_apart = edits(&bugs, &file, &text).any(|(at, find, replace)| {
                (at..at + find.len()).contains(&site.at) && !replace.contains(&format!(".{}(", site.text))
            });
            if !taken_apart {
                missing.push(format!("{file}:{}: {}", site.line, site.text));
            }
        }
    }
    assert!(missing.is_empty(), "no bug takes apart\n{}", missing.join("\n"));
}

#[test]
fn every_wake_is_removed_by_some_bug() {
    let bugs = bugs();
    let mut missing = Vec::new();
    for (file, text) in sites::core_files(&root()).expect("src/core can be read") {
        for site in sites::wakes(&text) {
            let removed = edits(&bugs, &file, &text).any(|(at, find, replace)| {
                (at..at + find.len()).contains(&site.at) && sites::wakes(replace).len() < sites::wakes(find).len()
            });
            if !removed {
                missing.push(format!("{file}:{}: {}", site.line, site.text));
            }
        }
    }
    assert!(missing.is_empty(), "no bug removes\n{}", missing.join("\n"));
}

#[derive(Deserialize)]
struct Counters {
    none: Vec<NoCounter>,
}

/// A step or comparison that is none of a state machine.
#[derive(Deserialize)]
struct NoCounter {
    file: String,
    line: String,
    because: String,
}

#[test]
fn every_step_and_comparison_of_a_counter_is_off_by_one_in_some_bug() {
    let text = fs::read_to_string(home().join("counters.toml")).expect("counters.toml is there");
    let page: Counters = toml::from_str(&text).expect("counters.toml can be read");
    let bugs = bugs();
    let mut missing = Vec::new();
    for (file, text) in sites::core_files(&root()).expect("src/core can be read") {
        for site in sites::counters(&text) {
            let line = text.lines().nth(site.line - 1).expect("the line of the site").trim();
            let changed = edits(&bugs, &file, &text).any(|(at, find, replace)| {
                let changed = changed(find, replace);
                let (begin, end) = (at + changed.start, at + changed.end);
                begin <= site.at + OPERAND && site.at <= end + OPERAND
            });
            let exempt = page.none.iter().any(|none| none.file == file && none.line == line);
            if !changed && !exempt {
                missing.push(format!("{file}:{}: {line}", site.line));
            }
        }
    }
    assert!(missing.is_empty(), "no bug changes\n{}", missing.join("\n"));
    for none in &page.none {
        assert!(!none.because.is_empty(), "{}: why?", none.line);
    }
}

#[test]
fn every_checker_begins_at_files_that_are_there() {
    let columns = columns::read(&home().join("columns.toml")).expect("columns.toml can be read");
    for column in columns {
        for file in column.near.keys() {
            assert!(root().join(file).exists(), "{}: there is no {file}", column.id);
        }
        if column.narrow {
            for test in column.near.values().flatten() {
                assert!(root().join(format!("tests/{test}.rs")).exists(), "there is no test file {test}");
            }
        }
    }
}

#[test]
fn a_kill_by_chance_is_none_by_a_systematic_checker() {
    let columns = columns::read(&home().join("columns.toml")).expect("columns.toml can be read");
    let by = |id: &str, by: &str, own: u64| {
        let column = columns.iter().find(|column| column.id == id).expect("a checker of this name");
        column.kills_systematically(&Cell {
            verdict: Verdict::Killed,
            key: String::new(),
            by: Some(by.to_owned()),
            part: None,
            after: Some(1_000_000),
            own: Some(own),
            budget: None,
            how: None,
            seconds: 1.0,
            date: String::new(),
        })
    };
    assert!(by("loom", "generated_programs_of_three_tasks", 5000));
    assert!(by("shuttle", "a_hard_drop_races_cancel", 2000));
    assert!(!by("shuttle", "a_hard_drop_races_cancel", 2001), "after those in order");
    assert!(!by("shuttle", "generated_programs_of_three_tasks", 7), "a program made at random");
    assert!(!by("lockstep", "random_programs", 7), "not a systematic checker");
}

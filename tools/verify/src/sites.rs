//! Where src/core and the reference count could be wrong in a systematic way, derived from their text: every memory
//! ordering, every read-modify-write, every wake, every step and comparison of a counter.
//!
//! The text is read line by line, as rustfmt leaves it; comments do not count. That is enough for the small and uniform
//! sources it is meant for, and `tests/catalogue.rs` fails when an access is written in a way that it would not see.

use std::fs;
use std::path::Path;

use anyhow::Result;
use regex::Regex;

/// A place in a file, by its offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    pub at: usize,
    pub line: usize,
    /// What stands there: the name of the ordering, the method, or the whole line for counters.
    pub text: String,
}

/// Comments blanked out, offsets kept.
pub fn without_comments(text: &str) -> String {
    text.split_inclusive('\n')
        .map(|line| match line.find("//") {
            Some(start) => {
                let end = line.trim_end_matches('\n').len();
                format!("{}{}{}", &line[..start], " ".repeat(end - start), &line[end..])
            }
            None => line.to_owned(),
        })
        .collect()
}

fn sites(text: &str, pattern: &str) -> Vec<Site> {
    let pattern = Regex::new(pattern).expect("a pattern of this file");
    let code = without_comments(text);
    pattern
        .captures_iter(&code)
        .map(|found| {
            let found = found.get(1).unwrap_or_else(|| found.get(0).expect("the whole match"));
            let line = code[..found.start()].matches('\n').count() + 1;
            Site { at: found.start(), line, text: found.as_str().to_owned() }
        })
        .collect()
}

/// Every ordering that an atomic operation names.
pub fn orderings(text: &str) -> Vec<Site> {
    sites(text, r"Ordering::(Relaxed|Acquire|Release|AcqRel|SeqCst)\b")
}

/// Every operation on an atomic, by its method.
pub fn atomic_operations(text: &str) -> Vec<Site> {
    let operations =
        r"\.(load|store|swap|compare_exchange(?:_weak)?|fetch_(?:add|sub|and|or|xor|nand|max|min|update))\(";
    let mut found = sites(text, operations);
    // `get_mut` and `into_inner` need no ordering, and methods of other types share these names: an atomic one names
    // one.
    let code = without_comments(text);
    found.retain(|site| code[site.at..].chars().take(200).collect::<String>().contains("Ordering::"));
    found
}

pub fn read_modify_writes(text: &str) -> Vec<Site> {
    let mut found = atomic_operations(text);
    found.retain(|site| !matches!(site.text.as_str(), "load" | "store"));
    found
}

/// Every call of a waker or of a slot that has one.
pub fn wakes(text: &str) -> Vec<Site> {
    sites(text, r"\.(wake|wake_by_ref)\(\)")
}

/// Every step and comparison of a counter: what can be off by one.
pub fn counters(text: &str) -> Vec<Site> {
    // A `+` between bounds of a type parameter is none: what follows is a type, or a path to one. Constants are
    // capitals throughout.
    let mut found = sites(text, r"[\w)] ((?:\+|-|\+=|-=|>|>=|<|<=) (?:[a-z0-9(*&]|[A-Z][A-Z0-9_]+\b))");
    found.retain(|site| !text[site.at..].starts_with("+ fmt::"));
    found
}

/// The steps by which an ordering can be weaker.
pub fn weaker(ordering: &str) -> &'static [&'static str] {
    match ordering {
        "SeqCst" => &["AcqRel"],
        "AcqRel" => &["Acquire", "Release"],
        "Acquire" | "Release" => &["Relaxed"],
        _ => &[],
    }
}

/// The files of src/core, and the reference count under them, with their text, by path from the root.
pub fn core_files(root: &Path) -> Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join("src/core"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == "rs") {
            let name = path.file_name().expect("a file has a name").to_string_lossy();
            files.push((format!("src/core/{name}"), fs::read_to_string(&path)?));
        }
    }
    files.sort();
    let counted = "src/sync/counted.rs";
    files.push((counted.into(), fs::read_to_string(root.join(counted))?));
    Ok(files)
}

//! The table of models in `docs/models.md`: written on request, and otherwise what a run is compared with, so that a
//! model that is lost is missed.

use std::fs;
use std::path::PathBuf;

use libtest_mimic::Failed;

use crate::harness::Row;

fn page() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/models.md")
}

/// Where the table of a checker begins and ends in the page.
fn section(page: &str, checker: &str) -> Option<(usize, usize)> {
    let begin = format!("<!-- begin {checker}, generated -->\n");
    let start = page.find(&begin)? + begin.len();
    let end = start + page[start..].find(&format!("<!-- end {checker} -->"))?;
    Some((start, end))
}

/// The models of the table are those of this run, neither more nor fewer.
pub fn compare(checker: &str, names: &[&str]) -> Result<(), Failed> {
    let page = fs::read_to_string(page())?;
    let (start, end) = section(&page, checker).ok_or("docs/models.md has no such table")?;
    let listed: Vec<_> =
        page[start..end].lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next()).collect();
    let listed: Vec<_> =
        listed.into_iter().filter(|name| *name != "model").map(|name| name.replace(' ', "_")).collect();
    let lost: Vec<_> = listed.iter().filter(|name| !names.contains(&name.as_str())).collect();
    let new: Vec<_> = names.iter().filter(|name| !listed.iter().any(|listed| listed == **name)).collect();
    if lost.is_empty() && new.is_empty() {
        return Ok(());
    }
    Err(format!("docs/models.md lists {lost:?}, which are not here, and lacks {new:?}; --write-table makes it anew")
        .into())
}

pub fn write(checker: &str, rows: &[Row]) {
    let mut table = String::from("| model | executions | extent | seconds |\n|---|---:|---|---:|\n");
    for Row { name, executions, extent, seconds, .. } in rows {
        table.push_str(&format!("| {} | {executions} | {extent} | {seconds} |\n", name.replace('_', " ")));
    }
    let executions: u64 = rows.iter().filter_map(|row| row.executions.parse::<u64>().ok()).sum();
    table.push_str(&format!("\n{} models, {executions} executions.\n", rows.len()));
    let mut text = fs::read_to_string(page()).expect("docs/models.md is there");
    let (start, end) = section(&text, checker).expect("docs/models.md has a place for the table");
    text.replace_range(start..end, &table);
    fs::write(page(), text).expect("docs/models.md can be written");
    println!("docs/models.md: {} rows", rows.len());
}

//! What each checker has exercised of the clauses: files in `exercised/`, one a checker.

use std::path::{Path, PathBuf};

use crate::clause::Clause;
use crate::trace::Coverage;

pub(crate) fn records() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("exercised")
}

/// A checker has exercised these clauses. With `UPDATE_SPEC=1` in the environment that is recorded for the table;
/// without, it is an error if a clause that was recorded is not among them any more.
///
/// # Errors
///
/// What is missing, or why the record cannot be read or written.
pub fn exercised(checker: &str, coverage: Coverage) -> Result<(), String> {
    let file = records().join(format!("{checker}.txt"));
    if std::env::var_os("UPDATE_SPEC").is_some() {
        let ids: Vec<&str> = coverage.iter().map(Clause::id).collect();
        std::fs::create_dir_all(records())
            .and_then(|()| std::fs::write(&file, ids.join("\n") + "\n"))
            .map_err(|error| format!("{}: {error}", file.display()))?;
        return Ok(());
    }
    let recorded = std::fs::read_to_string(&file).unwrap_or_default();
    let missing: Vec<&str> =
        recorded.split_whitespace().filter(|id| !coverage.iter().any(|clause| clause.id() == *id)).collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(format!("{checker} does not exercise any more: {}", missing.join(" ")))
    }
}

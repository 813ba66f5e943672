//! The catalogue of seeded bugs: faulty variants of `src/` as data, each an exact text and what stands there instead.
//!
//! The files are `bugs/*.toml`. A text that is not in its file exactly once is an error: the catalogue has to follow
//! the sources, and a bug that silently changes nothing would look like a survivor.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// One thing done wrong.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bug {
    pub id: String,
    /// What is wrong, for people.
    pub title: String,
    pub class: String,
    /// Where the same bug has shipped before.
    pub known: Option<String>,
    /// The clauses of SPEC.md that it violates.
    #[serde(default)]
    pub clauses: Vec<String>,
    /// Why no check can see it.
    pub equivalent: Option<String>,
    /// It can be seen in executions that the memory model allows and no checker explores.
    #[serde(default)]
    pub beyond: bool,
    pub file: String,
    find: String,
    replace: String,
    /// Further changes that belong to it.
    #[serde(default)]
    also: Vec<Also>,
    /// Parts of names of the loom models to begin with.
    #[serde(default)]
    pub loom: Vec<String>,
    /// Test files to begin with.
    #[serde(default)]
    pub tests: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Also {
    file: Option<String>,
    find: String,
    replace: String,
}

/// One replacement in one file.
#[derive(Clone, Copy, Debug)]
pub struct Edit<'a> {
    pub file: &'a str,
    pub find: &'a str,
    pub replace: &'a str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    bug: Vec<Bug>,
}

impl Bug {
    pub fn edits(&self) -> impl Iterator<Item = Edit<'_>> {
        let first = Edit { file: &self.file, find: &self.find, replace: &self.replace };
        let also = self.also.iter().map(|also| Edit {
            file: also.file.as_deref().unwrap_or(&self.file),
            find: &also.find,
            replace: &also.replace,
        });
        std::iter::once(first).chain(also)
    }

    /// The files it changes, with their text before and after.
    pub fn changes(&self, root: &Path) -> Result<Vec<(String, String, String)>> {
        let files: BTreeSet<_> = self.edits().map(|edit| edit.file).collect();
        files
            .into_iter()
            .map(|file| {
                let before = fs::read_to_string(root.join(file)).with_context(|| format!("cannot read {file}"))?;
                let mut after = before.clone();
                for edit in self.edits().filter(|edit| edit.file == file) {
                    let found = after.matches(edit.find).count();
                    ensure!(
                        found == 1,
                        "{}: its text is {} in {file}, where it must be exactly once:\n{}",
                        self.id,
                        if found == 0 { "not".to_owned() } else { format!("{found} times") },
                        edit.find
                    );
                    after = after.replacen(edit.find, edit.replace, 1);
                }
                ensure!(before != after, "{}: changes nothing in {file}", self.id);
                Ok((file.to_owned(), before, after))
            })
            .collect()
    }
}

/// Reads all pages of the catalogue, in the order of their names.
pub fn read(folder: &Path) -> Result<Vec<Bug>> {
    let mut pages: Vec<_> = fs::read_dir(folder)
        .with_context(|| format!("there is no catalogue in {}", folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    pages.retain(|path| path.extension().is_some_and(|kind| kind == "toml"));
    pages.sort();
    let mut bugs = Vec::new();
    for path in pages {
        let text = fs::read_to_string(&path)?;
        let page: Page = toml::from_str(&text).with_context(|| format!("in {}", path.display()))?;
        bugs.extend(page.bug);
    }
    let mut seen = BTreeSet::new();
    for bug in &bugs {
        if !seen.insert(&bug.id) {
            bail!("two bugs are called {}", bug.id);
        }
    }
    Ok(bugs)
}

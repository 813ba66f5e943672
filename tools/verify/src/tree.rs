//! A private copy of the repository, one a worker, in which one bug at a time is compiled in.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::catalogue::Bug;
use crate::sites::without_comments;

#[derive(Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
}

/// The files under version control, as they stand in the working tree, or as a commit has them.
#[derive(Clone, Debug)]
pub struct Source {
    root: PathBuf,
    commit: Option<String>,
    files: Vec<String>,
}

impl Source {
    pub fn new(root: &Path, commit: Option<&str>) -> Result<Self> {
        let listing = match commit {
            Some(commit) => git(root, &["ls-tree", "-r", "--name-only", "-z", commit])?,
            None => git(root, &["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?,
        };
        let mut files: Vec<_> =
            String::from_utf8(listing)?.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        if commit.is_none() {
            files.retain(|file| root.join(file).is_file());
        }
        files.sort();
        files.dedup();
        Ok(Self { root: root.to_owned(), commit: commit.map(str::to_owned), files })
    }

    fn read(&self, file: &str) -> Result<Vec<u8>> {
        match &self.commit {
            Some(commit) => git(&self.root, &["show", &format!("{commit}:{file}")]),
            None => fs::read(self.root.join(file)).with_context(|| format!("cannot read {file}")),
        }
    }

    /// Makes `copy` the same as this, touching only what differs, so that little is built anew.
    pub fn copy_to(&self, copy: &Path) -> Result<()> {
        fs::create_dir_all(copy)?;
        let archive = match &self.commit {
            // One call of git instead of one a file.
            Some(commit) => Some(unpacked(&self.root, commit, copy)?),
            None => None,
        };
        for file in &self.files {
            let to = copy.join(file);
            let text = match &archive {
                Some(archive) => fs::read(archive.join(file))?,
                None => self.read(file)?,
            };
            if fs::read(&to).ok().as_deref() != Some(&text[..]) {
                fs::create_dir_all(to.parent().expect("a file is in a folder"))?;
                fs::write(&to, text)?;
            }
        }
        self.tidy(copy)
    }

    /// Removes what checks have left behind in a copy: regressions that they found, say.
    pub fn tidy(&self, copy: &Path) -> Result<()> {
        let wanted: BTreeSet<_> = self.files.iter().map(PathBuf::from).collect();
        remove_others(copy, Path::new(""), &wanted)
    }

    /// Says whether two states of these files are the same to the compiler: comments and blank space do not count.
    pub fn fingerprint(&self, patterns: &[String]) -> Result<String> {
        self.fingerprint_of(&self.matching(patterns))
    }

    pub fn fingerprint_of(&self, files: &[&str]) -> Result<String> {
        let mut hash = Sha256::new();
        for file in files {
            hash.update(file.as_bytes());
            hash.update(if file.ends_with(".rs") { code_of(&self.text(file)?).into_bytes() } else { self.read(file)? });
        }
        Ok(format!("{:x}", hash.finalize())[..16].to_owned())
    }

    pub fn text(&self, file: &str) -> Result<String> {
        Ok(String::from_utf8(self.read(file)?)?)
    }

    /// `patterns` are paths of files, with one `*` in a name, or of folders with a `/` at the end; a `!` before one
    /// takes its files out again.
    pub fn matching(&self, patterns: &[String]) -> Vec<&str> {
        let chosen = |file: &&str| {
            let fits = |pattern: &str| match pattern.split_once('*') {
                Some((before, after)) => {
                    let middle = file.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
                    middle.is_some_and(|middle| !middle.contains('/'))
                }
                None => *file == pattern || (pattern.ends_with('/') && file.starts_with(pattern)),
            };
            let taken_out = patterns.iter().filter_map(|pattern| pattern.strip_prefix('!')).any(fits);
            !taken_out && patterns.iter().any(|pattern| fits(pattern))
        };
        self.files.iter().map(String::as_str).filter(chosen).collect()
    }

    /// The versions of a package in all files that lock some.
    pub fn locked(&self, package: &str) -> Result<Vec<String>> {
        let mut versions = Vec::new();
        for file in self.files.iter().filter(|file| file.ends_with("Cargo.lock")) {
            let lock: Lock = toml::from_str(&self.text(file)?).with_context(|| format!("in {file}"))?;
            versions.extend(lock.package.into_iter().filter(|other| other.name == package).map(|other| other.version));
        }
        ensure!(!versions.is_empty(), "no version of {package} is locked");
        versions.sort();
        versions.dedup();
        Ok(versions)
    }

    pub fn has(&self, path: &str) -> bool {
        self.files.iter().any(|file| file == path || file.starts_with(&format!("{path}/")))
    }
}

fn code_of(text: &str) -> String {
    without_comments(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn unpacked(root: &Path, commit: &str, copy: &Path) -> Result<PathBuf> {
    let folder = copy.with_extension("commit");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let tar = folder.with_extension("tar");
    git(root, &["archive", "--output", &tar.to_string_lossy(), commit])?;
    let status = Command::new("tar").arg("-xf").arg(&tar).arg("-C").arg(&folder).status()?;
    ensure!(status.success(), "cannot unpack {commit}");
    fs::remove_file(tar)?;
    Ok(folder)
}

fn remove_others(copy: &Path, folder: &Path, wanted: &BTreeSet<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(copy.join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            remove_others(copy, &path, wanted)?;
        } else if !wanted.contains(&path) && !path.ends_with("Cargo.lock") {
            fs::remove_file(copy.join(&path))?;
        }
    }
    Ok(())
}

fn git(root: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output().context("git is needed")?;
    ensure!(output.status.success(), "git {}: {}", arguments[0], String::from_utf8_lossy(&output.stderr).trim());
    Ok(output.stdout)
}

/// A copy with a bug in it; without it again when this is dropped.
pub struct Seeded {
    undo: Vec<(PathBuf, String)>,
}

impl Seeded {
    pub fn new(copy: &Path, bug: Option<&Bug>) -> Result<Self> {
        let mut undo = Vec::new();
        for (file, before, after) in bug.map(|bug| bug.changes(copy)).transpose()?.unwrap_or_default() {
            let path = copy.join(file);
            fs::write(&path, after)?;
            undo.push((path, before));
        }
        Ok(Self { undo })
    }
}

impl Drop for Seeded {
    fn drop(&mut self) {
        for (path, text) in &self.undo {
            if let Err(error) = fs::write(path, text) {
                eprintln!("cannot restore {}: {error}", path.display());
            }
        }
    }
}

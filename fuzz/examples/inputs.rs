//! What to do with the inputs of the targets that run programs.
//!
//! * `show TARGET FILE`: the program, as text.
//! * `clauses TARGET PATH..`: which clauses of SPEC.md these inputs reach; fails if an observable one is missing.
//! * `seeds TARGET FOLDER PROGRAMS`: writes the smallest inputs among so many random ones that together reach every
//!   clause that any of them reaches.
//!
//! An example and not a binary, since cargo-fuzz takes every binary of the package for a target.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::{env, fs};

use arbitrary::{Arbitrary, Unstructured};
use shieldable_fuzz::ProgramText;
use shieldable_model::{Bytes, Choices, Clause, Coverage, Seed};
use shieldable_proptests::inputs::Target;
use shieldable_proptests::lockstep::Lockstep;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["show", target, file] => show(target, file.as_ref()),
        ["clauses", target, ref paths @ ..] => named(target).and_then(|target| clauses(target, paths)),
        ["seeds", target, folder, programs] => {
            let programs = programs.parse().map_err(Into::into);
            programs.and_then(|programs| seeds(named(target)?, folder.as_ref(), programs))
        }
        _ => Err("usage: inputs show TARGET FILE | clauses TARGET PATH.. | seeds TARGET FOLDER PROGRAMS".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn named(name: &str) -> Outcome<Target> {
    Ok(Target::ALL.into_iter().find(|target| target.name() == name).ok_or("there is no such target of programs")?)
}

fn show(target: &str, file: &Path) -> Outcome<()> {
    let bytes = fs::read(file)?;
    if target == "program_text" {
        println!("{:?}", ProgramText::arbitrary_take_rest(Unstructured::new(&bytes))?);
    } else {
        println!("{}", named(target)?.program(&mut Bytes(&bytes)));
    }
    Ok(())
}

fn clauses(target: Target, paths: &[&str]) -> Outcome<()> {
    let mut lockstep = Lockstep::new();
    let (mut files, mut bytes) = (0, 0);
    for file in paths.iter().map(|path| files_of(path.as_ref())).collect::<Outcome<Vec<_>>>()?.concat() {
        let input = fs::read(&file)?;
        lockstep.run(&Arc::new(target.program(&mut Bytes(&input))), &mut Seed(0))?;
        files += 1;
        bytes += input.len();
    }
    let coverage = lockstep.coverage();
    let missing: Vec<&str> = coverage.missing().map(Clause::id).collect();
    println!("{}: {files} inputs of {bytes} bytes, {} steps", target.name(), lockstep.steps());
    println!("{} clauses: {coverage}", coverage.iter().count());
    if missing.is_empty() {
        println!("no observable clause is missing");
        Ok(())
    } else {
        Err(format!("observable and missing: {}", missing.join(" ")).into())
    }
}

/// The files of a folder, or the file itself.
fn files_of(path: &Path) -> Outcome<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<Outcome<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

/// The clauses that one input reaches.
fn reached(target: Target, input: &[u8]) -> Outcome<Coverage> {
    let mut lockstep = Lockstep::new();
    lockstep.run(&Arc::new(target.program(&mut Bytes(input))), &mut Seed(0))?;
    Ok(lockstep.coverage())
}

fn seeds(target: Target, folder: &Path, programs: u64) -> Outcome<()> {
    let mut random = Seed(0);
    let mut lockstep = Lockstep::new();
    let mut all = Coverage::default();
    let mut kept: Vec<(Vec<u8>, Coverage)> = Vec::new();
    for _ in 0..programs {
        let length = 16 + random.pick(240);
        let input: Vec<u8> = (0..length).map(|_| random.pick(256) as u8).collect();
        lockstep.run(&Arc::new(target.program(&mut Bytes(&input))), &mut Seed(0))?;
        if lockstep.coverage() != all {
            all = lockstep.coverage();
            let input = smaller(target, input, &fresh(all, &kept))?;
            let coverage = reached(target, &input)?;
            kept.push((input, coverage));
        }
    }
    // What came later may have made what came before superfluous.
    for at in (0..kept.len()).rev() {
        let (input, coverage) = kept.remove(at);
        if !fresh(all, &kept).is_empty() {
            kept.insert(at, (input, coverage));
        }
    }
    fs::create_dir_all(folder)?;
    for (number, (input, _)) in kept.iter().enumerate() {
        fs::write(folder.join(format!("seed-{number:02}")), input)?;
    }
    let missing: Vec<&str> = all.missing().map(Clause::id).collect();
    println!("{}: {} seeds; not reached: {}", target.name(), kept.len(), missing.join(" "));
    Ok(())
}

/// The clauses of `all` that none of those kept reaches.
fn fresh(all: Coverage, kept: &[(Vec<u8>, Coverage)]) -> Vec<Clause> {
    all.iter().filter(|clause| !kept.iter().any(|(_, coverage)| coverage.contains(*clause))).collect()
}

/// Takes away what the clauses do not need.
fn smaller(target: Target, mut input: Vec<u8>, clauses: &[Clause]) -> Outcome<Vec<u8>> {
    let mut size = input.len();
    while size > 0 {
        let mut start = 0;
        while start < input.len() {
            let end = input.len().min(start + size);
            let mut candidate = input.clone();
            candidate.drain(start..end);
            let mut coverage = reached(target, &candidate)?;
            if !clauses.iter().all(|clause| coverage.contains(*clause)) {
                candidate = input.clone();
                candidate[start..end].fill(0);
                coverage = reached(target, &candidate)?;
            }
            if clauses.iter().all(|clause| coverage.contains(*clause)) && candidate != input {
                input = candidate;
            } else {
                start = end;
            }
        }
        size /= 2;
    }
    while input.last() == Some(&0) {
        input.pop();
    }
    Ok(input)
}

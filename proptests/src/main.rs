//! Runs programs in lockstep, and keeps those that fail: `cargo run -p shieldable-proptests -- regress FILE`.

use std::process::ExitCode;
use std::sync::Arc;
use std::{env, fs};

use shieldable_model::{Program, Seed};
use shieldable_proptests::lockstep::Lockstep;
use shieldable_proptests::lockstep::replay::{Schedule, replay, store};

const USAGE: &str = "usage: shieldable-proptests run FILE      runs a program in lockstep with the model
       shieldable-proptests regress FILE  the same, and stores it, made small if it fails, as a regression";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["run", file] => read(file).and_then(|text| replay(&text)),
        ["regress", file] => read(file).and_then(|text| regress(&text)),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn read(file: &str) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))
}

/// A program that passes is stored as it is: it failed once, or it is worth keeping.
fn regress(text: &str) -> Result<(), String> {
    let program: Arc<Program> = Arc::new(text.parse().map_err(|error| format!("not a program: {error}"))?);
    let mut lockstep = Lockstep::new();
    let failure = lockstep.run_scheduled(&program, &Schedule::of_text(text)).err();
    let failure = failure.or_else(|| (0..100).find_map(|seed| lockstep.run(&program, &mut Seed(seed)).err()));
    match failure {
        Some(failure) => {
            let minimal = failure.minimal();
            let path = store(&minimal.text()).map_err(|error| error.to_string())?;
            Err(format!("{minimal}\nstored in {}", path.display()))
        }
        None => {
            let path = store(text).map_err(|error| error.to_string())?;
            println!("passes; stored in {}", path.display());
            Ok(())
        }
    }
}

//! The ladder on several machines.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use shieldable_verify::ladder::{self, Level, Share};
use shieldable_verify::parts::{self, Outcome, Part};
use shieldable_verify::root;

#[test]
fn nothing_is_run_by_two_machines_and_each_rung_by_one() {
    for n in 1..=6 {
        for (number, rung) in ladder::read().expect("ladder.toml can be read").iter().enumerate() {
            let whole = ladder::commands(number, rung, Level::Deep, None);
            let machines = (1..=n).map(|k| ladder::commands(number, rung, Level::Deep, Some(Share { k, n })));
            let all: Vec<_> = machines.flatten().collect();
            let different: BTreeSet<_> = all.iter().collect();
            assert_eq!(different.len(), all.len(), "{} on {n} machines: {all:#?}", rung.id);
            assert_eq!(whole.is_empty(), all.is_empty(), "{} on {n} machines", rung.id);
        }
    }
}

#[test]
fn every_test_of_a_shared_rung_is_run_by_some_machine() {
    let tests = |lines: &[ladder::Line]| -> BTreeSet<String> {
        let words: Vec<_> =
            lines.iter().flat_map(|line| line.to_string().split(' ').map(str::to_owned).collect::<Vec<_>>()).collect();
        words.windows(2).filter(|pair| pair[0] == "--test").map(|pair| pair[1].clone()).collect()
    };
    for (number, rung) in ladder::read().expect("ladder.toml can be read").iter().enumerate() {
        let whole = tests(&ladder::commands(number, rung, Level::Deep, None));
        let shared: Vec<_> =
            (1..=2).flat_map(|k| ladder::commands(number, rung, Level::Deep, Some(Share { k, n: 2 }))).collect();
        assert_eq!(whole, tests(&shared), "{}", rung.id);
    }
}

#[test]
fn what_each_machine_takes_a_range_of_is_what_the_one_skips_that_runs_the_rest() {
    let mut rungs = 0;
    for rung in ladder::read().expect("ladder.toml can be read") {
        let all = (1..=2).flat_map(|k| ladder::commands(0, &rung, Level::Deep, Some(Share { k, n: 2 })));
        let lines: Vec<String> = all.map(|line| line.to_string()).collect();
        let ranges = |line: &String| -> Option<BTreeSet<String>> {
            let (_, rest) = line.split_once("--filterset 'test(/^(")?;
            Some(rest.split_once(')')?.0.split('|').map(str::to_owned).collect())
        };
        let skipped = |line: &String| -> BTreeSet<String> {
            line.split("--skip ").skip(1).map(|rest| rest.trim_end().to_owned()).collect()
        };
        let once: BTreeSet<_> = lines.iter().flat_map(skipped).collect();
        for range in lines.iter().filter_map(ranges) {
            assert_eq!(range, once, "{}", rung.id);
            rungs += 1;
        }
    }
    assert_eq!(rungs, 4, "loom and shuttle on two machines");
}

#[test]
fn every_test_of_the_properties_is_on_the_usual_ladder_and_on_the_deep_one() {
    let folder = fs::read_dir(root().join("proptests/tests")).expect("the folder of the tests");
    let names = folder.map(|entry| entry.expect("an entry").path().file_stem().unwrap_or_default().to_owned());
    let names: BTreeSet<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    for level in [Level::Usual, Level::Deep] {
        let rungs = ladder::read().expect("ladder.toml can be read");
        let lines = rungs.iter().flat_map(|rung| ladder::commands(0, rung, level, None));
        let words: Vec<_> =
            lines.flat_map(|line| line.to_string().split(' ').map(str::to_owned).collect::<Vec<_>>()).collect();
        let run = |name: &String| words.windows(2).any(|pair| pair[0] == "--test" && pair[1] == *name);
        let missing: Vec<_> = names.iter().filter(|name| !run(name)).collect();
        assert!(missing.is_empty() && !names.is_empty(), "{missing:?} on the {} ladder", level.name());
    }
}

#[test]
fn every_integration_test_that_can_be_is_run_under_miri() {
    let rungs = ladder::read().expect("ladder.toml can be read");
    let lines =
        rungs.iter().filter(|rung| rung.id == "miri").flat_map(|rung| ladder::commands(0, rung, Level::Deep, None));
    let run = lines.map(|line| line.to_string()).collect::<String>();
    for entry in fs::read_dir(root().join("tests")).expect("the folder of the tests") {
        let path = entry.expect("an entry").path();
        let Some(name) = path.file_stem().and_then(|name| name.to_str()).filter(|_| path.is_file()) else { continue };
        let cannot = ["executors", "limits", "loom", "shuttle"].contains(&name);
        assert_ne!(run.contains(&format!("--test {name} ")), cannot, "{name}");
    }
}

#[test]
fn what_a_listing_prints_can_be_pasted_into_a_shell() {
    for rung in ladder::read().expect("ladder.toml can be read") {
        for line in ladder::commands(0, &rung, Level::Deep, Some(Share { k: 1, n: 1 })) {
            let text = line.to_string();
            let status = Command::new("sh").arg("-n").arg("-c").arg(&text).stderr(Stdio::null()).status();
            assert!(status.expect("there is a shell").success(), "{text}");
        }
    }
}

fn part(rung: &str, level: Level, share: Option<&str>, outcome: Outcome) -> Part {
    Part {
        rung: rung.to_owned(),
        title: String::new(),
        level: level.name().to_owned(),
        share: share.map(str::to_owned),
        outcome,
        reason: None,
        counts: Vec::new(),
        extent: String::new(),
        seconds: 0.0,
        date: String::new(),
        sources: String::new(),
        output: None,
    }
}

#[test]
fn a_ladder_of_which_a_rung_is_missing_or_was_cut_short_is_not_whole() {
    let rungs = ladder::read().expect("ladder.toml can be read");
    let deep: Vec<_> = rungs.iter().filter(|rung| rung.is_on(Level::Deep)).map(|rung| rung.id.clone()).collect();
    let all = |cut: &str, outcome| -> Vec<Part> {
        let outcome_of = |id: &String| if id == cut { outcome } else { Outcome::Green };
        deep.iter().map(|id| part(id, Level::Deep, None, outcome_of(id))).collect()
    };
    assert_eq!(parts::lacking(&all("", Outcome::Green), &rungs), Vec::<String>::new());
    assert_eq!(parts::lacking(&all("spec", Outcome::Interrupted), &rungs), ["spec"]);
    assert_eq!(parts::lacking(&all("address", Outcome::NotRun), &rungs), ["address"]);
    let mut missing = all("", Outcome::Green);
    missing.retain(|part| part.rung != "memcheck");
    assert_eq!(parts::lacking(&missing, &rungs), ["memcheck"]);
    let machines = [Some("1/3"), Some("3/3")].map(|share| part("loom", Level::Deep, share, Outcome::Green));
    missing.retain(|part| part.rung != "loom");
    missing.extend(machines);
    assert_eq!(parts::lacking(&parts::joined(&missing), &rungs), ["loom", "memcheck"]);
}

#[test]
fn a_run_in_which_nothing_ran_is_not_green() {
    let not_run = [part("fuzz", Level::Deep, None, Outcome::NotRun)];
    assert!(!parts::conclude(&not_run, false));
    let some = [part("fuzz", Level::Deep, None, Outcome::NotRun), part("spec", Level::Deep, None, Outcome::Green)];
    assert!(parts::conclude(&some, false), "what this machine cannot do is left out");
    assert!(!parts::conclude(&some, true), "unless it was asked for");
}

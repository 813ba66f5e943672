//! The ladder on several machines.

use std::collections::BTreeSet;

use shieldable_verify::ladder::{self, Level, Share};

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
            let (_, rest) = line.split_once("--filterset test(/^(")?;
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

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

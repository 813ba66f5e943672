//! Every reachable state of every quick configuration, and that each law can fail.
#![cfg(feature = "check")]

use std::collections::BTreeSet;
use std::sync::OnceLock;

use shieldable_model::explore::{CONFIGS, Concept, Config, Depth, Law, Projection, Report, SITUATIONS, check, hunt};
use shieldable_model::{Fault, Kind, spec};

/// The quick exploration, done once for all tests that look at it.
fn reports() -> &'static [(Config, Report)] {
    static REPORTS: OnceLock<Vec<(Config, Report)>> = OnceLock::new();
    REPORTS.get_or_init(|| {
        let quick = CONFIGS.iter().filter(|config| config.depth == Depth::Quick);
        quick.map(|config| (*config, check(config, 2, &mut |_, _, _| ()))).collect()
    })
}

fn projection() -> Projection {
    let mut all = Projection::default();
    for (_, report) in reports() {
        all.merge(&report.projection);
    }
    all
}

#[test]
fn all_laws_hold_in_every_state_of_the_quick_configurations() {
    for (config, report) in reports() {
        let broken: Vec<_> = report.violations.iter().map(|violation| violation.timeline.as_str()).collect();
        assert!(broken.is_empty(), "{}\n{}", config.name, broken.concat());
    }
}

#[test]
fn every_interesting_situation_is_reached() {
    let reached: BTreeSet<_> = reports().iter().flat_map(|(_, report)| report.situations.iter().copied()).collect();
    let never: Vec<_> = SITUATIONS.iter().map(|s| s.name).filter(|name| !reached.contains(name)).collect();
    assert!(never.is_empty(), "never reached: {never:?}");
}

#[test]
fn every_observable_clause_is_exercised_by_some_check() {
    let missing: Vec<_> = spec::unexercised(&projection()).into_iter().map(|clause| clause.id()).collect();
    assert!(missing.is_empty(), "exercised by nothing: {missing:?}");
}

#[test]
fn the_generated_parts_of_the_specification_are_up_to_date() {
    let path = spec::path();
    let old = std::fs::read_to_string(&path).expect("SPEC.md is there");
    let new = spec::regenerated_from(&old, &projection()).expect("SPEC.md has its markers");
    if old == new {
        return;
    }
    if std::env::var_os("UPDATE_SPEC").is_some() {
        std::fs::write(&path, new).expect("SPEC.md can be written");
        return;
    }
    panic!("SPEC.md is stale: run this test with UPDATE_SPEC=1, or `cargo run -p shieldable-model -- spec --write`");
}

#[test]
fn each_pair_of_concepts_is_in_some_configuration() {
    let programs: Vec<_> = CONFIGS.iter().map(|config| config.program()).collect();
    let mut missing = Vec::new();
    for (index, one) in Concept::ALL.iter().enumerate() {
        for other in &Concept::ALL[index..] {
            if !programs.iter().any(|program| one.is_in(program) && other.is_in(program)) {
                missing.push((one, other));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_bounds_are_reached() {
    let tasks = |config: &Config| config.program().fibers().filter(|f| config.program().kind(*f) == Kind::Task).count();
    assert!(CONFIGS.iter().any(|config| tasks(config) >= 3));
    let has = |config: &Config, words: &[&str]| words.iter().all(|word| config.text.contains(word));
    assert!(CONFIGS.iter().any(|config| has(config, &["lock l0", "lock r0"])));
    assert!(CONFIGS.iter().any(|config| has(config, &["cancel t0; uncancel t0; cancel t0"])));
    assert!(CONFIGS.iter().any(|config| has(config, &["wait w0"])));
    let every_fault = Law::ALL.iter().flat_map(|law| law.faults()).collect::<BTreeSet<_>>();
    assert_eq!(every_fault.len(), Fault::ALL.len(), "each fault is there for some law");
}

#[test]
fn each_law_can_fail_and_its_counterexample_is_found() {
    for law in Law::ALL {
        for fault in law.faults() {
            let quick = CONFIGS.iter().filter(|config| config.depth == Depth::Quick);
            let found = quick.into_iter().find_map(|config| Some((config, hunt(config, *fault, *law, 30_000)?)));
            let Some((config, violation)) = found else { panic!("{fault:?} does not break {law:?}") };
            println!("{law:?} {fault:?}: {} steps in {}", violation.steps, config.name);
        }
    }
}

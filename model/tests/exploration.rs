//! Every reachable state of every quick configuration, and that each law can fail.
#![cfg(feature = "check")]

use std::collections::BTreeSet;

use shieldable_model::explore::{CONFIGS, Concept, Depth, Law, SITUATIONS, check, hunt};

#[test]
fn all_laws_hold_in_every_state_of_the_quick_configurations() {
    let mut reached = BTreeSet::new();
    for config in CONFIGS.iter().filter(|config| config.depth == Depth::Quick) {
        let report = check(config, 2, &mut |_, _, _| ());
        println!(
            "{:40} {:?} {:9} {:9} {:4} {} {:?}",
            config.name, config.grain, report.states, report.transitions, report.depth, report.symmetries, report.time
        );
        let broken: Vec<_> = report.violations.iter().map(|violation| violation.timeline.as_str()).collect();
        assert!(broken.is_empty(), "{}\n{}", config.name, broken.concat());
        reached.extend(report.situations);
    }
    let never: Vec<_> = SITUATIONS.iter().map(|s| s.name).filter(|name| !reached.contains(name)).collect();
    assert!(never.is_empty(), "never reached: {never:?}");
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

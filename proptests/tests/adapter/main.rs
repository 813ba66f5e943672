//! Spawning, joining and time on real tokio: every script of each family below, beside what SPEC.md promises.
//!
//! A script is what one caller does to one spawned task, on a runtime of one thread whose clock is paused. All of its
//! beginnings are scripts, too, and the runtime ends after each. Loom and shuttle have no tokio, so nothing else goes
//! through all cases of `src/tokio/`.

mod expected;
mod real;
mod script;

use std::fmt::Write;

use expected::Expected;
use script::{Case, Limit, Op, Seen, Shield, Spawner, Work};

/// Bodies, each with every script of these operations up to a length.
struct Family {
    cases: Vec<Case>,
    operations: &'static [Op],
    length: usize,
}

/// The scripts of one family that were run so far.
struct Run<'a> {
    family: &'a Family,
    scripts: u64,
}

impl Family {
    /// `scripts` is how many there are, so that none goes missing unnoticed.
    fn all(&self, scripts: u64) {
        let mut run = Run { family: self, scripts: 0 };
        // The shortest first, so that what is reported is one of the shortest.
        for length in 0..=self.length {
            for &case in &self.cases {
                let state = Expected::new(case);
                run.go_on(case, length, &state, &mut Vec::new(), &mut vec![state.seen(None)]);
            }
        }
        println!(
            "adapter: {} scripts: {} bodies, up to {} of {} operations",
            run.scripts,
            self.cases.len(),
            self.length,
            self.operations.len(),
        );
        assert_eq!(run.scripts, scripts, "something is missing");
    }
}

impl Run<'_> {
    /// All scripts that begin with this one and are longer by `left`.
    fn go_on(&mut self, case: Case, left: usize, state: &Expected, script: &mut Vec<Op>, expected: &mut Vec<Seen>) {
        if left == 0 {
            self.scripts += 1;
            expected.push(state.clone().after_the_runtime());
            let observed = real::run(case, script);
            assert!(observed == *expected, "{}", self.difference(case, script, &observed, expected));
            expected.pop();
            return;
        }
        for &op in self.family.operations.iter().filter(|&&op| state.allows(op)) {
            let mut next = state.clone();
            let answer = next.apply(op);
            script.push(op);
            expected.push(next.seen(answer));
            self.go_on(case, left - 1, &next, script, expected);
            expected.pop();
            script.pop();
        }
    }

    /// The script, step by step, to the first step at which the two differ.
    fn difference(&self, case: Case, script: &[Op], observed: &[Seen], expected: &[Seen]) -> String {
        let mut text = format!("noticed after {} scripts: {case:?}\n", self.scripts);
        for (step, (observed, expected)) in observed.iter().zip(expected).enumerate() {
            let what = match step.checked_sub(1) {
                None => "spawned".to_owned(),
                Some(step) => script.get(step).map_or("the runtime ends".to_owned(), |op| format!("{op:?}")),
            };
            let _ = writeln!(text, "{what}\n    {observed:?}");
            if observed != expected {
                let _ = writeln!(text, "but this was expected:\n    {expected:?}");
                break;
            }
        }
        text
    }
}

const WORKS: [Work; 9] = [
    Work::Returns,
    Work::Yields,
    Work::Sleeps(1),
    Work::Sleeps(2),
    Work::IsNotified,
    Work::Never,
    Work::IsBusy,
    Work::Panics,
    Work::PanicsWhenDropped,
];
const SHIELDS: [Shield; 3] = [Shield::None, Shield::Inside, Shield::Around];

/// All but the leap, which is for the longest limit.
const OPERATIONS: [Op; 10] = [
    Op::Turn,
    Op::Tick,
    Op::Notify,
    Op::Cancel,
    Op::Abort,
    Op::CancelOnDrop,
    Op::Detach,
    Op::CancelAndJoin,
    Op::Join,
    Op::Drop,
];

/// With every shield, every work, and with and without a tail.
fn cases(spawners: &[Spawner], limits: &[Limit], clocks: &[bool]) -> Vec<Case> {
    let mut cases = Vec::new();
    for &spawner in spawners {
        for &limit in limits {
            for &between in clocks {
                for shield in SHIELDS {
                    for work in WORKS {
                        let tails: &[bool] = if work.may_end() { &[false, true] } else { &[false] };
                        cases.extend(tails.iter().map(|&tail| Case { spawner, limit, shield, work, tail, between }));
                    }
                }
            }
        }
    }
    cases
}

/// TSK-5, TSK-6, TSK-7, TSK-8
#[test]
fn what_the_caller_does_with_the_join_handle() {
    let cases = cases(&[Spawner::Spawn], &[Limit::None], &[false]);
    Family { cases, operations: &OPERATIONS, length: 4 }.all(108_624);
}

/// TMO-2, TMO-3, TMO-5, TMO-8, TMO-9
#[test]
fn deadlines() {
    let limits = [Limit::Past, Limit::Zero, Limit::Ticks(1), Limit::Ticks(2), Limit::FromSpawn(1), Limit::Longest];
    let cases = cases(&[Spawner::Spawn], &limits, &[false, true]);
    Family { cases, operations: &[Op::Turn, Op::Tick, Op::Leap, Op::Notify, Op::Cancel], length: 4 }.all(91_740);
}

/// TSK-4: wherever it is spawned from.
#[test]
fn ways_to_spawn() {
    let spawners = [Spawner::SpawnOn, Spawner::SpawnLocal, Spawner::InAShieldedTask];
    let cases = cases(&spawners, &[Limit::None, Limit::Zero, Limit::Ticks(1)], &[false]);
    Family { cases, operations: &OPERATIONS, length: 2 }.all(24_732);
}

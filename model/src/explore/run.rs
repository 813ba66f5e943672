//! Runs explorations and says what came out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model as Checked, Path};

use crate::explore::configs::Config;
use crate::explore::projection::Projection;
use crate::explore::properties::Law;
use crate::explore::situations::SITUATIONS;
use crate::explore::world::{Action, Explored, Noticed, World};
use crate::fault::Fault;
use crate::program::MAX_LANES;
use crate::timeline::Timeline;
use crate::trace::Coverage;

/// A law that was broken, and how.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The law.
    pub law: Law,
    /// Steps that lead there.
    pub steps: usize,
    /// The program and what happened, one column a thread.
    pub timeline: String,
}

/// What an exploration found.
#[derive(Clone, Debug)]
pub struct Report {
    /// Different states, up to symmetry.
    pub states: usize,
    /// Steps taken, to known states too.
    pub transitions: usize,
    /// The longest way taken.
    pub depth: usize,
    /// Ways for tasks to change places, this one included.
    pub symmetries: usize,
    /// How long it took.
    pub time: Duration,
    /// Situations that were reached.
    pub situations: BTreeSet<&'static str>,
    /// Clauses that were gone through.
    pub coverage: Coverage,
    /// What is drawn of the states.
    pub projection: Projection,
    /// Laws that do not hold.
    pub violations: Vec<Violation>,
}

/// Explores all that the configuration can do. `progress` is told states, transitions and depth now and then.
pub fn check(config: &Config, threads: usize, progress: &mut dyn FnMut(usize, usize, usize)) -> Report {
    let explored = explored(config, None, None);
    let start = Instant::now();
    let mut checker = explored
        .checker()
        .threads(threads)
        .symmetry_fn(World::representative)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_dfs();
    let handles = checker.handles();
    let pause = Duration::from_millis(20);
    while handles.iter().any(|handle| !handle.is_finished()) {
        std::thread::sleep(pause);
        progress(checker.unique_state_count(), checker.state_count(), checker.max_depth());
    }
    for handle in handles {
        handle.join().expect("the checker does not panic");
    }
    let names: BTreeMap<&str, Law> = Law::ALL.iter().map(|law| (law.name(), *law)).collect();
    let discoveries = checker.discoveries();
    let violations = discoveries.iter().filter_map(|(name, path)| {
        let law = *names.get(name)?;
        Some(violation(&explored, law, path.clone()))
    });
    Report {
        violations: violations.collect(),
        states: checker.unique_state_count(),
        transitions: checker.state_count() - 1,
        depth: checker.max_depth() - 1,
        symmetries: explored.symmetries(),
        time: start.elapsed(),
        situations: SITUATIONS.iter().map(|s| s.name).filter(|name| discoveries.contains_key(name)).collect(),
        coverage: explored.coverage(),
        projection: explored.projection(),
    }
}

/// A shortest way to break the law in that configuration with that fault, if there is one.
pub fn hunt(config: &Config, fault: Fault, law: Law, max_states: usize) -> Option<Violation> {
    let explored = explored(config, Some(fault), Some(law));
    let checker = explored
        .checker()
        .finish_when(HasDiscoveries::AnyOf(BTreeSet::from([law.name()])))
        .target_state_count(max_states)
        .spawn_bfs()
        .join();
    let path = checker.discovery(law.name())?;
    Some(violation(&explored, law, path))
}

/// The configuration as a model for stateright.
pub fn explored(config: &Config, fault: Option<Fault>, only: Option<Law>) -> Explored {
    let program = config.program();
    assert!(program.lanes().len() <= MAX_LANES);
    Explored::new(&program, config.grain, config.spurious, fault, only)
}

fn violation(explored: &Explored, law: Law, path: Path<World, Action>) -> Violation {
    let steps: Vec<(World, Option<Action>)> = path.into_vec();
    let mut timeline = Timeline::of_tasks(explored.program());
    for (world, action) in &steps {
        let Some(action) = action else { continue };
        let mut seen = Vec::new();
        explored.advance(world, *action, &mut seen);
        for seen in seen {
            match seen {
                Noticed::Event(event) => timeline.event(event),
                Noticed::Wake(waker) => timeline.wake(waker),
            }
        }
    }
    let steps = steps.len() - 1;
    let timeline = format!("{}\n{timeline}\nbroken: {}\n", explored.program(), law.name());
    Violation { law, steps, timeline }
}

//! All programs of a family, in all schedules up to a length, without randomness.
//!
//! A family is a text with holes, which are the bodies, and the operations that the outside may do. Every filling of
//! the holes is run with every sequence of that many outside operations: in lockstep there is one lane, so the
//! sequences are the schedules. Shorter ones are their beginnings. How long they are scales with `PROPTEST_CASES`.

use std::sync::Arc;

use shieldable_model::{Begin, Builder, Choices, Coverage, FiberId, Kind, LaneId, MAX_LOCALS, Op, Program, Seed};

use crate::lockstep::{Failure, Lockstep};
use crate::scale::scaled;

/// Programs that have something in common.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Fibers, with holes: names in angle brackets.
    pub bodies: &'static str,
    /// What each hole is filled with.
    pub holes: &'static [(&'static str, &'static [&'static str])],
    /// What may be done outside.
    pub outside: &'static [&'static str],
    /// How often, by default.
    pub length: u32,
}

/// What was run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extent {
    /// Different bodies.
    pub bodies: u64,
    /// Operations of a schedule.
    pub length: u32,
    /// Bodies and schedules.
    pub programs: u64,
    /// Operations from outside.
    pub steps: u64,
    /// Operations altogether.
    pub operations: u64,
    /// The clauses that decided something.
    pub coverage: Coverage,
}

impl Family {
    /// The longest schedules of which there are not more than [`scaled`] allows: with 7 operations from outside, one
    /// operation more at 7 times the default, and one less at anything below it.
    fn scaled_length(&self) -> u32 {
        let outside = self.outside.len() as u64;
        scaled(outside.pow(self.length)).ilog(outside).max(1)
    }

    /// Runs all of them.
    ///
    /// # Errors
    ///
    /// The first difference.
    pub fn run(&self) -> Result<Extent, Box<Failure>> {
        let mut lockstep = Lockstep::new();
        let mut bodies = 0;
        let length = self.scaled_length();
        self.for_each_filling(self.bodies, &mut |text| {
            bodies += 1;
            self.run_schedules(&mut lockstep, text, length as usize)
        })?;
        Ok(Extent {
            bodies,
            length,
            programs: lockstep.programs(),
            steps: lockstep.steps(),
            operations: lockstep.operations(),
            coverage: lockstep.coverage(),
        })
    }

    /// One of them, with a schedule of another length.
    pub fn sample(&self, length: usize, choices: &mut impl Choices) -> Program {
        let mut bodies = String::new();
        let mut rest = self.bodies;
        while let Some((before, name, after)) = hole(rest) {
            let fillings = self.fillings(name);
            bodies += before;
            bodies += fillings[choices.pick(fillings.len())];
            rest = after;
        }
        bodies += rest;
        let (template, outside) = self.template(&bodies);
        // A lane holds so much and no more.
        let mut room = MAX_LOCALS;
        let schedule = (0..length).map(|_| match outside[choices.pick(outside.len())] {
            Op::TryLock(_) if room == 0 => outside[0],
            Op::TryLock(lock) => {
                room -= 1;
                Op::TryLock(lock)
            }
            op => op,
        });
        with_lane(&template, schedule)
    }

    fn fillings(&self, name: &str) -> &'static [&'static str] {
        self.holes.iter().find(|hole| hole.0 == name).expect("every hole can be filled").1
    }

    /// The bodies as a program, and what the outside may do to it.
    fn template(&self, bodies: &str) -> (Program, Vec<Op>) {
        let text = format!("{bodies} thread {{ {} }}", self.outside.join(" "));
        let template: Program = text.parse().unwrap_or_else(|error| panic!("{error} in {text}"));
        let outside = template.lane(LaneId(0)).map(|op| template.op(op)).collect();
        (template, outside)
    }

    fn for_each_filling(
        &self,
        text: &str,
        found: &mut impl FnMut(&str) -> Result<(), Box<Failure>>,
    ) -> Result<(), Box<Failure>> {
        let Some((before, name, after)) = hole(text) else { return found(text) };
        for filling in self.fillings(name) {
            self.for_each_filling(&format!("{before}{filling}{after}"), found)?;
        }
        Ok(())
    }

    fn run_schedules(&self, lockstep: &mut Lockstep, bodies: &str, length: usize) -> Result<(), Box<Failure>> {
        let (template, outside) = self.template(bodies);
        let mut schedule = vec![0; length];
        loop {
            let program = Arc::new(with_lane(&template, schedule.iter().map(|at| outside[*at])));
            lockstep.run(&program, &mut Seed(0))?;
            let Some(at) = (0..length).rev().find(|at| schedule[*at] + 1 < outside.len()) else { return Ok(()) };
            schedule[at] += 1;
            schedule[at + 1..].fill(0);
        }
    }
}

/// The first hole of a text: what is before it, its name, what is after it.
pub fn hole(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('<')?;
    let (name, after) = rest.split_once('>')?;
    Some((before, name, after))
}

/// The fibers of a program, and one lane.
fn with_lane(template: &Program, lane: impl Iterator<Item = Op>) -> Program {
    fn block(template: &Program, fiber: FiberId, builder: &mut Builder) {
        let add = |op: Op, builder: &mut Builder| match op.creates() {
            Some(inner) => {
                let how = if matches!(op, Op::Let(_)) { Begin::Let } else { Begin::Await };
                let it = template.fiber(inner);
                builder.begin_inline(how, it.kind, it.number);
                block(template, inner, builder);
                builder.end();
            }
            None => builder.op(op),
        };
        for op in template.body(fiber) {
            add(template.op(op), builder);
        }
        if template.destructor(fiber).next().is_some() {
            builder.begin_destructor();
            for op in template.destructor(fiber) {
                add(template.op(op), builder);
            }
        }
    }

    let mut builder = Builder::new();
    for fiber in template.fibers().filter(|fiber| !template.fiber(*fiber).inline) {
        let it = template.fiber(fiber);
        debug_assert!(it.kind != Kind::Lane);
        builder.begin(it.kind, it.number);
        block(template, fiber, &mut builder);
        builder.end();
    }
    builder.begin_lane();
    lane.for_each(|op| builder.op(op));
    builder.end();
    builder.finish().expect("what was a program with one lane is one with another")
}

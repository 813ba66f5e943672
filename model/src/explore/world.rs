//! A program as a model for stateright.

use std::fmt;
use std::hash::{Hash, Hasher};

use stateright::{Model as Checked, Property};

use crate::explore::configs::Grain;
use crate::explore::monitor::{Change, Within};
use crate::explore::obligations::{Held, broken_laws, left_undone, measure};
use crate::explore::projection::{Collected, Projection};
use crate::explore::properties::Law;
use crate::explore::situations::SITUATIONS;
use crate::explore::symmetry::{Permutation, permutations, representative};
use crate::fault::Fault;
use crate::history::Event;
use crate::history::Seen;
use crate::machine::Micro;
use crate::model::Model;
use crate::program::{LaneId, MAX_FIBERS, Op, Program};
use crate::state::{Phase, State};
use crate::trace::{Coverage, Trace, Waker};

/// What does not change while a program is explored. Leaked: there are few, and states point to it.
pub struct Setup {
    pub(crate) program: Program,
    pub(crate) fault: Option<Fault>,
    pub(crate) grain: Grain,
    spurious: u8,
    /// The laws that count, as bits.
    watched: u32,
    permutations: Vec<Permutation>,
    collected: Collected,
}

/// A state, and what the properties need to know of how it came about.
#[derive(Clone)]
pub struct World {
    setup: &'static Setup,
    /// The state of the model.
    pub state: State,
    within: Within,
    /// Polls of sleeping tasks that may still happen.
    spurious: u8,
    /// Laws that the last step has broken.
    broken: u32,
}

/// Something that happens in a step.
pub(crate) enum Noticed {
    Event(Event),
    Wake(Waker),
}

/// A step of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Action {
    /// Who moves.
    pub lane: LaneId,
    /// Which of the successors that the spec allows.
    pub choice: u8,
    /// A poll without a wake.
    pub spurious: bool,
}

/// A program under exploration.
#[derive(Clone, Copy)]
pub struct Explored(&'static Setup);

impl Explored {
    /// The program, with a fault or none. With `only`, other laws may be broken.
    pub fn new(program: &Program, grain: Grain, spurious: u8, fault: Option<Fault>, only: Option<Law>) -> Self {
        Self(Box::leak(Box::new(Setup {
            permutations: permutations(program),
            program: program.clone(),
            fault,
            grain,
            spurious,
            watched: only.map_or(u32::MAX, Law::bit),
            collected: Collected::new(),
        })))
    }

    /// The program.
    pub fn program(&self) -> &'static Program {
        &self.0.program
    }

    /// How many ways there are to change places.
    pub fn symmetries(&self) -> usize {
        self.0.permutations.len() + 1
    }

    /// The clauses that some step went through so far.
    pub fn coverage(&self) -> Coverage {
        self.0.collected.coverage()
    }

    /// What is drawn of the states seen so far.
    pub fn projection(&self) -> Projection {
        self.0.collected.projection(&self.0.program)
    }

    fn model(&self) -> Model<'static> {
        Model::broken(&self.0.program, self.0.fault)
    }

    /// Moves, and tells what was seen.
    pub(crate) fn advance(&self, world: &World, action: Action, seen: &mut Vec<Noticed>) -> World {
        let model = self.model();
        let mut next = world.clone();
        let mut trace = Trace::new();
        let lane = action.lane;
        next.spurious -= u8::from(action.spurious);
        if next.state.is_idle(lane) && !next.state.is_called(lane) {
            if let Some(op) = model.next_op(&next.state, lane) {
                seen.push(Noticed::Event(Event { lane, seen: Seen::Call(op) }));
                next.state.set_called(lane);
            }
        }
        let mut held = Held::count(&self.0.program, &next.state);
        let mut choice = action.choice;
        loop {
            let before = next.state;
            let micro = model.micro(&mut next.state, lane, choice, &mut trace);
            choice = 0;
            let marks = std::mem::take(&mut trace.coverage);
            self.0.collected.step(&self.0.program, &before, &next.state, lane, marks);
            // What is silent changes nothing that a law is about.
            if micro != Micro::Silent {
                let after = Held::count(&self.0.program, &next.state);
                let change = Change {
                    program: &self.0.program,
                    before: &before,
                    after: &next.state,
                    held_before: &held,
                    lane,
                    micro,
                };
                next.broken |= change.broken_laws(&next.within);
                next.within = change.within(next.within, &after);
                held = after;
                next.broken |= broken_laws(&self.0.program, &next.state, &held);
                next.broken &= self.0.watched;
            }
            if let Micro::Returned(op, ret) = micro {
                seen.push(Noticed::Event(Event { lane, seen: Seen::Return(op, ret) }));
            }
            seen.extend(trace.wakes.drain(..).map(Noticed::Wake));
            let over = !next.state.is_called(lane) && model.next_op(&next.state, lane).is_some()
                || model.is_over(&next.state, lane);
            if over || next.broken != 0 || (self.0.grain == Grain::Step && micro != Micro::Silent) {
                break;
            }
        }
        if self.0.grain == Grain::Poll && next.broken == 0 {
            let program = &self.0.program;
            if measure(program, &next.state, next.spurious) >= measure(program, &world.state, world.spurious) {
                next.broken |= Law::Measure.bit() & self.0.watched;
            }
        }
        next
    }

    /// Whether nobody can go on, spurious polls aside.
    fn is_stuck(&self, world: &World) -> bool {
        let model = self.model();
        self.0.program.lanes().all(|lane| world.state.is_idle(lane) && !model.is_enabled(&world.state, lane))
    }
}

impl World {
    /// Whether the step that led here broke the law.
    pub fn breaks(&self, law: Law) -> bool {
        self.broken & law.bit() != 0
    }

    /// All the laws broken by the step that led here.
    pub fn broken(&self) -> impl Iterator<Item = Law> + '_ {
        Law::ALL.iter().copied().filter(|law| self.breaks(*law))
    }

    /// The one of all worlds that differ in places only.
    pub fn representative(&self) -> World {
        let (state, within) = representative(&self.setup.program, &self.setup.permutations, &self.state, &self.within);
        World { state, within, ..self.clone() }
    }
}

impl Checked for Explored {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            setup: self.0,
            state: State::new(&self.0.program),
            within: [None; MAX_FIBERS],
            spurious: self.0.spurious,
            broken: 0,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.broken != 0 {
            return;
        }
        let model = self.model();
        let mut state = world.state;
        for lane in self.0.program.lanes() {
            let go = |choice, spurious| Action { lane, choice, spurious };
            let idle = state.is_idle(lane) && !state.is_called(lane);
            if !idle || model.is_enabled(&state, lane) {
                let choices = if idle { 1 } else { model.choices(&mut state, lane) };
                actions.extend((0..choices).map(|choice| go(choice, false)));
            } else if world.spurious > 0 {
                if let Some(Op::Run(fiber, _)) = model.next_op(&state, lane).map(|op| self.0.program.op(op)) {
                    if state.phase(fiber) == Phase::Live {
                        actions.push(go(0, true));
                    }
                }
            }
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = self.advance(world, action, &mut Vec::new());
        if next.broken == 0 && self.is_stuck(&next) {
            let held = Held::count(&self.0.program, &next.state);
            if left_undone(&self.0.program, &next.state, &held) {
                next.broken |= Law::Terminal.bit() & self.0.watched;
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let laws = LAWS.iter().map(|(law, holds)| Property::always(law.name(), *holds));
        let situations = SITUATIONS.iter().map(|situation| Property::sometimes(situation.name, situation.check));
        laws.chain(situations).collect()
    }

    fn format_action(&self, action: &Action) -> String {
        let spurious = if action.spurious { ", not woken" } else { "" };
        let choice = if action.choice > 0 { ", other choice" } else { "" };
        format!("thread {}{spurious}{choice}", action.lane.0)
    }

    fn format_step(&self, world: &World, action: Action) -> Option<String> {
        let mut seen = Vec::new();
        let next = self.advance(world, action, &mut seen);
        let seen: Vec<String> = seen
            .iter()
            .map(|noticed| match noticed {
                Noticed::Event(event) => self.0.program.seen_text(event.seen),
                Noticed::Wake(waker) => format!("wakes {}", self.0.program.name(waker.fiber)),
            })
            .collect();
        Some(format!("{}\n\n{next:?}", seen.join("\n")))
    }
}

fn holds<const LAW: usize>(_: &Explored, world: &World) -> bool {
    world.broken & (1 << LAW) == 0
}

/// Each law with its own function: stateright wants function pointers.
macro_rules! law_functions {
    ($($index:literal)+) => {
        const LAWS: &[(Law, fn(&Explored, &World) -> bool)] = &[$((Law::ALL[$index], holds::<$index>)),+];
    };
}

law_functions! { 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 }
const _: () = assert!(LAWS.len() == Law::ALL.len(), "every law has its function");

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        (&self.state, self.within, self.spurious, self.broken)
            == (&other.state, other.within, other.spurious, other.broken)
    }
}

impl Eq for World {}

impl Hash for World {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        // One word: the hashers of the checker are slow on many small fields.
        use std::hash::{BuildHasher, BuildHasherDefault};
        let key = (&self.state, self.within, self.spurious, self.broken);
        hasher.write_u64(BuildHasherDefault::<crate::hash::Fold>::default().hash_one(key));
    }
}

/// For people: what each fiber and lock is, in a line.
impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = &self.setup.program;
        for fiber in program.fibers().filter(|fiber| self.state.phase(*fiber) != Phase::Unborn) {
            let it = self.state.fiber(fiber);
            write!(f, "{}: {:?}", program.name(fiber), it.phase)?;
            if program.kind(fiber).is_scope() {
                write!(f, ", {} requests, {} shields", it.requests, it.open)?;
            }
            if it.woken && it.present {
                write!(f, ", woken")?;
            }
            if let Some(outcome) = it.outcome {
                write!(f, ", {outcome}")?;
            }
            writeln!(f)?;
        }
        for (index, lock) in self.state.locks.iter().enumerate().filter(|(_, lock)| lock.depth > 0) {
            writeln!(f, "{}: {} held, {} wait", crate::LockId(index as u8), lock.depth, lock.queue.len())?;
        }
        for law in self.broken() {
            writeln!(f, "BROKEN: {}", law.name())?;
        }
        Ok(())
    }
}

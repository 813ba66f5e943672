//! The programs that are run, and what is to happen in them.

use shieldable_model::{
    Alphabet, Choices, Event, Grammar, Kind, Op, OpId, Outcome, Program, Ret, Seed, Seen, Shape, Style,
};
use shieldable_proptests::exhaustive::hole;
use shieldable_proptests::scale::seed;

use crate::stage::Run;

const fn of(tasks: u8, outside: u8, alphabet: Alphabet) -> Shape {
    Shape { tasks, style: Style::Executor { outside }, alphabet, ..Shape::THREADS }
}

/// Groups of operations together.
const fn all(groups: &[Alphabet]) -> Alphabet {
    let mut all = 0;
    let mut at = 0;
    while at < groups.len() {
        all |= groups[at].0;
        at += 1;
    }
    Alphabet(all)
}

/// Where the programs of a flavour come from.
pub enum Source {
    /// Random programs.
    Random(Shape),
    /// A text with holes, filled at random.
    Filled(&'static str, &'static [(&'static str, &'static [&'static str])]),
}

impl Source {
    /// So many programs; the same ones every time, for a seed.
    pub fn programs(&self, count: u64) -> Vec<Program> {
        match self {
            Source::Random(shape) => {
                let grammar = Grammar::new(*shape);
                (0..count).map(|number| grammar.generate(&mut Seed(seed() ^ number))).collect()
            }
            Source::Filled(text, holes) => {
                (0..count).map(|number| filled(text, holes, &mut Seed(seed() ^ number))).collect()
            }
        }
    }
}

fn filled(text: &str, holes: &[(&str, &[&str])], random: &mut Seed) -> Program {
    let mut program = String::new();
    let mut rest = text;
    while let Some((before, name, after)) = hole(rest) {
        let (_, fillings) = holes.iter().find(|hole| hole.0 == name).expect("every hole can be filled");
        program += before;
        program += fillings[random.pick(fillings.len())];
        rest = after;
    }
    program += rest;
    program.parse().unwrap_or_else(|error| panic!("{error} in {program}"))
}

pub const FLAVOURS: &[(&str, Source)] = &[
    ("everything", Source::Random(of(3, 2, Alphabet::ALL))),
    (
        "everything, polled by others too",
        Source::Random(Shape { style: Style::Threads { outside: 1 }, ..of(2, 1, Alphabet::ALL) }),
    ),
    ("requests, shields and scopes", Source::Random(of(2, 2, Shape::CANCEL.alphabet))),
    (
        "deadlines",
        Source::Random(of(2, 1, all(&[Alphabet::TIMEOUTS, Alphabet::SHIELDS, Alphabet::SCOPES, Alphabet::CANCELS]))),
    ),
    ("locks and waiters", Source::Random(Shape { ops: 6, ..of(3, 1, Shape::LOCKS.alphabet) })),
    (
        "acquisitions that move between tasks",
        Source::Filled(
            "task t0 { lock r0 <held> } task t1 { let lock r0 poll put s0 <wait> <last> }
             task t2 { <wait> take s0 <ask> } task t3 { lock r0 }
             thread { run t0 } thread { run t1 } thread { run t2 } thread { run t3 } thread { <outside> }",
            &[
                ("held", &["yield yield yield", "yield yield take s0 poll yield", "unlock r0 yield lock r0 yield"]),
                ("wait", &["", "yield", "yield yield", "yield yield yield yield"]),
                ("last", &["suspend", "lock r0"]),
                ("ask", &["await", "poll yield poll"]),
                ("outside", &["cancel t2", "cancel t3", "drop s0", "drop t1", "drop t2"]),
            ],
        ),
    ),
    (
        // The first lane alone sees to it that one of the queue is handed the lock while another of its task still
        // sleeps there: how the workers are scheduled does not decide whether that is seen.
        "several acquisitions of one task in one queue",
        Source::Filled(
            "task t0 { lock r0 <held> } task t1 { let lock r0 poll put s0 let lock r0 poll put s1 <wait> <first> <second> }
             task t2 { lock r0 }
             thread { poll t0 poll t1 drop t0 run t1 } thread { run t2 } thread { <outside> }",
            &[
                ("held", &["suspend", "yield", "lock r0 suspend"]),
                ("wait", &["yield", "suspend", "lock r0"]),
                ("first", &["take s0 await", "take s0 poll", "drop s0"]),
                ("second", &["take s1 await", "take s1 poll yield poll", "lock r0"]),
                ("outside", &["drop s0", "drop s1", "cancel t1", "drop t1", "drop t0", "poll t1"]),
            ],
        ),
    ),
    (
        "inner scopes that move between tasks, or whose guards do",
        Source::Filled(
            "task t0 { let scope c0 { <shield> <wait> <wait> } poll <around> } task t1 { <wait> take s0 <ask> yield }
             thread { run t0 } thread { run t1 } thread { <outside> } thread { <outside> <outside> }",
            &[
                ("shield", &["enter", "enter put s1"]),
                ("wait", &["", "yield", "suspend"]),
                ("around", &["put s0 suspend", "put s0 scope c1 { suspend }", "await"]),
                ("ask", &["await", "poll"]),
                ("outside", &["cancel t0", "cancel t1", "cancel c0", "drop s1"]),
            ],
        ),
    ),
];

/// Something to happen in a run.
type What = (&'static str, fn(&Program, &Run) -> bool);

pub const EVENTS: &[What] = &[
    ("a task runs inside a task", |p, r| {
        returns(r).any(|(op, _)| p.kind(p.owner(op)) == Kind::Task && p.fiber(p.owner(op)).inline)
    }),
    ("a guard or a future goes from one to another", |p, r| {
        let put = |slot, by| returns(r).any(|(op, _)| p.op(op) == Op::Put(slot) && p.owner(op) != by);
        returns(r).any(|(op, ret)| {
            let Op::Take(slot) = p.op(op) else { return false };
            ret == Ret::Unit && put(slot, p.owner(op))
        })
    }),
    ("a task is dropped by name", |p, r| {
        returns(r).any(|(op, ret)| matches!(p.op(op), Op::Drop(_)) && ret == Ret::Unit)
    }),
    ("a task is dropped by tokio, for it was aborted", |_, r| r.aborted > 0),
    ("a task is polled by others too", |p, r| {
        returns(r).any(|(op, ret)| matches!(p.op(op), Op::Poll(..)) && ret == Ret::Pending)
    }),
    ("a panic goes through a task", |_, r| returns(r).any(|(_, ret)| ret == Ret::Panicked)),
    ("a destructor cancels", |p, r| {
        let in_destructor = |op| p.destructor(p.owner(op)).any(|other| other == op);
        returns(r).any(|(op, ret)| matches!(p.op(op), Op::Cancel(_)) && ret == Ret::Flag(true) && in_destructor(op))
    }),
    ("a deadline passes in time", |_, r| returns(r).any(|(_, ret)| ret == Ret::Ready(Outcome::Elapsed))),
    ("a request is delivered", |_, r| returns(r).any(|(_, ret)| ret == Ret::Ready(Outcome::Cancelled))),
];

fn returns(run: &Run) -> impl Iterator<Item = (OpId, Ret)> + '_ {
    run.history.events.iter().filter_map(|Event { seen, .. }| match seen {
        Seen::Return(op, ret) => Some((*op, *ret)),
        Seen::Call(_) => None,
    })
}

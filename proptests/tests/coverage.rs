//! What the random programs get to: every observable clause, and every situation that has broken a lock or a
//! cancellation somewhere, each not once by chance but often.

use std::sync::Arc;

use shieldable_model::{Alphabet, Clause, Coverage, FiberId, Grammar, Op, OpId, Program, Ret, Seed, Shape, exercised};
use shieldable_proptests::families;
use shieldable_proptests::lockstep::{Lockstep, Step};
use shieldable_proptests::scale::scaled;

/// Programs of each shape, and of the families, at the least; their seeds are their numbers, so that every run is the
/// same.
const PROGRAMS: u64 = 20_000;
const SHAPES: [Shape; 5] =
    [Shape::MIXED, Shape::CANCEL, Shape::LOCKS, Shape::MOVES, Shape { alphabet: Alphabet::ALL, ..Shape::THREADS }];
/// Of the schedules of the families.
const LENGTH: usize = 16;
/// In so many of all programs something must happen to count as exercised.
const OFTEN: usize = 25;

type Situation = (&'static str, fn(&Program, Step<'_>) -> bool);

const SITUATIONS: &[Situation] = &[
    ("a task is dropped before its first poll", |p, s| dropped(p, s).is_some_and(|t| s.before.waker(t).is_none())),
    ("a task is dropped out of an open shield", |p, s| dropped(p, s).is_some_and(|t| s.before.is_shielded(t))),
    ("a task is dropped between its wake and its poll", |p, s| {
        dropped(p, s).is_some_and(|t| s.before.is_woken(t) && s.before.waker(t).is_some())
    }),
    ("a task is dropped with a request pending", |p, s| dropped(p, s).is_some_and(|t| s.before.cancelling(t) > 0)),
    ("a drop frees a lock", |p, s| dropped(p, s).is_some() && frees_a_lock(p, s)),
    ("a drop hands a lock over", |p, s| dropped(p, s).is_some() && queue_shrinks(p, s) && !s.trace.wakes.is_empty()),
    ("a drop leaves a queue", |p, s| dropped(p, s).is_some() && queue_shrinks(p, s) && s.trace.wakes.is_empty()),
    ("a delivery frees a lock", |p, s| s.ret == Some(cancelled()) && frees_a_lock(p, s)),
    ("a delivery hands a lock over", |p, s| {
        s.ret == Some(cancelled()) && queue_shrinks(p, s) && !s.trace.wakes.is_empty()
    }),
    ("a poll without a wake", |p, s| polled(p, s).is_some_and(|(t, _)| !s.before.is_woken(t) && is_live(s, t))),
    ("a poll with another waker than the last", |p, s| {
        polled(p, s).is_some_and(|(t, version)| s.before.waker(t).is_some_and(|waker| waker.version != version))
    }),
    ("a poll after the end", |p, s| polled(p, s).is_some_and(|(t, _)| s.before.outcome(t).is_some())),
    ("a panic goes through a poll", |p, s| {
        polled(p, s).is_some_and(|(t, _)| is_live(s, t)) && s.ret == Some(Ret::Panicked)
    }),
    ("a panic goes through a drop", |_, s| matches!(s.op.zip(s.ret), Some((_, Ret::Panicked))) && is_drop(s)),
    ("a destructor cancels", |p, s| {
        in_destructor(p, s, |op, ret| matches!(op, Op::Cancel(_)) && ret == Ret::Flag(true))
    }),
    ("a destructor takes a request back", |p, s| in_destructor(p, s, |op, _| matches!(op, Op::Uncancel(_)))),
    ("a destructor opens a shield", |p, s| in_destructor(p, s, |op, ret| op == Op::Enter && ret == Ret::Unit)),
    ("a destructor takes a lock", |p, s| {
        in_destructor(p, s, |op, ret| matches!(op, Op::TryLock(_)) && ret == Ret::Unit)
    }),
    ("a destructor drops another task", |p, s| {
        in_destructor(p, s, |op, ret| matches!(op, Op::Drop(_)) && ret == Ret::Unit)
    }),
    ("a body polls another task", |p, s| {
        s.trace.returns.iter().any(|(op, ret)| {
            matches!(p.op(*op), Op::Poll(..)) && s.op != Some(*op) && matches!(ret, Ret::Pending | Ret::Ready(_))
        })
    }),
    ("several are woken in one step", |_, s| s.trace.wakes.len() > 1),
];

fn cancelled() -> Ret {
    Ret::Ready(shieldable_model::Outcome::Cancelled)
}

fn is_live(step: Step<'_>, fiber: FiberId) -> bool {
    step.before.is_present(fiber) && step.before.outcome(fiber).is_none()
}

/// The fiber that the lane dropped before its end.
fn dropped(program: &Program, step: Step<'_>) -> Option<FiberId> {
    match program.op(step.op?) {
        Op::Drop(fiber) if is_live(step, fiber) => Some(fiber),
        _ => None,
    }
}

fn polled(program: &Program, step: Step<'_>) -> Option<(FiberId, u8)> {
    match program.op(step.op?) {
        Op::Poll(fiber, version) if step.before.is_present(fiber) => Some((fiber, version)),
        _ => None,
    }
}

fn is_drop(step: Step<'_>) -> bool {
    step.trace.returns.last().is_some_and(|(op, _)| Some(*op) == step.op) && step.before != step.after
}

fn in_destructor(program: &Program, step: Step<'_>, of: impl Fn(Op, Ret) -> bool) -> bool {
    let is_in = |op: OpId| program.destructor(program.owner(op)).any(|other| other == op);
    step.trace.returns.iter().any(|(op, ret)| of(program.op(*op), *ret) && is_in(*op))
}

fn locks() -> impl Iterator<Item = shieldable_model::LockId> {
    (0..shieldable_model::MAX_LOCKS as u8).map(shieldable_model::LockId)
}

fn frees_a_lock(_: &Program, step: Step<'_>) -> bool {
    locks().any(|lock| step.before.is_locked(lock) && !step.after.is_locked(lock))
}

fn queue_shrinks(_: &Program, step: Step<'_>) -> bool {
    locks().any(|lock| step.after.queue_len(lock) < step.before.queue_len(lock))
}

#[test]
fn every_observable_clause_and_every_situation_is_met_often() {
    let mut clauses = vec![0; Clause::ALL.len()];
    let mut situations = vec![0; SITUATIONS.len()];
    let mut all = Coverage::default();
    let mut lockstep = Lockstep::new();
    let count = scaled(PROGRAMS).max(PROGRAMS);
    let grammars = SHAPES.map(Grammar::new);
    let of_shapes = grammars.iter().flat_map(|grammar| (0..count).map(|seed| grammar.generate(&mut Seed(seed))));
    let of_families = (0..count).map(|seed| {
        let family = seed as usize % families::ALL.len();
        families::ALL[family].sample(LENGTH, &mut Seed(seed))
    });
    for (seed, program) in of_shapes.chain(of_families).map(Arc::new).enumerate() {
        let mut met = vec![false; SITUATIONS.len()];
        let run = lockstep.run_watched(&program, &mut Seed(seed as u64), |program, step| {
            for (met, (_, holds)) in met.iter_mut().zip(SITUATIONS) {
                *met |= holds(program, step);
            }
        });
        if let Err(failure) = run {
            panic!("{}", failure.minimal());
        }
        let coverage = lockstep.take_coverage();
        coverage.iter().for_each(|clause| clauses[clause as usize] += 1);
        all.merge(coverage);
        situations.iter_mut().zip(met).for_each(|(count, met)| *count += usize::from(met));
    }

    let programs = lockstep.programs();
    let mut rare = Vec::new();
    println!("of {programs} programs, so many");
    let observable = Clause::ALL.iter().filter(|clause| clause.is_observable());
    let clauses = observable.map(|clause| (clause.id(), clauses[*clause as usize]));
    let situations = SITUATIONS.iter().map(|(name, _)| *name).zip(situations);
    let mut counts: Vec<_> = clauses.chain(situations).collect();
    counts.sort_by_key(|(_, count)| *count);
    for (name, count) in counts {
        println!("{count:>9} {name}");
        if count < OFTEN {
            rare.push(name);
        }
    }
    assert!(rare.is_empty(), "in less than {OFTEN} of {programs} programs: {rare:?}");
    exercised("lockstep", all).unwrap();
}

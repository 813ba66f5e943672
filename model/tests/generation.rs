//! Generated programs: valid, varied, able to shrink; and the judge, on histories that the model itself made.

use std::collections::HashSet;

use shieldable_model::{
    Alphabet, Bytes, Choices, Coverage, Fault, Grammar, History, Judge, Micro, Model, Order, Program, Ret, Seed, Seen,
    Shape, Trace, allows,
};

const SHAPES: [Shape; 5] = [Shape::MIXED, Shape::CANCEL, Shape::LOCKS, Shape::MOVES, Shape::THREADS];

#[test]
fn every_sequence_of_choices_is_a_program_that_reads_as_it_is_written() {
    for shape in SHAPES {
        let grammar = Grammar::new(shape);
        for seed in 0..2000 {
            let program = grammar.generate(&mut Seed(seed));
            assert_eq!(program.to_string().parse::<Program>().as_ref(), Ok(&program), "{program}");
        }
        grammar.generate(&mut Bytes(&[]));
        grammar.generate(&mut Bytes(&[255; 1000]));
    }
}

/// Found by the fuzz target `program_text`, and made smaller.
#[test]
fn choices_of_too_many_operations_are_a_shorter_program() {
    const CHOICES: &[u8] = &[
        0, 0, 0, 0, 6, 23, 0, 6, 0, 90, 0, 0, 0, 0, 0, 90, 0, 0, 0, 0, 0, 90, 0, 1, 0, 90, 0, 0, 0, 3, 0, 90, 0, 0, 0,
        3, 0, 23, 0, 6, 49, 0, 0, 90, 0, 0, 0, 0, 0, 90, 0, 0, 0, 3, 0, 90, 0, 0, 0, 3, 0, 23, 3, 0, 4, 0, 0, 0, 0, 0,
        0, 0, 0, 3, 2, 0, 0, 0, 0, 3, 1, 0, 0, 0, 23, 0, 0, 6, 23, 0, 0, 6, 23, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 3, 2, 0, 0, 0, 23, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 23, 0, 0, 6, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 3, 2, 0, 0, 0, 23, 0, 0, 6, 0, 0, 0, 0, 0, 0, 90, 0, 0, 0, 3, 0, 0, 0, 0, 0, 3, 2, 0, 0, 0,
        23, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 2, 0, 0, 0, 23, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 3, 2, 0, 0, 0, 3, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 2,
    ];
    let grammar = Grammar::new(Shape { locks: 2, ..Shape::MIXED });
    let shortest = grammar.generate(&mut Bytes(&[]));
    assert_eq!(grammar.generate(&mut Bytes(CHOICES)), shortest, "nothing is left to draw from");
    let longer = [CHOICES, &[1; 40]].concat();
    assert_ne!(grammar.generate(&mut Bytes(&longer)), shortest, "drawn from what is left");
}

#[test]
fn smaller_programs_are_smaller_programs() {
    let grammar = Grammar::new(Shape::MIXED);
    for seed in 0..300 {
        let program = grammar.generate(&mut Seed(seed));
        let size = |p: &Program| p.to_string().len();
        for smaller in program.smaller() {
            assert!(size(&smaller) < size(&program), "{program}\n{smaller}");
        }
        assert!(program.is_empty() || program.smaller().next().is_some());
    }
}

#[test]
fn programs_that_differ_in_names_only_have_one_canonical_form() {
    let one: Program = "task t3 { lock l1 } task t5 { enter } thread { drop s2 } thread { cancel t3 }".parse().unwrap();
    let other: Program =
        "task t0 { enter } task t1 { lock l0 } thread { cancel t1 } thread { drop s0 }".parse().unwrap();
    assert_eq!(one.canonical(), other.canonical());
    assert_eq!(one.canonical().canonical(), one.canonical());
}

#[test]
fn lockstep_runs_end_and_reach_the_observable_clauses() {
    let mut coverage = Coverage::default();
    for shape in SHAPES {
        let grammar = Grammar::new(shape);
        for seed in 0..20_000 {
            let program = grammar.generate(&mut Seed(seed));
            let model = Model::new(&program);
            let mut state = model.start();
            let mut trace = Trace::new();
            for lane in program.lanes() {
                for _ in 0..100 {
                    trace.clear();
                    if !model.is_enabled(&state, lane) || model.step(&mut state, lane, &mut trace).is_none() {
                        break;
                    }
                }
            }
            coverage.merge(trace.coverage);
        }
    }
    let missing: Vec<_> = coverage.missing().map(|clause| clause.id()).collect();
    println!("not reached: {missing:?}");
    assert!(missing.is_empty(), "not reached: {missing:?}");
}

/// A run of the program with lanes interleaved at random, none if it does not end.
fn record(model: &Model<'_>, seed: u64) -> Option<History> {
    let mut choices = Seed(seed);
    let mut state = model.start();
    let mut history = History::new();
    let mut trace = Trace::new();
    let lanes: Vec<_> = model.program().lanes().collect();
    let mut called = vec![false; lanes.len()];
    for _ in 0..400 {
        let ready: Vec<_> =
            lanes.iter().copied().filter(|lane| called[lane.index()] || model.is_enabled(&state, *lane)).collect();
        if ready.is_empty() {
            history.stuck = lanes.iter().any(|lane| !model.is_over(&state, *lane));
            history.end = Some(state.end(model.program()));
            return Some(history);
        }
        let lane = ready[choices.pick(ready.len())];
        if !called[lane.index()] {
            if let Some(op) = model.next_op(&state, lane) {
                history.call(lane, op);
                called[lane.index()] = true;
            }
        }
        trace.clear();
        if let Micro::Returned(op, ret) = model.advance(&mut state, lane, 0, &mut trace) {
            history.returned(lane, op, ret);
            if state.is_idle(lane) {
                called[lane.index()] = false;
            }
        }
    }
    None
}

#[test]
fn the_judge_allows_what_the_model_does_and_not_what_it_does_not() {
    let grammar = Grammar::new(Shape::THREADS);
    let (mut stuck, mut refused) = (0, 0);
    for seed in 0..2000 {
        let program = grammar.generate(&mut Seed(seed));
        let mut history = record(&Model::new(&program), seed).expect("runs of the spec end");
        stuck += usize::from(history.stuck);
        if let Err(mismatch) = allows(&program, &history) {
            panic!("{mismatch}");
        }
        let flip = history.events.iter_mut().rev().find_map(|event| match &mut event.seen {
            Seen::Return(_, Ret::Flag(flag)) => Some(flag),
            _ => None,
        });
        if let Some(flag) = flip {
            *flag = !*flag;
            refused += usize::from(allows(&program, &history).is_err());
        }
    }
    assert!(stuck > 50, "{stuck} runs were stuck");
    assert!(refused > 200, "{refused} wrong histories were refused");
}

#[test]
fn the_judge_finds_every_fault_in_some_random_run() {
    let alphabets = [
        Shape::THREADS.alphabet,
        Alphabet::LOCKS | Alphabet::RLOCKS | Alphabet::CANCELS | Alphabet::MOVES,
        Alphabet::WAITERS | Alphabet::CANCELS | Alphabet::MOVES,
        Alphabet::TIMEOUTS | Alphabet::SCOPES | Alphabet::SHIELDS | Alphabet::MOVES | Alphabet::CANCELS,
    ];
    // What is rare at random is written down, and run many times.
    let queue = "task t0 { lock l0; yield } task t1 { lock l0; yield } task t2 { lock l0; yield } \
                 thread { run t0 } thread { run t1 } thread { run t2 } thread { cancel t0; uncancel t0; uncancel t0 }";
    let mut programs: Vec<Program> = vec![queue.parse().expect("a program"); 500];
    for alphabet in alphabets {
        let grammar = Grammar::new(Shape { alphabet, ..Shape::THREADS });
        programs.extend((0..4000).map(|seed| grammar.generate(&mut Seed(seed))));
    }
    let mut missed = HashSet::new();
    // No caller sees a waker that is kept; the others take programs that are rare at random. The exploration has them
    // all.
    let rare =
        [Fault::EndKeepsWaker, Fault::CheckpointDoesNotWake, Fault::CloseElsewhereClosesTwo, Fault::TornIsForgotten];
    for fault in Fault::ALL.iter().filter(|fault| !rare.contains(fault)) {
        let found = programs.iter().enumerate().any(|(seed, program)| {
            let history = record(&Model::broken(program, Some(*fault)), seed as u64);
            history.is_none_or(|history| Judge::new(program, Order::RealTime).allows(&history).is_err())
        });
        if !found {
            missed.insert(fault);
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}

#[test]
fn a_mismatch_shows_program_timeline_and_what_was_allowed() {
    let program: Program =
        "task t0 { suspend } thread { poll t0; is_finished t0 } thread { cancel t0 }".parse().unwrap();
    let lanes: Vec<_> = program.lanes().collect();
    let ops: Vec<Vec<_>> = lanes.iter().map(|lane| program.lane(*lane).collect()).collect();
    let mut history = History::new();
    history.call(lanes[1], ops[1][0]);
    history.returned(lanes[1], ops[1][0], Ret::Flag(true));
    history.call(lanes[0], ops[0][0]);
    history.returned(lanes[0], ops[0][0], Ret::Pending);
    let mismatch = allows(&program, &history).expect_err("the request was there before the poll");
    let expected = "\
the spec does not allow this history of the program

task t0 { suspend }
thread { poll t0; is_finished t0 }
thread { cancel t0 }

thread 0          | thread 1
----------------- | ----------------
                  | cancel t0 ..
                  | cancel t0 = true
poll t0 ..        |
poll t0 = pending |

event 4 cannot be: thread 0 saw `poll t0 = pending`
    the spec allows `poll t0 = cancelled`
";
    assert_eq!(mismatch.to_string(), expected);
    assert!(Judge::new(&program, Order::PerLane).allows(&history).is_ok());
}

//! The reference count of the ordinary build, over the checker's atomics. All other models have their checker's own.

use std::sync::Arc as StdArc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::checker::atomic;
use crate::common::*;

#[path = "../../src/sync/counted.rs"]
#[allow(dead_code, reason = "the core compares references, too")]
mod counted;

use self::counted::{Arc, one, two};

pub const MODELS: &[Model] = &[
    model!(two_references_that_are_made_at_once_race_to_the_end: "the value is gone", "the other has it"),
    model!(a_reference_cloned_while_the_other_is_dropped_keeps_the_value: "the last one from the beginning", "one of two"),
    model!(the_last_of_three_references_drops_the_value: "the value is gone", "the others have it", "one other has it"),
];

/// To drop it is a write that loom compares with every other access.
struct Value {
    payload: Payload,
    dropped: StdArc<AtomicUsize>,
}

impl Value {
    fn new(dropped: &StdArc<AtomicUsize>) -> Self {
        Self { payload: Payload::new(7), dropped: dropped.clone() }
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.payload.bump();
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

fn use_and_drop(reference: Arc<Value>) {
    assert_eq!(reference.payload.get(), 7);
    call("drop the reference", || drop(reference));
}

fn two_references_that_are_made_at_once_race_to_the_end() {
    let dropped = StdArc::default();
    let (mine, others) = two(|| Value::new(&dropped));
    let other = spawn("other", move || use_and_drop(others));

    use_and_drop(mine);
    saw(if dropped.load(Ordering::Relaxed) == 1 { "the value is gone" } else { "the other has it" });
    other.join().unwrap();
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}

fn a_reference_cloned_while_the_other_is_dropped_keeps_the_value() {
    let dropped = StdArc::default();
    let (mine, others) = two(|| Value::new(&dropped));
    let done = Flag::default();
    let other = spawn("other", {
        let done = done.clone();
        move || {
            use_and_drop(others);
            done.set();
        }
    });

    let mut clone = None;
    call("clone", || clone = Some(mine.clone()));
    use_and_drop(mine);
    saw(if done.is_set() { "the last one from the beginning" } else { "one of two" });
    assert_eq!(dropped.load(Ordering::Relaxed), 0);
    use_and_drop(clone.expect("made above"));
    other.join().unwrap();
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}

fn the_last_of_three_references_drops_the_value() {
    let dropped = StdArc::default();
    let first = one(|| Value::new(&dropped));
    let left = StdArc::new(AtomicUsize::new(2));
    let others: Vec<_> = (0..2)
        .map(|_| {
            let (reference, left) = (first.clone(), left.clone());
            spawn("other", move || {
                use_and_drop(reference);
                left.fetch_sub(1, Ordering::Relaxed);
            })
        })
        .collect();

    use_and_drop(first);
    saw(match (dropped.load(Ordering::Relaxed), left.load(Ordering::Relaxed)) {
        (1, _) => "the value is gone",
        (0, 2) => "the others have it",
        (0, _) => "one other has it",
        more => panic!("{more:?}"),
    });
    for other in others {
        other.join().unwrap();
    }
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}

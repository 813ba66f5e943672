//! The reference count of the ordinary build, over the checker's atomics: by itself, and with the core on top (`aged`).
//! All other models have their checker's own.

use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::Arc as StdArc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::aged;
use crate::checker::atomic;
use crate::common::*;

#[path = "../../src/sync/counted.rs"]
mod counted;

use self::counted::{Arc, one, two};

pub const MODELS: &[Model] = &[
    model!(two_references_that_are_made_at_once_race_to_the_end: "the value is gone", "the other has it"),
    model!(a_reference_cloned_while_the_other_is_dropped_keeps_the_value: "the last one from the beginning", "one of two"),
    model!(references_cloned_on_two_threads_are_all_counted: "while the other was there", "when the other was gone"),
    model!(the_last_of_three_references_drops_the_value: "the value is gone", "the others have it", "one other has it"),
    model!(a_handle_dropped_elsewhere_races_the_end_of_its_scope: "gone with its wrapper", "left to its handle"),
    model!(a_guard_dropped_elsewhere_races_the_end_of_a_scope_without_handles:
        "gone with its wrapper", "left to its guard"),
    model!(two_guards_dropped_elsewhere_race_the_end_of_a_scope_without_handles:
        "gone with its wrapper", "left to its guards")
    .bounded(3),
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

/// From copies that are not counted, as the guards of a scope have them.
fn references_cloned_on_two_threads_are_all_counted() {
    let dropped = StdArc::default();
    let first = one(|| Value::new(&dropped));
    // SAFETY: the copies are not dropped, nor looked at when `first` has been.
    let [mine, others] = [(); 2].map(|()| ManuallyDrop::new(unsafe { ptr::read(&first) }));
    let done = Flag::default();
    let other = spawn("other", {
        let done = done.clone();
        move || {
            let clone = Arc::clone(&others);
            use_and_drop(clone);
            done.set();
        }
    });

    let mut clone = None;
    call("clone", || clone = Some(Arc::clone(&mine)));
    saw(if done.is_set() { "when the other was gone" } else { "while the other was there" });
    use_and_drop(clone.expect("made above"));
    other.join().unwrap();
    assert_eq!(dropped.load(Ordering::Relaxed), 0);
    use_and_drop(first);
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

fn a_handle_dropped_elsewhere_races_the_end_of_its_scope() {
    let scope = aged::CancelScope::new(async {});
    let handle = scope.handle();
    assert_eq!(watched::alive(), 1);
    let other = spawn("other", move || call("drop the handle", || drop(handle)));

    assert_eq!(run("the scope", scope), Ok(()));
    saw(if watched::alive() == 0 { "gone with its wrapper" } else { "left to its handle" });
    other.join().unwrap();
    assert_eq!(watched::alive(), 0);
}

/// A scope that gives so many guards away, and ends in its second poll.
fn ends_with_guards_abroad(
    guards: usize,
) -> (Runner<impl Future<Output = Result<(), Cancelled>>>, Vec<aged::ShieldScope>) {
    let slot = Slot::new();
    let scope = aged::CancelScope::new({
        let slot = slot.clone();
        async move {
            slot.put((0..guards).map(|_| aged::shield_scope()).collect());
            yield_once().await;
        }
    });
    (Runner::new("the scope", scope).suspends(), slot.take())
}

fn a_guard_dropped_elsewhere_races_the_end_of_a_scope_without_handles() {
    let (scope, mut guards) = ends_with_guards_abroad(1);
    let guard = guards.pop();
    let other = spawn("other", move || call("drop the guard", || drop(guard)));

    assert_eq!(scope.finish(), Ok(()));
    saw(if watched::alive() == 0 { "gone with its wrapper" } else { "left to its guard" });
    other.join().unwrap();
    assert_eq!(watched::alive(), 0);
}

fn two_guards_dropped_elsewhere_race_the_end_of_a_scope_without_handles() {
    let (scope, guards) = ends_with_guards_abroad(2);
    let others: Vec<_> =
        guards.into_iter().map(|guard| spawn("other", move || call("drop a guard", || drop(guard)))).collect();

    assert_eq!(scope.finish(), Ok(()));
    saw(if watched::alive() == 0 { "gone with its wrapper" } else { "left to its guards" });
    for other in others {
        other.join().unwrap();
    }
    assert_eq!(watched::alive(), 0);
}

/// These references for the core, with each use of what they lead to compared with its end.
pub mod watched {
    use std::ops::Deref;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::counted;
    use crate::common::Payload;

    /// Of all values of this process, which runs one execution of one model at a time.
    static ALIVE: AtomicUsize = AtomicUsize::new(0);

    /// How many values there are.
    pub fn alive() -> usize {
        ALIVE.load(Ordering::Relaxed)
    }

    pub struct Arc<T>(counted::Arc<Watched<T>>);

    struct Watched<T> {
        end: Payload,
        value: T,
    }

    impl<T> Watched<T> {
        fn new(value: T) -> Self {
            ALIVE.fetch_add(1, Ordering::Relaxed);
            Self { end: Payload::new(0), value }
        }
    }

    impl<T> Drop for Watched<T> {
        fn drop(&mut self) {
            self.end.bump();
            ALIVE.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub fn one<T>(make: impl FnOnce() -> T) -> Arc<T> {
        Arc(counted::one(|| Watched::new(make())))
    }

    pub fn two<T>(make: impl FnOnce() -> T) -> (Arc<T>, Arc<T>) {
        let (one, two) = counted::two(|| Watched::new(make()));
        (Arc(one), Arc(two))
    }

    impl<T> Arc<T> {
        pub fn ptr_eq(this: &Self, other: &Self) -> bool {
            counted::Arc::ptr_eq(&this.0, &other.0)
        }

        pub fn as_ptr(this: &Self) -> *const T {
            // SAFETY: a reference is there.
            unsafe { &raw const (*counted::Arc::as_ptr(&this.0)).value }
        }
    }

    impl<T> Clone for Arc<T> {
        fn clone(&self) -> Self {
            Self(self.0.clone())
        }
    }

    impl<T> Deref for Arc<T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.0.end.get();
            &self.0.value
        }
    }
}

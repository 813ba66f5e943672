//! What a run of the fuzzer amounted to, said when the process ends.

use std::cell::Cell;
use std::ffi::{c_int, c_long};
use std::sync::Once;

use shieldable_model::{Clause, Coverage};

// libFuzzer runs one input after the other on one thread, the one that ends the process.
thread_local! {
    static TALLY: Cell<Tally> = const { Cell::new(Tally { programs: 0, operations: 0, clauses: [0; 2] }) };
}

#[derive(Clone, Copy)]
pub struct Tally {
    programs: u64,
    operations: u64,
    clauses: [u64; 2],
}

impl Tally {
    /// What the whole run was so far.
    pub fn of_lockstep(programs: u64, operations: u64, clauses: Coverage) {
        say_at_exit();
        TALLY.set(Tally { programs, operations, clauses: clauses.words() });
    }

    /// One more input.
    pub fn add(programs: u64, operations: u64, clauses: Coverage) {
        say_at_exit();
        let tally = TALLY.get();
        let mut all = Coverage::from_words(tally.clauses);
        all.merge(clauses);
        TALLY.set(Tally {
            programs: tally.programs + programs,
            operations: tally.operations + operations,
            clauses: all.words(),
        });
    }
}

extern "C" fn say() {
    let Tally { programs, operations, clauses } = TALLY.get();
    let (clauses, observable) =
        (Coverage::from_words(clauses), Clause::ALL.iter().filter(|clause| clause.is_observable()).count());
    let missing: Vec<_> = clauses.missing().map(Clause::id).collect();
    let reached = observable - missing.len();
    let seconds = clock() as f64 / 1e6;
    eprintln!(
        "{programs} programs of {:.1} operations in lanes, bodies and destructors;",
        operations as f64 / programs as f64
    );
    eprintln!("{:.0} a second of processor time, the fuzzer's own included;", programs as f64 / seconds);
    eprintln!("{reached} of {observable} observable clauses; missing: {}", missing.join(" "));
}

// SAFETY: as POSIX declares them; both may be called at any time.
unsafe extern "C" {
    safe fn atexit(callback: extern "C" fn()) -> c_int;
    /// The processor time of the process, in microseconds.
    safe fn clock() -> c_long;
}

fn say_at_exit() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| _ = atexit(say));
}

//! One input against the spec.

use std::cell::RefCell;
use std::sync::Arc;

use shieldable_model::{Program, Seed, allows};
use shieldable_proptests::lockstep::Lockstep;

use crate::input::ProgramText;
use crate::tally::Tally;

thread_local! {
    static LOCKSTEP: RefCell<Option<Lockstep>> = const { RefCell::new(None) };
}

/// Runs a program on the implementation and on the model, and compares them after every step.
///
/// # Panics
///
/// At the first difference, which it describes: the program, what happened, and what should have.
pub fn lockstep(program: &Arc<Program>) {
    LOCKSTEP.with_borrow_mut(|lockstep| {
        let lockstep = lockstep.get_or_insert_with(Lockstep::new);
        // One lane polls: there is nothing to choose among.
        if let Err(failure) = lockstep.run(program, &mut Seed(0)) {
            panic!("{failure}");
        }
        Tally::of_lockstep(lockstep.programs(), lockstep.operations(), lockstep.coverage());
    });
}

/// Runs the lanes of a program on threads, and asks the spec whether it allows what they saw.
///
/// # Panics
///
/// If it does not.
pub fn threads(program: &Arc<Program>) {
    let history = shieldable_proptests::threads::run(program);
    match allows(program, &history) {
        Ok(clauses) => Tally::add(1, history.events.len() as u64, clauses),
        Err(mismatch) => panic!("{mismatch}"),
    }
}

/// Parses a text; what is a program is written, and comes back as the same program.
///
/// # Panics
///
/// If it does not, or the parser does.
pub fn round_trip(input: &ProgramText) {
    let text = input.text();
    let program = match (text.parse::<Program>(), input) {
        (Ok(program), ProgramText::Written(written)) => {
            assert!(program == **written, "comes back as another program:\n{program}\nwas\n{written}");
            program
        }
        (Ok(program), ProgramText::Any(_)) => program,
        (Err(error), ProgramText::Written(_)) => panic!("{error} in what was written as\n{text}"),
        (Err(error), ProgramText::Any(_)) => return drop(error.to_string()),
    };
    let again = program.to_string();
    match again.parse::<Program>() {
        Ok(parsed) => {
            assert!(parsed == program, "comes back as another program:\n{parsed}\nwas\n{again}\nfrom\n{text}")
        }
        Err(error) => panic!("{error} in what was written as\n{again}\nfrom\n{text}"),
    }
}

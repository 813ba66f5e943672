//! The parser of programs: it never panics, and what is a program comes back as the same one.
#![no_main]

use shieldable_fuzz::{ProgramText, round_trip};

libfuzzer_sys::fuzz_target!(|input: ProgramText| round_trip(&input));

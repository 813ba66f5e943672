//! Tasks, nested scopes, shields, requests made and taken back, hard drops, guards moved about.
#![no_main]

use shieldable_fuzz::{CancelSequences, lockstep, mutate};

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, _seed: u32| {
    mutate(data, size, max_size)
});
libfuzzer_sys::fuzz_target!(|input: CancelSequences| lockstep(&input.0));

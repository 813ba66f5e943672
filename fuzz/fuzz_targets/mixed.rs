//! All of it, timeouts too; their deadlines pass when the program says so.
#![no_main]

use shieldable_fuzz::{Mixed, lockstep, mutate};

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, _seed: u32| {
    mutate(data, size, max_size)
});
libfuzzer_sys::fuzz_target!(|input: Mixed| lockstep(&input.0));

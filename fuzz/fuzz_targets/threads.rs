//! A few tasks and what happens outside, each on a thread of its own; the spec judges what they saw.
#![no_main]

use shieldable_fuzz::{Threads, mutate, threads};

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, _seed: u32| {
    mutate(data, size, max_size)
});
libfuzzer_sys::fuzz_target!(|input: Threads| threads(&input.0));

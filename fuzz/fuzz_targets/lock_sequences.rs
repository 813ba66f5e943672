//! `Lock`, `RLock` and `Waiter`, with waiters cancelled and dropped at every point.
#![no_main]

use shieldable_fuzz::{LockSequences, lockstep, mutate};

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, _seed: u32| {
    mutate(data, size, max_size)
});
libfuzzer_sys::fuzz_target!(|input: LockSequences| lockstep(&input.0));

//! How much of everything is run.
//!
//! `PROPTEST_CASES` scales all sizes alike: at 512 there is twice as much of everything as at 256, which is the
//! default. `PROPTEST_RNG_SEED` gives other programs of the same number.

use std::env;

/// What `PROPTEST_CASES` is if nobody says.
pub const DEFAULT_CASES: u64 = 256;

/// What `PROPTEST_CASES` says.
pub fn cases() -> u64 {
    number("PROPTEST_CASES").unwrap_or(DEFAULT_CASES)
}

/// So many, where there are `default` by default.
pub fn scaled(default: u64) -> u64 {
    (default * cases() / DEFAULT_CASES).max(1)
}

/// What `PROPTEST_RNG_SEED` says.
pub fn seed() -> u64 {
    number("PROPTEST_RNG_SEED").unwrap_or(0)
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}

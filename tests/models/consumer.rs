//! A crate that uses this one, and checks its own code.

use std::process::Command;

use libtest_mimic::{Failed, Trial};

/// Its models of that feature, run as its author would; there are so many.
pub fn trial(feature: &'static str, models: usize) -> Trial {
    Trial::test("a_crate_that_uses_this_one_checks_its_own_code", move || run(feature, models))
}

fn run(feature: &str, models: usize) -> Result<(), Failed> {
    let output = Command::new(env!("CARGO"))
        .args(["test", "--quiet", "--features", feature, "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/consumer/Cargo.toml"))
        .args(["--target-dir", concat!(env!("CARGO_TARGET_TMPDIR"), "/consumer")])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && text.contains(&format!("ok. {models} passed;")) {
        return Ok(());
    }
    Err(format!("{text}{}", String::from_utf8_lossy(&output.stderr)).into())
}

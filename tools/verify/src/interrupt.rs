//! Ctrl-C: nothing new begins, what runs is stopped, and the tables are written all the same.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Notes Ctrl-C and SIGTERM instead of dying of them.
pub fn listen() -> Result<()> {
    // A second one ends the process at once, and leaves what it runs to itself.
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
    })?;
    Ok(())
}

pub fn happened() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

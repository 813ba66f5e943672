//! Going on after a panic of somebody else's code, when others depend on it.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Runs code that may panic to its end, whatever happens, and then goes on with the first panic.
#[derive(Default)]
pub(super) struct FirstPanic(Option<Box<dyn Any + Send>>);

impl FirstPanic {
    pub(super) fn catch(&mut self, code: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(code)) {
            match self.0 {
                None => self.0 = Some(payload),
                // Not dropped: that could panic as well.
                Some(_) => mem::forget(payload),
            }
        }
    }

    pub(super) fn happened(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn resume(self) {
        if let Some(payload) = self.0 {
            resume_unwind(payload);
        }
    }
}

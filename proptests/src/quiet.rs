//! Programs panic on purpose; what the panics say is kept for the report of a failure and not printed.

use std::cell::{Cell, RefCell};
use std::panic;
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Puts itself before the panic hook of the process, once.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let former = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if QUIET.get() {
                LAST.set(Some(info.to_string()));
            } else {
                former(info);
            }
        }));
    });
}

/// Nothing is printed meanwhile on this thread.
pub(crate) fn during<R>(run: impl FnOnce() -> R) -> R {
    struct Loud;
    impl Drop for Loud {
        fn drop(&mut self) {
            QUIET.set(false);
        }
    }
    LAST.set(None);
    QUIET.set(true);
    let _loud = Loud;
    run()
}

/// What the last panic said.
pub(crate) fn last() -> Option<String> {
    LAST.take()
}

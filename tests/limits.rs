//! The numbers of SPEC.md section 5 that a scope can reach. A file of its own: each takes millions of steps.

mod support;

use shieldable::{CancelScope, ShieldableTask, is_shielded, shield_scope};
use support::{Driven, panic_text};

const LIMIT: usize = 1 << 24;

/// HDL-12
#[test]
fn the_count_of_requests_saturates() {
    let scope = CancelScope::new(async {});
    let handle = scope.handle();
    for _ in 0..LIMIT + 1 {
        assert!(handle.cancel());
    }
    assert_eq!(handle.cancelling(), LIMIT - 1);
    assert_eq!(handle.uncancel(), LIMIT - 2);
    assert!(Driven::new(scope).finishes().is_err());
}

/// SHD-12
#[test]
fn one_shield_too_many_panics_and_is_not_opened() {
    let task = ShieldableTask::new(async {
        let one = shield_scope();
        for _ in 1..LIMIT {
            std::mem::forget(shield_scope());
        }
        let text = panic_text(|| drop(shield_scope()));
        assert!(text.contains("shields"), "{text}");
        drop(one);
        drop(shield_scope());
        is_shielded()
    });
    assert_eq!(Driven::new(task).finishes(), Ok(true));
}

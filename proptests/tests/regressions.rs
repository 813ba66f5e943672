//! Programs that failed once.

use shieldable_proptests::lockstep::replay::{replay, stored};

#[test]
fn stored_programs_pass() {
    let all = stored().expect("regressions can be read");
    assert!(!all.is_empty(), "there are no stored programs");
    for (path, text) in all {
        if let Err(failure) = replay(&text) {
            panic!("{}: {failure}", path.display());
        }
    }
}

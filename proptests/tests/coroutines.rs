//! Stackful coroutines, which can leave a poll in the middle: they may, as long as polls end in the order of a stack.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::process::{Command, Stdio};
use std::task::{Context, Poll, Waker};

use corosensei::{Coroutine, CoroutineResult};
use shieldable::{CancelScope, TaskHandle, try_shield_scope};

/// A poll of a scope that suspends its coroutine in the middle, and goes on when that is resumed.
fn a_poll_that_suspends() -> Coroutine<(), (), ()> {
    Coroutine::new(|yielder, ()| {
        let mut scope = pin!(CancelScope::new(poll_fn(|_| {
            yielder.suspend(());
            Poll::Ready(())
        })));
        assert!(scope.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    })
}

#[test]
fn a_coroutine_that_is_resumed_before_anything_else_is_polled_goes_on() {
    let mut coroutine = a_poll_that_suspends();
    assert!(matches!(coroutine.resume(()), CoroutineResult::Yield(())));
    assert!(matches!(coroutine.resume(()), CoroutineResult::Return(())));
    assert!(try_shield_scope().is_err() && TaskHandle::try_current().is_none());
}

/// The part that aborts, in a process of its own.
const PART: &str = "SHIELDABLE_POLLS_INTERLEAVE";

#[test]
fn a_poll_that_ends_inside_a_later_one_aborts_the_process_and_says_why() {
    if std::env::var_os(PART).is_some() {
        let mut first = a_poll_that_suspends();
        let mut second = a_poll_that_suspends();
        let _ = (first.resume(()), second.resume(()), first.resume(()));
        unreachable!("the frame of the second poll leads to one that is gone");
    }
    let test = "a_poll_that_ends_inside_a_later_one_aborts_the_process_and_says_why";
    let mut command = Command::new(std::env::current_exe().expect("the path of this test"));
    let part = command.args([test, "--exact", "--nocapture"]).env(PART, "1").stdin(Stdio::null());
    let ended = part.output().expect("this test can be run");
    let text = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success() && text.contains("a stackful coroutine"), "{:?}: {text}", ended.status);
    assert!(!text.contains("unreachable"), "{text}");
}

//! A body that is polled inside a scope: the one place where a cancellation is delivered.
//!
//! [`ShieldableTask`](super::ShieldableTask), [`CancelScope`](super::CancelScope) and [`Timeout`](super::Timeout) are this
//! and a name for it.
//!
//! # Invariants
//! 1. A delivery drops the body, inside a poll, and only on entry or right after the body was `Pending` (DLV-1).
//! 2. What the body returned is returned, whatever is pending (DLV-5).
//! 3. The scope is among the frames whenever code of the body runs, its destructors included (SCP-4).
//! 4. `body` is there until the scope is ending, and gone when it is done, also if a destructor panics.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use super::frame::Frame;
use super::panic::FirstPanic;
use super::scope::{Look, Scope};
use super::sync::Arc;
use crate::Cancelled;

pin_project! {
    pub(super) struct Region<F> {
        #[pin]
        body: Option<F>,
        scope: Arc<Scope>,
    }

    impl<F> PinnedDrop for Region<F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if this.body.is_some() {
                drop_out_of_turn(this.body, this.scope);
            }
        }
    }
}

impl<F> Region<F> {
    pub(super) fn new(body: F, scope: Arc<Scope>) -> Self {
        Self { body: Some(body), scope }
    }

    pub(super) fn scope(&self) -> &Arc<Scope> {
        &self.scope
    }
}

impl<F: Future> Region<F> {
    /// Polls the body once. `suspended` runs if it is `Pending`, before the cancellation is looked at again.
    #[inline(always)]
    pub(super) fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        suspended: impl FnOnce(&mut Context<'_>, &Scope),
    ) -> Poll<Result<F::Output, Cancelled>> {
        let mut this = self.project();
        let owner = &*this.scope;
        let scope: &Scope = owner;
        let Some(body) = this.body.as_mut().as_pin_mut() else { polled_after_its_end() };
        // Not without a body: after the end it belongs to the guards that are left (invariant 3 of `scope.rs`).
        if scope.holds_outer() {
            let_go(scope, cx.waker());
        }
        let look = scope.look();
        if !look.is_quiet() && delivers_at_once(scope, look) {
            drop_body(this.body, owner);
            return Poll::Ready(Err(Cancelled::new()));
        }

        let frame = Frame::new(owner);
        // SAFETY: just made; dropped below or by unwinding, and `owner` is borrowed until then.
        let entered = unsafe { frame.enter() };
        let panicked = EndOnUnwind(scope);
        let polled = body.poll(cx);
        mem::forget(panicked);
        drop(entered);
        if let Poll::Ready(value) = polled {
            scope.end_of_body();
            drop_body(this.body, owner);
            return Poll::Ready(Ok(value));
        }

        let panicked = SuspendOnUnwind(scope, cx.waker());
        suspended(cx, scope);
        mem::forget(panicked);
        let look = scope.look_for(cx.waker()).unwrap_or_else(|look| register(scope, look, cx.waker()));
        // As it all is after the registration: a request or the close of a shield from before it is seen here, one from
        // after it finds the waker.
        let shields = scope.shields.counted_in();
        if (shields != 0 || look.has_request()) && delivers_now(scope, look, shields) {
            drop_body(this.body, owner);
            return Poll::Ready(Err(Cancelled::new()));
        }
        Poll::Pending
    }
}

// What few polls have to do, out of the way of the others.

/// Closes the shield of the scope around, which was held while this one was suspended.
#[cold]
fn let_go(scope: &Scope, waker: &Waker) {
    let panicked = SuspendOnUnwind(scope, waker);
    drop(scope.take_outer());
    mem::forget(panicked);
}

/// Whether a poll delivers without polling the body.
#[cold]
fn delivers_at_once(scope: &Scope, look: Look) -> bool {
    if !look.is_live() {
        polled_after_its_end();
    }
    scope.shields.open_now() == 0 && scope.try_end_for_request(look)
}

#[cold]
fn register(scope: &Scope, look: Look, waker: &Waker) -> Look {
    let panicked = SuspendOnUnwind(scope, waker);
    let look = scope.register(look, waker.clone());
    mem::forget(panicked);
    look
}

/// Whether a poll delivers now that the body was `Pending`. If a shield is open, the scope is suspended with it.
#[cold]
fn delivers_now(scope: &Scope, look: Look, shields: i64) -> bool {
    let shielded = scope.shields.open_of(shields) > 0;
    if !shielded && scope.try_end_for_request(look) {
        return true;
    }
    if shielded {
        scope.hold_outer();
    }
    false
}

#[cold]
fn polled_after_its_end() -> ! {
    panic!("shieldable: a task or scope was polled after it had returned or panicked");
}

/// The timer and the wakers are user code, and may panic. The scope is then suspended all the same, with its hold of
/// the scope around if it is shielded, and asks to be polled again: the wake that led to this poll is spent, and there
/// may be no waker registered.
struct SuspendOnUnwind<'a>(&'a Scope, &'a Waker);

impl Drop for SuspendOnUnwind<'_> {
    fn drop(&mut self) {
        if self.0.shields.open_now() > 0 {
            self.0.hold_outer();
        }
        // A second panic goes nowhere.
        let mut second = FirstPanic::default();
        second.catch(|| self.1.wake_by_ref());
        mem::forget(second);
    }
}

/// The wrapper is dropped before its body has come to an end.
#[cold]
fn drop_out_of_turn<F>(body: Pin<&mut Option<F>>, scope: &Arc<Scope>) {
    scope.end_by_drop();
    let outer = scope.take_outer();
    let mut panic = FirstPanic::default();
    panic.catch(|| drop_body(body, scope));
    // After the body: its destructors still count as inside the shield that they run under.
    panic.catch(|| drop(outer));
    panic.resume();
}

/// Drops the body inside its scope, and ends the scope, also if a destructor panics.
#[inline(never)]
fn drop_body<F>(mut body: Pin<&mut Option<F>>, scope: &Arc<Scope>) {
    struct End<'a>(&'a Arc<Scope>);

    impl Drop for End<'_> {
        #[inline]
        fn drop(&mut self) {
            Scope::end(self.0);
        }
    }

    let _end = End(scope);
    let frame = Frame::new(scope);
    // SAFETY: just made; dropped here, by return or by unwinding, and `scope` is borrowed until then.
    let _entered = unsafe { frame.enter() };
    body.set(None);
}

/// The body panicked: nothing is delivered to it any more, and it is dropped with its wrapper.
struct EndOnUnwind<'a>(&'a Scope);

impl Drop for EndOnUnwind<'_> {
    fn drop(&mut self) {
        self.0.end_of_body();
    }
}

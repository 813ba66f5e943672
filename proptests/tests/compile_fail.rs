//! Promises that are types or lints: programs that must not compile, and which auto traits the public types have.

/// The programs in `ui/`, each with what the compiler says beside it.
#[test]
fn what_must_not_compile_does_not() {
    let programs = trybuild::TestCases::new();
    programs.pass("ui/bound.rs");
    programs.compile_fail("ui/shield_*.rs");
    programs.compile_fail("ui/rlock_*.rs");
    programs.compile_fail("ui/guard_*.rs");
}

/// Checked by the compiler. Values stand for what they hold: `u8` is all, `Cell` is not `Sync`, `MutexGuard` is not
/// `Send`, `Rc` is neither, `PhantomPinned` is not `Unpin`, and `&mut u8` is not `UnwindSafe`.
mod auto_traits {
    use std::cell::Cell;
    use std::future::{Pending, Ready};
    use std::marker::PhantomPinned;
    use std::panic::{RefUnwindSafe, UnwindSafe};
    use std::rc::Rc;
    use std::sync::MutexGuard;

    use shieldable::time;
    use shieldable::*;
    use static_assertions::{assert_impl_all, assert_not_impl_any};

    type SendOnly = Cell<u8>;
    type SyncOnly = MutexGuard<'static, u8>;
    type Neither = Rc<u8>;

    // SHD-4: a shield may be closed by anybody, and moves with the future that holds it. Handles are what is passed
    // around. What a panic leaves behind is a count that is right, so both may be used across a `catch_unwind`.
    assert_impl_all!(ShieldScope: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(TaskHandle: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe, Clone);
    assert_impl_all!(CancelHandle: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe, Clone);
    assert_not_impl_any!(ShieldScope: Clone);
    assert_impl_all!(TaskId: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe, Copy);
    assert_impl_all!(Cancelled: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe, Copy);
    assert_impl_all!(Elapsed: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe, Copy);
    assert_impl_all!(NoCurrentScope: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe, Copy);
    assert_impl_all!(TryLockError: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe, Copy);
    assert_impl_all!(Checkpoint: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);

    // What wraps a body is what the body is. Nothing of the scope is bound to a thread.
    macro_rules! as_the_body {
        ($($wrapper:ident),+) => {$(
            assert_impl_all!($wrapper<Ready<u8>>: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
            assert_not_impl_any!($wrapper<&'static mut u8>: UnwindSafe);
            assert_impl_all!($wrapper<Pending<SendOnly>>: Send);
            assert_not_impl_any!($wrapper<Ready<SendOnly>>: Sync);
            assert_not_impl_any!($wrapper<Ready<SyncOnly>>: Send);
            assert_not_impl_any!($wrapper<Ready<Neither>>: Send, Sync);
            assert_not_impl_any!($wrapper<PhantomPinned>: Unpin);
        )+};
    }
    as_the_body!(ShieldableTask, CancelScope, Shielded);
    assert_impl_all!(Timeout<Ready<u8>, Ready<u8>>: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_not_impl_any!(Timeout<Ready<Neither>, Ready<u8>>: Send, Sync);
    assert_not_impl_any!(Timeout<Ready<u8>, Ready<Neither>>: Send, Sync);
    assert_not_impl_any!(Timeout<PhantomPinned, Ready<u8>>: Unpin);
    assert_not_impl_any!(Timeout<Ready<u8>, PhantomPinned>: Unpin);
    // Tokio's timers are pinned, and go with their task from thread to thread.
    assert_impl_all!(time::Timeout<Ready<u8>>: Send, Sync);
    assert_not_impl_any!(time::Timeout<Ready<u8>>: Unpin);

    // RLK-13: a `Lock` gives its value to one at a time, on whichever thread that is: `Send` is enough. An `RLock`
    // gives `&T` to several guards of a task, which may be on two threads at once: `Send + Sync`.
    assert_impl_all!(Lock<SendOnly>: Send, Sync, Unpin);
    assert_not_impl_any!(Lock<SyncOnly>: Send, Sync);
    assert_impl_all!(RLock<u8>: Send, Sync, Unpin);
    assert_impl_all!(RLock<SendOnly>: Send);
    assert_not_impl_any!(RLock<SendOnly>: Sync);
    assert_not_impl_any!(RLock<SyncOnly>: Send, Sync);

    // The guard of a `Lock` is a `&mut T`, that of an `RLock` a `&RLock<T>`; an owned one also keeps the lock alive,
    // and may be the last that does, so that it drops the value.
    assert_impl_all!(LockGuard<'static, SendOnly>: Send, Unpin);
    assert_not_impl_any!(LockGuard<'static, SendOnly>: Sync);
    assert_impl_all!(LockGuard<'static, u8>: Send, Sync);
    assert_not_impl_any!(LockGuard<'static, Neither>: Send, Sync);
    assert_impl_all!(OwnedLockGuard<SendOnly>: Send, Unpin);
    assert_not_impl_any!(OwnedLockGuard<SendOnly>: Sync);
    assert_impl_all!(OwnedLockGuard<u8>: Send, Sync);
    assert_not_impl_any!(OwnedLockGuard<SyncOnly>: Send, Sync);
    assert_impl_all!(RLockGuard<'static, u8>: Send, Sync, Unpin);
    assert_not_impl_any!(RLockGuard<'static, SendOnly>: Send, Sync);
    assert_not_impl_any!(RLockGuard<'static, SyncOnly>: Send, Sync);
    assert_impl_all!(OwnedRLockGuard<u8>: Send, Sync, Unpin);
    assert_not_impl_any!(OwnedRLockGuard<SendOnly>: Send, Sync);
    assert_not_impl_any!(OwnedRLockGuard<SyncOnly>: Send, Sync);

    // A wait lies in its future, linked to others.
    assert_impl_all!(Waiter: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(Wait<'static>: Send, Sync);
    assert_not_impl_any!(Wait<'static>: Unpin);

    // The value of a task goes from its thread to whoever joins it.
    assert_impl_all!(JoinHandle<SendOnly>: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_not_impl_any!(JoinHandle<SyncOnly>: Send, Sync);
    assert_impl_all!(CancelOnDrop<SendOnly>: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_not_impl_any!(CancelOnDrop<SyncOnly>: Send, Sync);
    assert_impl_all!(JoinError: Send, Sync, Unpin);

    // LCK-10: there is no poisoning, so a panic may leave a value half-written for the next owner to see. Nothing that
    // leads to one claims that unwinding cannot be noticed.
    assert_impl_all!(Lock<u8>: UnwindSafe);
    assert_impl_all!(RLock<u8>: UnwindSafe);
    assert_not_impl_any!(Lock<u8>: RefUnwindSafe);
    assert_not_impl_any!(RLock<u8>: RefUnwindSafe);
    assert_not_impl_any!(LockGuard<'static, u8>: UnwindSafe);
    assert_not_impl_any!(RLockGuard<'static, u8>: UnwindSafe);
    assert_not_impl_any!(OwnedLockGuard<u8>: UnwindSafe);
    assert_not_impl_any!(OwnedRLockGuard<u8>: UnwindSafe);
}

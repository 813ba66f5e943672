//! Loom's primitives: every interleaving, weak memory, and a check of each access to a cell.

use std::mem::ManuallyDrop;
use std::{ptr, thread};

pub(crate) use ::loom::sync::Arc;
pub(crate) use ::loom::sync::atomic;
/// Loom has no statics that outlive an execution. Ids are distinct by the read-modify-write alone and publish nothing,
/// so there is nothing to explore in it.
pub(crate) use std::sync::atomic::AtomicU64 as GlobalCounter;

pub(crate) fn one<T>(make: impl FnOnce() -> T) -> Arc<T> {
    Arc::new(make())
}

/// Two references to one value.
#[allow(dead_code, reason = "for the tokio adapter alone, which is not here")]
pub(crate) fn two<T>(make: impl FnOnce() -> T) -> (Arc<T>, Arc<T>) {
    let one = one(make);
    (one.clone(), one)
}

/// Loom's cell: an access without a happens-before edge to the last conflicting one fails the model. To drop it is one.
#[derive(Debug, Default)]
pub(crate) struct UnsafeCell<T: ?Sized>(::loom::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(::loom::cell::UnsafeCell::new(value))
    }

    pub(crate) fn into_inner(self) -> T {
        let this = ManuallyDrop::new(self);
        // SAFETY: it is read once, and not dropped.
        unsafe { ptr::read(&this.0) }.into_inner()
    }
}

impl<T: ?Sized> Drop for UnsafeCell<T> {
    #[track_caller]
    fn drop(&mut self) {
        if !thread::panicking() {
            self.0.with_mut(|_| ());
        }
    }
}

impl<T: ?Sized> UnsafeCell<T> {
    #[track_caller]
    pub(crate) fn with<R>(&self, access: impl FnOnce(*const T) -> R) -> R {
        self.0.with(access)
    }

    #[track_caller]
    pub(crate) fn with_mut<R>(&self, access: impl FnOnce(*mut T) -> R) -> R {
        self.0.with_mut(access)
    }

    #[track_caller]
    pub(crate) fn get_mut(&mut self) -> &mut T {
        // SAFETY: the exclusive borrow of the cell lasts as long as the one that is given out.
        self.0.with_mut(|value| unsafe { &mut *value })
    }
}

#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(::loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(::loom::sync::Mutex::new(value))
    }

    #[track_caller]
    pub(crate) fn lock(&self) -> ::loom::sync::MutexGuard<'_, T> {
        self.0.lock().expect("no section of this crate panics under a mutex")
    }
}

macro_rules! thread_cell {
    ($(#[$meta:meta])* static $name:ident: $ty:ty = $init:expr;) => {
        ::loom::thread_local! { $(#[$meta])* static $name: $ty = $init; }
    };
}
pub(crate) use thread_cell;

macro_rules! constructor {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),*) -> Self $body:block) => {
        $(#[$meta])* #[must_use] $vis fn $name($($arg: $ty),*) -> Self $body
    };
}
pub(crate) use constructor;

//! The primitives of the ordinary build: std's own, with nothing in between, but for the reference count
//! (`counted.rs`).
//!
//! This module, that count, and the siblings `loom.rs` and `shuttle.rs` are the only places that name an atomic, a
//! cell, a mutex, a reference count or a thread-local whose accesses a checker has to see. The files of `core/` are
//! compiled once over each of them. What they take from std itself belongs to one thread, or to the user (an `Arc`
//! around a lock).

#[path = "counted.rs"]
mod counted;

pub(crate) use std::sync::atomic;
/// A counter in a `static`; ids are distinct by its read-modify-write alone, so the checkers' copies share it.
pub(crate) use std::sync::atomic::AtomicU64 as GlobalCounter;

pub(crate) use self::counted::{Arc, one, two};

/// An `UnsafeCell` with the closures of loom's, so that loom can check each access.
#[derive(Debug, Default)]
pub(crate) struct UnsafeCell<T: ?Sized>(std::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    pub(crate) fn into_inner(self) -> T {
        self.0.into_inner()
    }
}

impl<T: ?Sized> UnsafeCell<T> {
    /// Reads through the pointer that `access` is given.
    #[inline(always)]
    pub(crate) fn with<R>(&self, access: impl FnOnce(*const T) -> R) -> R {
        access(self.0.get())
    }

    /// Writes through the pointer that `access` is given.
    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, access: impl FnOnce(*mut T) -> R) -> R {
        access(self.0.get())
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut()
    }
}

/// A mutex whose `lock` gives the guard: no section in this crate runs code that can panic.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    #[inline]
    pub(crate) fn lock(&self) -> std::sync::MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A thread-local without a destructor: it can be read while a thread is being torn down.
macro_rules! thread_cell {
    ($(#[$meta:meta])* static $name:ident: $ty:ty = $init:expr;) => {
        ::std::thread_local! { $(#[$meta])* static $name: $ty = const { $init }; }
    };
}
pub(crate) use thread_cell;

/// A constructor that is `const` here and cannot be over a checker's primitives.
macro_rules! constructor {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),*) -> Self $body:block) => {
        $(#[$meta])* #[must_use] $vis const fn $name($($arg: $ty),*) -> Self $body
    };
}
pub(crate) use constructor;

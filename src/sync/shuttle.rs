//! Shuttle's primitives: schedules chosen at random or all of them, at sequential consistency, for what is too large
//! for loom. It has no cell of its own and does not look at accesses to data.

pub(crate) use ::shuttle::sync::Arc;
pub(crate) use ::shuttle::sync::atomic;
/// Ids are distinct by the read-modify-write alone and publish nothing, so there is nothing to schedule around it.
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
    pub(crate) fn with<R>(&self, access: impl FnOnce(*const T) -> R) -> R {
        access(self.0.get())
    }

    pub(crate) fn with_mut<R>(&self, access: impl FnOnce(*mut T) -> R) -> R {
        access(self.0.get())
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(::shuttle::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(::shuttle::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> ::shuttle::sync::MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

macro_rules! thread_cell {
    ($(#[$meta:meta])* static $name:ident: $ty:ty = $init:expr;) => {
        ::shuttle::thread_local! { $(#[$meta])* static $name: $ty = $init; }
    };
}
pub(crate) use thread_cell;

macro_rules! constructor {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),*) -> Self $body:block) => {
        $(#[$meta])* #[must_use] $vis fn $name($($arg: $ty),*) -> Self $body
    };
}
pub(crate) use constructor;

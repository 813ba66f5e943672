//! A waker that is user code: whatever the test wants happens in its `clone`, `wake` and `drop`.

#![allow(dead_code)]

use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

type Hook = Box<dyn FnOnce() + Send>;

/// What a waker and its clones do, each hook once.
#[derive(Default)]
pub struct Hooks {
    pub on_clone: Mutex<Option<Hook>>,
    pub on_wake: Mutex<Option<Hook>>,
    /// At the drop of a clone, whichever comes first.
    pub on_drop: Mutex<Option<Hook>>,
    wakes: AtomicUsize,
}

impl Hooks {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    pub fn on_clone(&self, hook: impl FnOnce() + Send + 'static) {
        *self.on_clone.lock().unwrap() = Some(Box::new(hook));
    }

    pub fn on_wake(&self, hook: impl FnOnce() + Send + 'static) {
        *self.on_wake.lock().unwrap() = Some(Box::new(hook));
    }

    pub fn on_drop(&self, hook: impl FnOnce() + Send + 'static) {
        *self.on_drop.lock().unwrap() = Some(Box::new(hook));
    }

    /// Whether all that was to happen has happened.
    pub fn all_ran(&self) -> bool {
        [&self.on_clone, &self.on_wake, &self.on_drop].iter().all(|hook| hook.lock().unwrap().is_none())
    }

    pub fn wakes(&self) -> usize {
        self.wakes.load(Ordering::SeqCst)
    }

    /// Polls with a waker that does these things. The waker itself is not dropped, only its clones are.
    pub fn poll<F: Future + ?Sized>(self: &Arc<Self>, future: Pin<&mut F>) -> Poll<F::Output> {
        /// Gives back the reference that the waker was made with, which its own drop would have done, but for the hook.
        struct GiveBack<'a>(&'a Arc<Hooks>);
        impl Drop for GiveBack<'_> {
            fn drop(&mut self) {
                // SAFETY: `waker` is not dropped, so its reference is still there.
                unsafe { Arc::decrement_strong_count(Arc::as_ptr(self.0)) };
            }
        }

        let waker = ManuallyDrop::new(self.waker());
        let _give_back = GiveBack(self);
        future.poll(&mut Context::from_waker(&waker))
    }

    pub fn waker(self: &Arc<Self>) -> Waker {
        // SAFETY: the functions of the table own and give back references of an `Arc<Hooks>`, which is Send and Sync.
        unsafe { Waker::from_raw(raw(Arc::into_raw(self.clone()))) }
    }

    /// Takes the hook out first: it may run the same one again, or panic.
    fn run(hook: &Mutex<Option<Hook>>) {
        let hook = hook.lock().unwrap().take();
        if let Some(hook) = hook {
            hook();
        }
    }
}

fn raw(hooks: *const Hooks) -> RawWaker {
    static TABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_clone);
    RawWaker::new(hooks.cast(), &TABLE)
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: `data` is a reference that the waker being cloned holds.
    let hooks = unsafe { &*data.cast::<Hooks>() };
    Hooks::run(&hooks.on_clone);
    // SAFETY: as above; the new waker gets a reference of its own.
    unsafe { Arc::increment_strong_count(data.cast::<Hooks>()) };
    raw(data.cast())
}

unsafe fn wake(data: *const ()) {
    // SAFETY: the waker gives its reference away.
    let hooks = unsafe { Arc::from_raw(data.cast::<Hooks>()) };
    hooks.wakes.fetch_add(1, Ordering::SeqCst);
    Hooks::run(&hooks.on_wake);
    Hooks::run(&hooks.on_drop);
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the waker holds a reference while it is called.
    let hooks = unsafe { &*data.cast::<Hooks>() };
    hooks.wakes.fetch_add(1, Ordering::SeqCst);
    Hooks::run(&hooks.on_wake);
}

unsafe fn drop_clone(data: *const ()) {
    // SAFETY: the waker gives its reference away.
    let hooks = unsafe { Arc::from_raw(data.cast::<Hooks>()) };
    Hooks::run(&hooks.on_drop);
}

//! What the tests here share: futures polled by hand, with every wake counted, and a log of what happened.

// Each test file compiles this module for itself and uses a part of it.
#![allow(dead_code)]

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// Counts how often it is woken.
#[derive(Default)]
struct WakeCount(AtomicUsize);

impl Wake for WakeCount {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A future that is polled when the test says so and at no other time.
pub struct Driven<F: Future> {
    future: Pin<Box<F>>,
    wakes: Arc<WakeCount>,
}

impl<F: Future> Driven<F> {
    pub fn new(future: F) -> Self {
        Self { future: Box::pin(future), wakes: Arc::default() }
    }

    pub fn poll(&mut self) -> Poll<F::Output> {
        let waker = self.waker();
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    /// Polls and panics unless the future suspends.
    #[track_caller]
    pub fn suspends(&mut self) {
        assert!(self.poll().is_pending(), "the future should have suspended");
    }

    /// Polls and gives the output.
    #[track_caller]
    pub fn finishes(&mut self) -> F::Output {
        match self.poll() {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("the future should have been ready"),
        }
    }

    /// Polls and gives the text that the poll panicked with.
    #[track_caller]
    pub fn panics(&mut self) -> String {
        panic_text(|| drop(self.poll()))
    }

    /// How often it was woken since the last call.
    pub fn take_wakes(&self) -> usize {
        self.wakes.0.swap(0, Ordering::SeqCst)
    }

    /// How many clones of its waker there are in the world.
    pub fn wakers_held(&self) -> usize {
        Arc::strong_count(&self.wakes) - 1
    }

    pub fn waker(&self) -> Waker {
        Waker::from(self.wakes.clone())
    }

    /// Polls another future with the waker of this one.
    pub fn lend_waker<G: Future>(&self, other: Pin<&mut G>) -> Poll<G::Output> {
        let waker = self.waker();
        other.poll(&mut Context::from_waker(&waker))
    }
}

/// Runs what must panic, and gives the text.
#[track_caller]
pub fn panic_text(f: impl FnOnce()) -> String {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(()) => panic!("it should have panicked"),
        Err(payload) => text_of(&*payload),
    }
}

pub fn text_of(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        String::from("(a panic without a text)")
    }
}

/// Marks a line that no correct run reaches. A plain function, so that a body which ends with it has the output `()`.
#[track_caller]
pub fn unreachable(why: &str) {
    panic!("this line should not have been reached: {why}");
}

/// Suspends once. Nobody is asked to wake it.
pub async fn suspend() {
    let mut suspended = false;
    poll_fn(|_| {
        if suspended {
            Poll::Ready(())
        } else {
            suspended = true;
            Poll::Pending
        }
    })
    .await;
}

/// Awaits what must end, and fails where it would hang. With paused time that takes no time at all: the clock jumps
/// when nobody has anything left to do.
pub async fn ended<F: Future>(future: F) -> F::Output {
    let bound = Duration::from_secs(24 * 3600);
    tokio::time::timeout(bound, future).await.expect("this should have ended; nobody was left to wake it")
}

/// Runs the closure when it is dropped.
pub struct OnDrop<F: FnMut()>(pub F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Runs `on_drop` when the body itself is dropped, which is later than its locals if it ran to its end.
pub struct Probe<F, D: FnMut()> {
    future: Pin<Box<F>>,
    _on_drop: OnDrop<D>,
}

impl<F: Future, D: FnMut()> Probe<F, D> {
    pub fn new(future: F, on_drop: D) -> Self {
        Self { future: Box::pin(future), _on_drop: OnDrop(on_drop) }
    }
}

impl<F: Future, D: FnMut() + Unpin> Future for Probe<F, D> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.future.as_mut().poll(cx)
    }
}

/// What happened, in order.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn note(&self, what: &'static str) {
        self.0.lock().unwrap().push(what);
    }

    /// A value that notes when it is dropped.
    pub fn on_drop(&self, what: &'static str) -> OnDrop<impl FnMut() + Send + use<>> {
        let log = self.clone();
        OnDrop(move || log.note(what))
    }

    #[track_caller]
    pub fn assert(&self, expected: &[&str]) {
        assert_eq!(*self.0.lock().unwrap(), expected);
    }
}

/// A place to hand a value from a body to the test, or on to a destructor.
pub struct Slot<T>(Arc<Mutex<Option<T>>>);

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Slot<T> {
    pub fn new() -> Self {
        Self(Arc::default())
    }

    pub fn put(&self, value: T) {
        let former = self.0.lock().unwrap().replace(value);
        drop(former);
    }

    #[track_caller]
    pub fn take(&self) -> T {
        let value = self.0.lock().unwrap().take();
        value.expect("the slot should have been filled")
    }

    pub fn is_empty(&self) -> bool {
        self.0.lock().unwrap().is_none()
    }
}

//! Polling by hand: what is measured is then the future alone, without a runtime.

use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

/// One poll with a waker that does nothing.
pub fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Never ready, which the compiler cannot see: what is around it must be in memory, as it is around a body that does
/// something.
pub fn never() -> impl Future<Output = ()> {
    poll_fn(|_| {
        black_box(());
        Poll::Pending
    })
}

/// The value of a future that never suspends.
///
/// # Panics
///
/// If it does.
pub fn ready<F: Future>(future: F) -> F::Output {
    match poll(pin!(future)) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a benchmark that never waits was suspended"),
    }
}

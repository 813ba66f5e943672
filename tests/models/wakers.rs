//! Wakers as std lets them be: user code that cancels and looks around in its destructor, and tells kinds apart by a
//! table.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};

use crate::common::*;

pub const MODELS: &[Model] = &[
    model!(a_waker_of_another_kind_with_the_same_data_replaces_one_while_cancel_wakes:
        "the poll found the request", "it called the new one"),
    model!(a_waker_dropped_at_the_end_races_cancel: "dropped when the task was finished", "called by the canceller"),
    model!(uncancel_races_a_former_waker_whose_destructor_cancels: "delivered in that poll", "taken back"),
];

/// A waker that does this when it is dropped for the last time, unless it was called. Whether it was.
pub fn waker_that_when_dropped<F: Fn() + Send + Sync + 'static>(does: F) -> (Waker, Flag) {
    struct When<F: Fn() + Send + Sync>(F, Flag);

    impl<F: Fn() + Send + Sync> Drop for When<F> {
        fn drop(&mut self) {
            if !self.1.is_set() {
                (self.0)();
            }
        }
    }

    impl<F: Fn() + Send + Sync + 'static> Wake for When<F> {
        fn wake(self: Arc<Self>) {
            self.1.set();
        }
    }

    let called = Flag::default();
    (Waker::from(Arc::new(When(does, called.clone()))), called)
}

/// Calls of two kinds of waker, whose data this is.
#[derive(Default)]
struct Calls([AtomicUsize; 2]);

impl Calls {
    fn poll<const KIND: usize, F: Future>(self: &Arc<Self>, future: Pin<&mut F>) -> Poll<F::Output> {
        // SAFETY: the table is that of an `Arc<Calls>`, which is Send and Sync.
        let waker = unsafe { Waker::from_raw(raw::<KIND>(Arc::into_raw(self.clone()).cast())) };
        future.poll(&mut Context::from_waker(&waker))
    }

    fn of(&self, kind: usize) -> usize {
        self.0[kind].load(Relaxed)
    }
}

fn raw<const KIND: usize>(data: *const ()) -> RawWaker {
    RawWaker::new(data, const { &RawWakerVTable::new(clone::<KIND>, wake::<KIND>, wake_by_ref::<KIND>, drop_raw) })
}

unsafe fn clone<const KIND: usize>(data: *const ()) -> RawWaker {
    // SAFETY: the waker that is cloned has a reference.
    unsafe { Arc::increment_strong_count(data.cast::<Calls>()) };
    raw::<KIND>(data)
}

unsafe fn wake<const KIND: usize>(data: *const ()) {
    // SAFETY: the waker gives its reference away.
    unsafe {
        wake_by_ref::<KIND>(data);
        drop_raw(data);
    }
}

unsafe fn wake_by_ref<const KIND: usize>(data: *const ()) {
    // SAFETY: the waker has a reference.
    unsafe { &*data.cast::<Calls>() }.0[KIND].fetch_add(1, Relaxed);
}

unsafe fn drop_raw(data: *const ()) {
    // SAFETY: the waker gives its reference away.
    unsafe { Arc::decrement_strong_count(data.cast::<Calls>()) };
}

/// A future moves from one queue of an executor to another one, say, which knows its tasks by the same pointer.
fn a_waker_of_another_kind_with_the_same_data_replaces_one_while_cancel_wakes() {
    const FORMER: usize = 0;
    const NEW: usize = 1;
    let task = ShieldableTask::new(pending::<()>());
    let handle = task.handle();
    let mut task = pin!(task);
    let calls = Arc::<Calls>::default();
    assert!(calls.poll::<FORMER, _>(task.as_mut()).is_pending());
    let canceller = spawn("canceller", move || call("cancel", || handle.cancel()));

    let polled = calls.poll::<NEW, _>(task.as_mut());
    assert!(canceller.join().unwrap());
    match polled {
        Poll::Ready(_) => saw("the poll found the request"),
        Poll::Pending => {
            assert_eq!((calls.of(FORMER), calls.of(NEW)), (0, 1), "calls of the former waker and of the new one");
            saw("it called the new one");
        }
    }
}

/// A body that returns when it is polled for the second time, and does not wake itself before that.
fn returns_when_polled_again() -> impl Future<Output = ()> {
    let mut polled = false;
    poll_fn(move |_| if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending })
}

fn a_waker_dropped_at_the_end_races_cancel() {
    let task = ShieldableTask::new(returns_when_polled_again());
    let (handle, own) = (task.handle(), task.handle());
    let (waker, called) = waker_that_when_dropped(move || {
        assert!(own.is_finished() && !own.cancel(), "dropped before the task is finished");
        saw("dropped when the task was finished");
    });
    let mut task = pin!(task);
    assert!(task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    let canceller = spawn("canceller", move || call("cancel", || handle.cancel()));

    assert!(poll_once(task.as_mut()).is_ready());
    canceller.join().unwrap();
    if called.is_set() {
        saw("called by the canceller");
    }
}

fn uncancel_races_a_former_waker_whose_destructor_cancels() {
    let task = ShieldableTask::new(pending::<()>());
    let (handle, own, after) = (task.handle(), task.handle(), task.handle());
    let (former, _) = waker_that_when_dropped(move || assert!(own.cancel()));
    let mut task = pin!(task);
    assert!(task.as_mut().poll(&mut Context::from_waker(&former)).is_pending());
    drop(former);
    let revoker = spawn("revoker", move || call("uncancel", || handle.uncancel()));

    let polled = poll_once(task.as_mut());
    revoker.join().unwrap();
    // Requested by the time that the body has been suspended: by that poll or never.
    match (polled, after.cancelling()) {
        (Poll::Ready(Err(_)), 1) => saw("delivered in that poll"),
        (Poll::Pending, 0) => saw("taken back"),
        other => panic!("unexpected: {other:?}"),
    }
}

//! WTR: the waiter.

mod support;

use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Wake, Waker};

use shieldable::{CancelScope, ShieldableTask, Wait, Waiter, shielded, timeout_with};
use support::{Driven, Log, panic_text, suspend};

/// WTR-1
#[test]
fn one_notification_wakes_everybody_who_waits_once() {
    let waiter = Waiter::new();
    let mut waits: Vec<_> = (0..100).map(|_| Driven::new(waiter.wait())).collect();
    waits.iter_mut().for_each(Driven::suspends);
    waiter.notify();
    for wait in &mut waits {
        assert_eq!(wait.take_wakes(), 1);
        wait.finishes();
    }
    waiter.notify();
    assert!(waits.iter().all(|wait| wait.take_wakes() == 0));
}

/// WTR-2
#[test]
fn a_notification_with_nobody_waiting_is_forgotten() {
    let waiter = Waiter::new();
    waiter.notify();
    waiter.notify();
    let mut wait = Driven::new(waiter.wait());
    wait.suspends();
    waiter.notify();
    wait.finishes();
}

/// WTR-3: else check-then-wait on threads loses the wake-up.
#[test]
fn a_notification_between_the_call_of_wait_and_its_first_poll_counts() {
    let waiter = Waiter::new();
    let (mut called_before, mut never_polled) = (Driven::new(waiter.wait()), Driven::new(waiter.wait()));
    waiter.notify();
    let mut called_after = Driven::new(waiter.wait());
    called_before.finishes();
    called_after.suspends();
    waiter.notify();
    called_after.finishes();
    never_polled.finishes();
}

/// WTR-1: the advance must not depend on somebody being queued.
#[test]
fn a_wait_called_before_an_unheard_notification_is_over() {
    let waiter = Waiter::new();
    let mut early = Driven::new(waiter.wait());
    waiter.notify();
    let mut late = Driven::new(waiter.wait());
    late.suspends();
    early.finishes();
    late.suspends();
}

/// WTR-4
#[test]
fn a_wait_is_pending_until_it_is_notified_and_ready_ever_after() {
    let waiter = Waiter::default();
    let mut wait = Driven::new(waiter.wait());
    for _ in 0..3 {
        wait.suspends();
    }
    assert_eq!(wait.take_wakes(), 0);
    waiter.notify();
    wait.finishes();
    wait.finishes();
}

/// WTR-5
#[test]
fn a_wait_that_is_dropped_changes_nothing_for_the_others() {
    for (dropped, notified_first) in (0..3).flat_map(|index| [(index, true), (index, false)]) {
        let waiter = Waiter::new();
        let mut waits: Vec<_> = (0..3).map(|_| Driven::new(waiter.wait())).collect();
        waits.iter_mut().for_each(Driven::suspends);
        if notified_first {
            waiter.notify();
            drop(waits.remove(dropped));
        } else {
            drop(waits.remove(dropped));
            waiter.notify();
        }
        for mut wait in waits {
            assert_eq!(wait.take_wakes(), 1);
            wait.finishes();
        }
    }
}

/// WTR-1: who waits again waits for the next one, also in the middle of a notification.
#[test]
fn a_wake_that_waits_again_at_once_is_not_woken_twice_by_one_notification() {
    static WAITER: Waiter = Waiter::new();
    #[derive(Default)]
    struct WaitsAgain {
        wakes: AtomicUsize,
        /// Linked while the notification goes on, and never polled again.
        again: Mutex<Vec<Pin<Box<Wait<'static>>>>>,
    }
    impl Wake for WaitsAgain {
        fn wake(self: Arc<Self>) {
            self.wakes.fetch_add(1, Ordering::Relaxed);
            let mut again = Box::pin(WAITER.wait());
            assert!(again.as_mut().poll(&mut Context::from_waker(&Waker::from(self.clone()))).is_pending());
            self.again.lock().unwrap().push(again);
        }
    }

    let shared = Arc::new(WaitsAgain::default());
    let waker = Waker::from(shared.clone());
    let mut waits: Vec<_> = (0..100).map(|_| Box::pin(WAITER.wait())).collect();
    for wait in &mut waits {
        assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    WAITER.notify();
    assert_eq!(shared.wakes.load(Ordering::Relaxed), 100);
    WAITER.notify();
    assert_eq!(shared.wakes.load(Ordering::Relaxed), 200);
    let again = std::mem::take(&mut *shared.again.lock().unwrap());
    drop(again);
}

/// Panics when it is woken.
struct Panics(&'static str);

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("{}", self.0);
    }
}

/// WTR-6
#[test]
fn a_panicking_waker_does_not_keep_the_others_from_being_woken() {
    let waiter = Waiter::new();
    let mut before = Driven::new(waiter.wait());
    before.suspends();
    let mut first = Box::pin(waiter.wait());
    let mut second = Box::pin(waiter.wait());
    for (wait, text) in [(&mut first, "the first"), (&mut second, "the second")] {
        let waker = Waker::from(Arc::new(Panics(text)));
        assert!(Future::poll(wait.as_mut(), &mut Context::from_waker(&waker)).is_pending());
    }
    let mut after: Vec<_> = (0..100).map(|_| Driven::new(waiter.wait())).collect();
    after.iter_mut().for_each(Driven::suspends);
    assert_eq!(panic_text(|| waiter.notify()), "the first");
    before.finishes();
    for wait in &mut after {
        assert_eq!(wait.take_wakes(), 1);
        wait.finishes();
    }
    // And it is as good as new.
    let mut next = Driven::new(waiter.wait());
    next.suspends();
    waiter.notify();
    next.finishes();
}

/// WTR-1: the waker of the last poll.
#[test]
fn a_wait_that_is_polled_with_another_waker_wakes_that_one() {
    let waiter = Waiter::new();
    let (first_home, second_home) = (Driven::new(pending::<()>()), Driven::new(pending::<()>()));
    let mut wait = pin!(waiter.wait());
    assert!(first_home.lend_waker(wait.as_mut()).is_pending());
    assert!(second_home.lend_waker(wait.as_mut()).is_pending());
    assert_eq!(first_home.wakers_held(), 0);
    waiter.notify();
    assert_eq!((first_home.take_wakes(), second_home.take_wakes()), (0, 1));
}

/// WTR-5, SHD-2: cancelled, timed out and shielded waits.
#[test]
fn a_cancelled_wait_leaves_and_a_shielded_one_stays() {
    let log = Log::new();
    let waiter = Waiter::new();
    let cancelled = CancelScope::new(waiter.wait());
    let handle = cancelled.handle();
    let mut cancelled = Driven::new(cancelled);
    let mut timed = Driven::new(timeout_with(async {}, waiter.wait()));
    let task = ShieldableTask::new(async {
        shielded(waiter.wait()).await;
        log.note("notified");
        suspend().await;
        log.note("went on");
    });
    let task_handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    cancelled.suspends();
    assert!(timed.finishes().is_err());
    handle.cancel();
    task_handle.cancel();
    assert!(cancelled.finishes().is_err());
    task.suspends();
    waiter.notify();
    assert!(task.finishes().is_err());
    log.assert(&["notified"]);
}

/// WTR-1, WTR-3: the usual order on threads, many times over: wait, look, await.
#[test]
fn check_then_wait_on_threads_loses_no_wake_up() {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    for _ in 0..2_000 {
        let (waiter, ready, start) = (Waiter::new(), AtomicBool::new(false), Barrier::new(2));
        std::thread::scope(|threads| {
            threads.spawn(|| {
                start.wait();
                ready.store(true, Ordering::Relaxed);
                waiter.notify();
            });
            start.wait();
            let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
            let mut cx = Context::from_waker(&waker);
            loop {
                let mut changed = pin!(waiter.wait());
                if ready.load(Ordering::Relaxed) {
                    break;
                }
                while Future::poll(changed.as_mut(), &mut cx).is_pending() {
                    std::thread::park();
                }
            }
        });
    }
}

/// Python's waiter does not wake the loop from another thread.
#[tokio::test]
async fn a_notification_from_another_thread_wakes_a_task() {
    static WAITER: Waiter = Waiter::new();
    let waiting = tokio::spawn(WAITER.wait());
    // On one thread, a turn runs whatever was spawned before.
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    std::thread::spawn(|| WAITER.notify()).join().unwrap();
    waiting.await.unwrap();
}

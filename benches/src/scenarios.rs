//! What is counted under callgrind, and timed by criterion: each operation by itself, on one thread, so often that the
//! way to it does not matter.

use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use shieldable::{CancelScope, Lock, RLock, ShieldableTask, Waiter, shield_scope};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Mutex, Notify};
use tokio_shield::Shield;
use tokio_util::sync::CancellationToken;

use crate::alloc::{Allocations, allocations_of};
use crate::hand;

/// How often a scenario does its operation.
pub const TIMES: usize = 1000;

/// The function in which callgrind counts.
pub const COLLECT: &str = "shieldable_benches_collect";

/// Callgrind counts from the beginning of this function to its end, and finds it by its name.
// SAFETY: nothing else has this name.
#[unsafe(no_mangle)]
#[inline(never)]
fn shieldable_benches_collect(work: &mut dyn FnMut()) {
    work();
}

/// What came of all [`TIMES`] operations of a scenario together.
#[derive(Clone, Copy, Debug)]
pub struct Collected {
    pub allocations: Allocations,
    pub took: Duration,
}

fn collected(mut work: impl FnMut()) -> Collected {
    let (took, allocations) = allocations_of(|| {
        let start = Instant::now();
        shieldable_benches_collect(&mut work);
        start.elapsed()
    });
    Collected { allocations, took }
}

fn each<R>(mut operation: impl FnMut() -> R) -> Collected {
    collected(|| (0..TIMES).for_each(|_| drop(black_box(operation()))))
}

/// `body` inside a task of ours, where an `.await` is allowed.
fn in_task(body: impl Future<Output = ()>) -> Collected {
    let mut task = pin!(ShieldableTask::new(body));
    collected(|| assert!(hand::poll(task.as_mut()).is_ready()))
}

fn polls(future: impl Future) -> Collected {
    let mut future = pin!(future);
    // The first poll registers what the others find.
    assert!(hand::poll(future.as_mut()).is_pending());
    each(|| hand::poll(future.as_mut()).is_pending())
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime without drivers")
}

/// `body` on a runtime that has run it before.
fn on_tokio<F: Future>(body: impl Fn() -> F) -> Collected {
    let runtime = runtime();
    runtime.block_on(body());
    collected(|| {
        runtime.block_on(body());
    })
}

macro_rules! repeat {
    ($operation:expr) => {
        on_tokio(|| async {
            for _ in 0..TIMES {
                let _ = black_box($operation.await);
            }
        })
    };
}

macro_rules! free {
    ($lock:expr) => {{
        let lock = $lock;
        in_task(async {
            for _ in 0..TIMES {
                black_box(&*lock.lock().await);
            }
        })
    }};
}

/// A release to somebody who waits, whose next poll finds that, and who then takes the place at the end of the queue.
fn hand_overs<A: Future>(acquire: impl Fn() -> A) -> Collected {
    let mut holder = Some(hand::ready(acquire()));
    let mut waiting = [Box::pin(acquire()), Box::pin(acquire())];
    for place in &mut waiting {
        assert!(hand::poll(place.as_mut()).is_pending());
    }
    let mut turn = 0;
    each(|| {
        turn ^= 1;
        let place = &mut waiting[turn ^ 1];
        holder = None;
        match hand::poll(place.as_mut()) {
            Poll::Ready(guard) => holder = Some(guard),
            Poll::Pending => unreachable!("handed over"),
        }
        place.set(acquire());
        assert!(hand::poll(place.as_mut()).is_pending());
    })
}

/// Ten wait; the middle one gives up and comes back.
fn cancel_queued<A: Future>(acquire: impl Fn() -> A) -> Collected {
    let _held = hand::ready(acquire());
    let mut waiting: Vec<Pin<Box<A>>> = (0..10).map(|_| Box::pin(acquire())).collect();
    for place in &mut waiting {
        assert!(hand::poll(place.as_mut()).is_pending());
    }
    let mut turn = 0;
    each(|| {
        turn = (turn + 1) % waiting.len();
        waiting[turn].set(acquire());
        assert!(hand::poll(waiting[turn].as_mut()).is_pending());
    })
}

/// One notification of [`TIMES`] waiters. Waiting and waking up are not counted.
fn notify<W: Future>(wait: impl Fn() -> W, notify: impl Fn()) -> Collected {
    let mut waiting: Vec<Pin<Box<W>>> = (0..TIMES).map(|_| Box::pin(wait())).collect();
    for place in &mut waiting {
        assert!(hand::poll(place.as_mut()).is_pending());
    }
    collected(notify)
}

/// [`TIMES`] notifications of one waiter each.
fn notify_one<N, W: Future>(objects: &[N], wait: impl Fn(usize) -> W, notify: impl Fn(&N)) -> Collected {
    let mut waiting: Vec<Pin<Box<W>>> = (0..objects.len()).map(|index| Box::pin(wait(index))).collect();
    for place in &mut waiting {
        assert!(hand::poll(place.as_mut()).is_pending());
    }
    collected(|| objects.iter().for_each(&notify))
}

fn many<T>(make: fn() -> T) -> Vec<T> {
    (0..TIMES).map(|_| make()).collect()
}

/// [`TIMES`] idle tasks, each cancelled once, from a task on the same runtime. What the runtime then does is not counted.
fn cancel_idle<H>(spawn: impl Fn() -> H, cancel: impl Fn(&H)) -> Collected {
    runtime().block_on(async {
        let tasks: Vec<H> = (0..TIMES).map(|_| spawn()).collect();
        for _ in 0..TIMES {
            tokio::task::yield_now().await;
        }
        // The runtime's queue grows once; that is not of the first call's making.
        tasks.iter().for_each(&cancel);
        for _ in 0..TIMES {
            tokio::task::yield_now().await;
        }
        let tasks: Vec<H> = (0..TIMES).map(|_| spawn()).collect();
        for _ in 0..TIMES {
            tokio::task::yield_now().await;
        }
        collected(|| tasks.iter().for_each(&cancel))
    })
}

thread_local! {
    static PLAIN: Cell<u64> = const { Cell::new(0) };
}

/// A scenario by its name.
pub type Scenario = (&'static str, fn() -> Collected);

/// All scenarios; `bounds.txt` has a line for each.
pub const ALL: &[Scenario] = &[
    ("thread_local_pair", || {
        each(|| {
            PLAIN.with(|plain| plain.set(black_box(plain.get() + 1)));
            PLAIN.with(|plain| plain.set(black_box(plain.get() - 1)));
        })
    }),
    ("shield", || in_task(async { (0..TIMES).for_each(|_| drop(black_box(shield_scope()))) })),
    ("shield_in_scope", || {
        in_task(async {
            let inside = CancelScope::new(async { (0..TIMES).for_each(|_| drop(black_box(shield_scope()))) });
            inside.await.expect("nobody cancels it");
        })
    }),
    ("tokio_shield", || repeat!(async {}.shield())),
    ("poll_bare", || polls(hand::never())),
    ("poll_task", || polls(ShieldableTask::new(hand::never()))),
    ("poll_scope_in_task", || polls(ShieldableTask::new(CancelScope::new(hand::never())))),
    ("poll_run_until_cancelled", || {
        let token = CancellationToken::new();
        polls(token.run_until_cancelled(hand::never()))
    }),
    ("cancel_scope", || {
        in_task(async {
            for _ in 0..TIMES {
                black_box(CancelScope::new(async {}).await).expect("nobody cancels it");
            }
        })
    }),
    ("spawn_join", || repeat!(shieldable::spawn(async {}))),
    ("tokio_spawn_join", || repeat!(tokio::spawn(async {}))),
    ("rlock", || free!(RLock::new(0_u64))),
    ("lock", || free!(Lock::new(0_u64))),
    ("parking_lot_reentrant", || {
        let lock = parking_lot::ReentrantMutex::new(0_u64);
        in_task(async { (0..TIMES).for_each(|_| drop(black_box(lock.lock()))) })
    }),
    ("tokio_mutex", || free!(Mutex::new(0_u64))),
    ("async_lock_mutex", || free!(async_lock::Mutex::new(0_u64))),
    ("rlock_again", || {
        let lock = RLock::new(0_u64);
        in_task(async {
            let _outer = lock.lock().await;
            for _ in 0..TIMES {
                black_box(&*lock.lock().await);
            }
        })
    }),
    ("compare_exchange_and_sub", || {
        let word = AtomicU64::new(0);
        each(|| {
            let _ = black_box(word.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed));
            word.fetch_sub(1, Ordering::Release)
        })
    }),
    ("lock_hand_over", || {
        let lock = Lock::new(());
        hand_overs(|| lock.lock())
    }),
    ("tokio_mutex_hand_over", || {
        let lock = Mutex::new(());
        hand_overs(|| lock.lock())
    }),
    ("lock_cancel_queued", || {
        let lock = Lock::new(());
        cancel_queued(|| lock.lock())
    }),
    ("tokio_mutex_cancel_queued", || {
        let lock = Mutex::new(());
        cancel_queued(|| lock.lock())
    }),
    ("notify", || {
        let waiter = Waiter::new();
        notify(|| waiter.wait(), || waiter.notify())
    }),
    ("tokio_notify", || {
        let waiter = Notify::new();
        notify(|| waiter.notified(), || waiter.notify_waiters())
    }),
    ("notify_one", || {
        let objects = many(Waiter::new);
        notify_one(&objects, |index| objects[index].wait(), Waiter::notify)
    }),
    ("tokio_notify_one", || {
        let objects = many(Notify::new);
        notify_one(&objects, |index| objects[index].notified(), Notify::notify_waiters)
    }),
    ("cancel_idle", || {
        cancel_idle(
            || shieldable::spawn(pending::<()>()),
            |task| {
                task.cancel();
            },
        )
    }),
    ("tokio_abort_idle", || cancel_idle(|| tokio::spawn(pending::<()>()), |task| task.abort())),
    ("poll_fn_with_shield", || {
        let mut shield = None;
        let alternate = poll_fn(move |_| {
            shield = if shield.is_none() { Some(shield_scope()) } else { None };
            Poll::<()>::Pending
        });
        polls(ShieldableTask::new(alternate))
    }),
];

//! Allocations, sizes, and what a million idle tasks take.

use std::future::pending;
use std::hint::black_box;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, bail};
use shieldable::{
    CancelHandle, CancelScope, Lock, RLock, ShieldScope, ShieldableTask, TaskHandle, Waiter, shield_scope,
};

use super::{Outcome, current_thread};
use crate::alloc::allocations_of;
use crate::hand;
use crate::measure::{Plan, median};
use crate::report::{Bound, Figure, Line};

pub(super) fn run(plan: &Plan) -> Outcome {
    let mut lines = allocations();
    lines.extend(sizes());
    match idle_tasks(plan) {
        Ok(line) => lines.push(line),
        Err(error) => {
            // Should nobody read it, the rows that follow find out.
            let _ = plan.print(&format!("idle tasks could not be measured: {error:#}"));
        }
    }
    lines.into()
}

fn allocations() -> Vec<Line> {
    let count = |work: &dyn Fn()| allocations_of(work).1.count as f64;
    let held = |what: &str, work: &dyn Fn(), bound: Bound| {
        Line::alone(format!("allocations: {what}"), Figure::Count(count(work)), bound)
    };
    let ((), shield) = hand::ready(ShieldableTask::new(async { allocations_of(|| drop(shield_scope())) })).unwrap();
    let (lock, waiter) = (Lock::new(()), Waiter::new());
    let ((), re_entry) = hand::ready(ShieldableTask::new(async {
        let lock = RLock::new(());
        allocations_of(|| drop((hand::ready(lock.lock()), hand::ready(lock.lock()))))
    }))
    .unwrap();
    vec![
        Line::alone("allocations: a shield", Figure::Count(shield.count as f64), Bound::AtMost(0.0)),
        held("a Lock, taken and released", &|| drop(hand::ready(lock.lock())), Bound::AtMost(0.0)),
        Line::alone("allocations: an RLock, entered twice", Figure::Count(re_entry.count as f64), Bound::AtMost(0.0)),
        held("a queued acquisition", &|| queue_behind(&lock), Bound::AtMost(0.0)),
        held(
            "a wait",
            &|| {
                let mut wait = std::pin::pin!(waiter.wait());
                assert!(hand::poll(wait.as_mut()).is_pending());
            },
            Bound::AtMost(0.0),
        ),
        held("a CancelScope", &|| drop(black_box(CancelScope::new(pending::<()>()))), Bound::AtMost(1.0)),
        held("a ShieldableTask", &|| drop(black_box(ShieldableTask::new(pending::<()>()))), Bound::AtMost(1.0)),
        held("a CancellationToken", &|| drop(black_box(tokio_util::sync::CancellationToken::new())), Bound::None),
    ]
}

fn queue_behind(lock: &Lock<()>) {
    let _held = hand::ready(lock.lock());
    let mut queued = std::pin::pin!(lock.lock());
    assert!(hand::poll(queued.as_mut()).is_pending());
}

fn size_of_output<T>(_: impl FnOnce() -> T) -> f64 {
    size_of::<T>() as f64
}

fn sizes() -> Vec<Line> {
    let beside = |what: &str, ours: f64, peer: &str, theirs: f64| {
        let difference = Figure::Bytes(ours - theirs);
        Line::beside(what, Figure::Bytes(ours), peer, Figure::Bytes(theirs), difference, Bound::None)
    };
    macro_rules! size {
        ($ours:ty, $theirs:ty) => {
            beside(
                concat!("size: ", stringify!($ours)),
                size_of::<$ours>() as f64,
                stringify!($theirs),
                size_of::<$theirs>() as f64,
            )
        };
    }
    use shieldable::{LockGuard, OwnedLockGuard, OwnedRLockGuard, RLockGuard, Wait};
    use tokio::sync::Notify;
    use tokio::task::AbortHandle;
    use tokio_util::sync::{CancellationToken, DropGuard};
    use tokio_util::task::AbortOnDropHandle;
    type Body = [u64; 8];
    let wrapper = size_of::<ShieldableTask<Body>>() - size_of::<Body>();
    vec![
        Line::beside(
            "size: ShieldableTask around a body of 64 bytes",
            Figure::Bytes(size_of::<ShieldableTask<Body>>() as f64),
            "the body, difference",
            Figure::Bytes(size_of::<Body>() as f64),
            Figure::Bytes(wrapper as f64),
            Bound::AtMost(48.0),
        ),
        beside(
            "size: CancelScope around it",
            size_of::<CancelScope<Body>>() as f64,
            "the body",
            size_of::<Body>() as f64,
        ),
        beside(
            "size: Shielded around it",
            size_of::<shieldable::Shielded<Body>>() as f64,
            "the body",
            size_of::<Body>() as f64,
        ),
        size!(ShieldScope, DropGuard),
        size!(CancelHandle, CancellationToken),
        size!(TaskHandle, AbortHandle),
        size!(shieldable::JoinHandle<()>, tokio::task::JoinHandle<()>),
        size!(shieldable::CancelOnDrop<()>, AbortOnDropHandle<()>),
        size!(shieldable::time::Timeout<()>, tokio::time::Timeout<()>),
        Line::alone(
            "size: shieldable::Checkpoint",
            Figure::Bytes(size_of::<shieldable::Checkpoint>() as f64),
            Bound::None,
        ),
        size!(shieldable::TaskId, tokio::task::Id),
        size!(shieldable::JoinError, tokio::task::JoinError),
        size!(shieldable::Cancelled, tokio::task::JoinError),
        size!(shieldable::Elapsed, tokio::time::error::Elapsed),
        size!(shieldable::NoCurrentScope, tokio::runtime::TryCurrentError),
        size!(shieldable::TryLockError, tokio::sync::TryLockError),
        size!(Lock, tokio::sync::Mutex<()>),
        size!(LockGuard<'static>, tokio::sync::MutexGuard<'static, ()>),
        size!(OwnedLockGuard, tokio::sync::OwnedMutexGuard<()>),
        size!(RLock, parking_lot::ReentrantMutex<()>),
        size!(RLockGuard<'static>, parking_lot::ReentrantMutexGuard<'static, ()>),
        size!(OwnedRLockGuard, tokio::sync::OwnedMutexGuard<()>),
        size!(Waiter, Notify),
        size!(Wait<'static>, tokio::sync::futures::Notified<'static>),
        beside(
            "size: Lock::lock()",
            size_of_output(|| LOCK.lock()),
            "tokio::sync::Mutex::lock()",
            size_of_output(|| MUTEX.lock()),
        ),
        beside(
            "size: RLock::lock()",
            size_of_output(|| RLOCK.lock()),
            "async_lock::Mutex::lock()",
            size_of_output(|| SMOL.lock()),
        ),
    ]
}

static LOCK: Lock = Lock::new(());
static RLOCK: RLock = RLock::new(());
static MUTEX: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
static SMOL: async_lock::Mutex<()> = async_lock::Mutex::new(());

const IDLE: usize = 1_000_000;

/// Each measurement in a process of its own: an allocator gives little back.
fn idle_tasks(plan: &Plan) -> Result<Line> {
    let tasks = if plan.quick { IDLE / 10 } else { IDLE };
    let measure = |whose: &str| -> Result<f64> {
        let mut all = Vec::new();
        for run in 1..=3 {
            plan.say(format!("{tasks} idle tasks: {whose}, run {run} of 3"));
            let output = Command::new(std::env::current_exe()?).args(["--idle", whose, &tasks.to_string()]).output()?;
            let text = String::from_utf8(output.stdout)?;
            all.push(text.trim().parse::<f64>().with_context(|| format!("the child said {text:?}"))?);
        }
        Ok(median(all))
    };
    let (ours, theirs) = (measure("ours")?, measure("tokio")?);
    Ok(Line::beside(
        format!("resident memory of each of {tasks} idle tasks"),
        Figure::Bytes(ours),
        "tokio::spawn",
        Figure::Bytes(theirs),
        Figure::Times(ours / theirs),
        Bound::AtMost(1.5),
    ))
}

static POLLED: AtomicUsize = AtomicUsize::new(0);

async fn idle() {
    POLLED.fetch_add(1, Ordering::Relaxed);
    pending().await
}

/// In the child: prints the resident bytes of each of so many tasks that were polled once and wait.
pub fn idle_child(whose: &str, tasks: usize) -> Result<()> {
    let runtime = current_thread();
    let before = resident()?;
    runtime.block_on(async {
        for _ in 0..tasks {
            match whose {
                "ours" => drop(shieldable::spawn(idle())),
                "tokio" => drop(tokio::spawn(idle())),
                _ => bail!("`ours` or `tokio`, not {whose}"),
            }
        }
        while POLLED.load(Ordering::Relaxed) < tasks {
            tokio::task::yield_now().await;
        }
        Ok(())
    })?;
    println!("{}", (resident()? - before) / tasks as u64);
    // The tasks are not taken down one by one: the process ends.
    std::process::exit(0);
}

fn resident() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("resident memory is read from /proc")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024)
}

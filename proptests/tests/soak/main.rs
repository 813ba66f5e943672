//! A storm of cancellations over shared locks, scopes and timeouts, on a real runtime with two workers.
//!
//! A hundred thousand tasks (times `PROPTEST_CASES` / 256), some thousand at a time, take a few locks of either sort,
//! move money between accounts under shields, run parts of themselves in cancel scopes and timeouts, wait for
//! notifications, and are cancelled, aborted or detached at moments of the scheduler's choosing. At the end every lock
//! is free, every handle resolved, nothing leaked, no money lost, and as much memory in use as after the first waves.

mod live;

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use shieldable::time::timeout;
use shieldable::{CancelScope, JoinHandle, Lock, RLock, TaskHandle, Waiter, checkpoint, shield_scope, shielded, spawn};
use shieldable_proptests::scale::scaled;
use tokio::runtime::Builder;
use tokio::task::yield_now;

const TASKS: usize = 100_000;
const AT_A_TIME: usize = 2_000;
const LOCKS: usize = 8;
/// By then whatever is kept for ever has been made; as many are compared with them at the end.
const FIRST_WAVES: usize = 5;
/// So many bytes more may be in use after the last waves than after the first ones: far less than one for each task.
const SLACK: usize = 4_096;
/// Nothing is timed by it: a wave that takes so long on average hangs.
const HANGS: Duration = Duration::from_secs(1);

/// Of the size of a request's state, so that leaks show.
struct Ballast {
    bank: Arc<Bank>,
    _bytes: Vec<u8>,
}

impl Drop for Ballast {
    fn drop(&mut self) {
        self.bank.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Account {
    lock: Lock,
    /// Somebody is inside.
    busy: AtomicBool,
    balance: AtomicI64,
}

#[derive(Default)]
struct Ledger {
    lock: RLock,
    /// The number of the task that is inside, and how deep.
    owner: AtomicUsize,
    depth: AtomicUsize,
}

#[derive(Default)]
struct Bank {
    accounts: [Account; LOCKS],
    ledgers: [Ledger; LOCKS],
    news: Waiter,
    dropped: AtomicUsize,
    begun: AtomicUsize,
    finished: AtomicUsize,
    /// Bodies torn out of a shield by an abort.
    torn: AtomicUsize,
}

#[derive(Clone, Copy)]
struct Random(u64);

impl Random {
    fn pick(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

/// While it lives its holder is alone inside. Dropped before the guard of the lock.
struct Alone<'a>(&'a Account);

impl<'a> Alone<'a> {
    fn inside(account: &'a Account) -> Self {
        assert!(!account.busy.swap(true, Ordering::Relaxed), "two are inside a lock");
        Self(account)
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        assert!(self.0.busy.swap(false, Ordering::Relaxed), "nobody was inside");
    }
}

/// One level inside a ledger.
struct Level<'a>(&'a Ledger);

impl<'a> Level<'a> {
    fn enter(ledger: &'a Ledger, me: usize) -> Self {
        if ledger.depth.fetch_add(1, Ordering::Relaxed) == 0 {
            assert_eq!(ledger.owner.swap(me, Ordering::Relaxed), 0, "two tasks are inside a ledger");
        }
        assert_eq!(ledger.owner.load(Ordering::Relaxed), me, "somebody else's level");
        Self(ledger)
    }
}

impl Drop for Level<'_> {
    fn drop(&mut self) {
        if self.0.depth.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.owner.store(0, Ordering::Relaxed);
        }
    }
}

impl Bank {
    /// Two accounts in the order of their numbers, under a shield: all of it or nothing.
    async fn transfer(&self, from: usize, to: usize, amount: i64) {
        let (first, second) = (&self.accounts[from.min(to)], &self.accounts[from.max(to)]);
        let _first = first.lock.lock().await;
        let _alone = Alone::inside(first);
        let _second = if from == to { None } else { Some(second.lock.lock().await) };
        let _alone_too = (from != to).then(|| Alone::inside(second));
        let _shield = shield_scope();
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.accounts[from].balance.fetch_sub(amount, Ordering::Relaxed);
        yield_now().await;
        self.accounts[to].balance.fetch_add(amount, Ordering::Relaxed);
        self.finished.fetch_add(1, Ordering::Relaxed);
    }

    async fn audit(&self, at: usize, me: usize, depth: usize) {
        let ledger = &self.ledgers[at];
        let _guard = ledger.lock.lock().await;
        let _level = Level::enter(ledger, me);
        if depth > 0 {
            yield_now().await;
            Box::pin(self.audit(at, me, depth - 1)).await;
        }
    }

    async fn work(&self, me: usize, mut random: Random) -> usize {
        for _ in 0..1 + random.pick(3) {
            let (from, to, soon) =
                (random.pick(LOCKS), random.pick(LOCKS), Duration::from_micros(random.pick(200) as u64));
            match random.pick(8) {
                0 | 1 => self.transfer(from, to, 1).await,
                2 => self.audit(from, me, 2).await,
                3 => {
                    let part = CancelScope::new(self.audit(from, me, 1));
                    let handle = part.handle();
                    if random.pick(2) == 0 {
                        handle.cancel();
                    }
                    _ = part.await;
                    assert!(handle.is_finished());
                }
                4 => _ = timeout(soon, self.transfer(from, to, 2)).await,
                5 => shielded(async { _ = timeout(soon, self.news.wait()).await }).await,
                6 => self.news.notify(),
                _ => {
                    if random.pick(4) == 0 {
                        TaskHandle::current().cancel();
                    }
                    checkpoint().await;
                }
            }
        }
        me
    }
}

/// Some thousand tasks at once, from the first to the last.
async fn wave(bank: &Arc<Bank>, first: usize) {
    let mut tasks: Vec<JoinHandle<usize>> = Vec::with_capacity(AT_A_TIME);
    let (mut sleepers, mut aborted, mut detached) = (Vec::new(), Vec::new(), Vec::<TaskHandle>::new());
    let mut random = Random(first as u64);
    for me in first..first + AT_A_TIME {
        let ballast = Ballast { bank: bank.clone(), _bytes: vec![0; 256] };
        let random_of_task = Random(me as u64);
        let never_returns = me % 32 == 0;
        let task = spawn(async move {
            let ballast = ballast;
            let value = ballast.bank.work(me, random_of_task).await;
            if never_returns { pending().await } else { value }
        });
        if never_returns {
            sleepers.push(task);
            continue;
        }
        tasks.push(task);
        if random.pick(3) == 0 {
            // One of those that run already, as likely as not in the middle of something.
            match (tasks.swap_remove(random.pick(tasks.len())), random.pick(16)) {
                (task, 0) => detached.push(task.handle().clone()),
                (task, 1) => {
                    task.abort();
                    aborted.push(task);
                }
                (task, 2) => {
                    detached.push(task.handle().clone());
                    drop(task.cancel_on_drop());
                }
                (task, _) => {
                    task.cancel();
                    tasks.push(task);
                }
            }
        }
        if random.pick(64) == 0 {
            yield_now().await;
        }
    }
    for sleeper in &sleepers {
        sleeper.cancel();
    }
    for task in tasks.into_iter().chain(aborted).chain(sleepers) {
        let handle = task.handle().clone();
        match task.await {
            Ok(me) => assert!((first..first + AT_A_TIME).contains(&me)),
            Err(error) => assert!(error.is_cancelled() || error.is_aborted(), "{error}"),
        }
        assert!(handle.is_finished() && !handle.cancel() && !handle.is_shielded());
        bank.torn.fetch_add(usize::from(handle.was_torn()), Ordering::Relaxed);
    }
    for handle in detached {
        while !handle.is_finished() {
            yield_now().await;
        }
        assert!(!handle.was_torn());
    }
}

#[test]
fn a_storm_of_cancellations_leaves_every_lock_free_and_nothing_behind() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    let bank = Arc::new(Bank::default());
    let waves = (scaled(TASKS as u64) as usize).div_ceil(AT_A_TIME).max(2 * FIRST_WAVES);
    let mut in_use = Vec::with_capacity(waves);
    // On a worker, not on the thread of the test.
    let storm = runtime.spawn({
        let bank = bank.clone();
        async move {
            for number in 0..waves {
                wave(&bank, 1 + number * AT_A_TIME).await;
                in_use.push(live::bytes());
            }
            in_use
        }
    });
    let in_use = runtime.block_on(async { tokio::time::timeout(HANGS * waves as u32, storm).await });
    let in_use = in_use.expect("a wake-up is lost").unwrap();

    let tasks = waves * AT_A_TIME;
    // A task that is finished still takes the runtime a moment to put away.
    runtime.block_on(async {
        while runtime.metrics().num_alive_tasks() > 0 {
            yield_now().await;
        }
    });
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    let (begun, finished, torn) = (count(&bank.begun), count(&bank.finished), count(&bank.torn));
    println!("{tasks} tasks, {begun} transfers begun, {finished} finished, {torn} bodies torn");
    println!("bytes in use after each wave: {in_use:?}");
    assert_eq!(count(&bank.dropped), tasks, "bodies leaked");
    for (account, ledger) in bank.accounts.iter().zip(&bank.ledgers) {
        assert!(!account.lock.is_locked() && !account.busy.load(Ordering::Relaxed));
        assert!(!ledger.lock.is_locked() && count(&ledger.depth) == 0 && count(&ledger.owner) == 0);
    }
    // Only an abort tears a transfer apart, and then the handle tells.
    assert!(begun - finished <= torn, "{begun} begun, {finished} finished, {torn} torn");
    assert_eq!(Arc::strong_count(&bank), 1);
    // A task that has just finished may still be there after a wave, but not after each of them.
    let first = in_use[..FIRST_WAVES].iter().max().expect("there are some");
    let last = in_use[waves - FIRST_WAVES..].iter().min().expect("there are some");
    assert!(*last <= first + SLACK, "memory grows: from {first} to {last} bytes");
}

//! One run: every order placed, the storm on them, the runtime shut down, the books read.
//!
//! The day ends as days do: once every order has been placed, the doors close on what is still in the air. All of it is
//! cancelled, all the handles are awaited, and then the runtime is dropped at once, as the end of a `main` would. A
//! program that has awaited all its tasks may expect that nothing of them is left: whatever still runs then was left
//! running behind its back, and goes down with the runtime.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use indicatif::ProgressBar;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::audit::Books;
use crate::plan::{Order, Step, Strike};
use crate::report::Column;
use crate::store::{self, Paths};
use crate::transfer::Probe;
use crate::ways::{Counter, Told, Way};

/// If for so long no transfer ends, none will: a run must not hang.
const STALLED: Duration = Duration::from_secs(30);

/// What one customer saw.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// The order.
    pub order: Order,
    /// What the handle said.
    pub told: Told,
    /// Whether it was cancelled before that.
    pub cancelled: bool,
    /// Whether the section was still running when it did.
    pub orphaned: bool,
}

/// The run was cut short by Ctrl-C.
#[derive(Debug)]
pub struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Runs all of `plan` in one of the ways and judges what it left.
pub fn run(
    way: Way,
    plan: &[(Order, Option<Strike>)],
    paths: &Paths,
    (accounts, at_once, seed): (u32, usize, u64),
    bar: &ProgressBar,
) -> Result<Column> {
    let (servers, threads) = store::open(paths, accounts, seed)?;
    let before = Books::read(paths)?.total;
    let begin = Instant::now();

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start tokio")?;
    let counter = way.open(servers);
    let seen = runtime.block_on(weather(&counter, plan, at_once, bar));
    drop(runtime);
    drop(counter);
    threads.join()?;

    let time = begin.elapsed();
    Ok(Column::judge(way, &seen?, &Books::read(paths)?, before, time))
}

/// Keeps `at_once` transfers in the air until all have been placed, then closes the doors on the last half of them.
///
/// Ctrl-C closes them early.
async fn weather(
    counter: &Counter,
    plan: &[(Order, Option<Strike>)],
    at_once: usize,
    bar: &ProgressBar,
) -> Result<Vec<Seen>> {
    let (doors, closing) = watch::channel(false);
    let last_half = at_once.min(plan.len()) / 2;
    let mut customers = JoinSet::new();
    let mut seen = Vec::with_capacity(plan.len());
    let mut orders = plan.iter().copied();
    let mut ctrl_c = pin!(tokio::signal::ctrl_c());
    let mut interrupted = false;
    loop {
        while customers.len() < at_once {
            let Some((order, strike)) = orders.next() else {
                break;
            };
            customers.spawn(customer(counter.clone(), order, strike, closing.clone()));
        }
        if orders.len() == 0 && customers.len() <= last_half {
            doors.send_replace(true);
        }
        tokio::select! {
            one = timeout(STALLED, customers.join_next()) => match one {
                Ok(Some(one)) => seen.push(one.context("a customer panicked")??),
                Ok(None) if interrupted => return Err(Interrupted.into()),
                Ok(None) => return Ok(seen),
                Err(_) => bail!("{} transfers hang: none has ended for {STALLED:?}", customers.len()),
            },
            _ = &mut ctrl_c, if !interrupted => {
                interrupted = true;
                orders = plan[..0].iter().copied();
                doors.send_replace(true);
                continue;
            }
        }
        bar.inc(1);
    }
}

/// Orders one transfer, cancels it where the storm strikes or when the doors close, and waits for its handle.
async fn customer(
    counter: Counter,
    order: Order,
    strike: Option<Strike>,
    mut closing: watch::Receiver<bool>,
) -> Result<Seen> {
    let in_section = Arc::new(AtomicBool::new(false));
    let (cue, reached) = oneshot::channel();
    let mut probe = Probe::new(strike.map(|strike| (strike.step, cue)), in_section.clone());
    probe.at(Step::Start);
    let mut transfer = counter.start(order, probe);
    let struck = async {
        match strike {
            Some(strike) if reached.await.is_ok() => sleep(strike.delay).await,
            // Not chosen, or it never got there: the cue is dropped with the transfer.
            _ => pending().await,
        }
    };
    let (told, cancelled) = tokio::select! {
        told = transfer.told() => (told, false),
        () = struck => (transfer.cancelled().await, true),
        _ = closing.changed() => (transfer.cancelled().await, true),
    };
    let told = told.with_context(|| format!("transfer {}", order.id))?;
    Ok(Seen { order, told, cancelled, orphaned: in_section.load(Ordering::SeqCst) })
}

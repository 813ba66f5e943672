//! The three ways of running a transfer, behind one face: start it, cancel it, hear what became of it.

use std::sync::Arc;

use anyhow::{Context as _, Result};

use crate::plan::Order;
use crate::store::Servers;
use crate::transfer::{self, Plain, Probe, Reentrant, Reply};

/// How transfers run and are cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// tokio tasks, cancelled by `abort`.
    Abort,
    /// The same, with the section in a task of its own (crate `tokio-shield`).
    SpawnAndAwait,
    /// Shieldable tasks, cancelled by `cancel`; `shield: false` leaves the shield out.
    Shieldable {
        /// Whether the section is shielded.
        shield: bool,
    },
}

impl Way {
    /// The heading of its column.
    pub fn name(self) -> &'static str {
        match self {
            Way::Abort => "abort",
            Way::SpawnAndAwait => "tokio-shield",
            Way::Shieldable { shield: true } => "shieldable",
            Way::Shieldable { shield: false } => "(no shield)",
        }
    }

    /// Opens the counters over `servers`.
    pub fn open(self, servers: Servers) -> Counter {
        match self {
            Way::Abort => Counter::Abort(Arc::new(Plain::new(servers))),
            Way::SpawnAndAwait => Counter::SpawnAndAwait(Arc::new(Plain::new(servers))),
            Way::Shieldable { shield } => Counter::Shieldable(Arc::new(Reentrant::new(servers, shield))),
        }
    }
}

/// Where transfers are ordered.
#[derive(Clone, Debug)]
pub enum Counter {
    /// See [`Way::Abort`].
    Abort(Arc<Plain>),
    /// See [`Way::SpawnAndAwait`].
    SpawnAndAwait(Arc<Plain>),
    /// See [`Way::Shieldable`].
    Shieldable(Arc<Reentrant>),
}

impl Counter {
    /// Starts the transfer.
    pub fn start(&self, order: Order, probe: Probe) -> Transfer {
        match self {
            Counter::Abort(bank) => Transfer::Tokio(tokio::spawn(transfer::bare(bank.clone(), order, probe))),
            Counter::SpawnAndAwait(bank) => {
                Transfer::Tokio(tokio::spawn(transfer::spawned(bank.clone(), order, probe)))
            }
            Counter::Shieldable(bank) => {
                Transfer::Shieldable(shieldable::spawn(transfer::shielded(bank.clone(), order, probe)))
            }
        }
    }
}

/// A transfer under way.
#[derive(Debug)]
pub enum Transfer {
    /// In a tokio task.
    Tokio(tokio::task::JoinHandle<Result<Reply>>),
    /// In a shieldable task.
    Shieldable(shieldable::JoinHandle<Result<Reply>>),
}

/// What the customer was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The transfer's own words.
    Reply(Reply),
    /// That it was cancelled.
    Cancelled,
    /// Nothing it could tell: it was dropped out of an open shield.
    Torn,
}

impl Transfer {
    /// Cancels it, in the manner of its way, and waits for what it says.
    pub async fn cancelled(&mut self) -> Result<Told> {
        match self {
            Transfer::Tokio(task) => task.abort(),
            Transfer::Shieldable(task) => {
                // `false` says that it had ended already: as good.
                let _ = task.cancel();
            }
        }
        self.told().await
    }

    /// Waits for the handle to resolve. A panic, or a server that failed, is an error of the run.
    pub async fn told(&mut self) -> Result<Told> {
        match self {
            Transfer::Tokio(task) => match task.await {
                Ok(reply) => Ok(Told::Reply(reply?)),
                Err(end) if end.is_cancelled() => Ok(Told::Cancelled),
                Err(end) => Err(end).context("a transfer panicked"),
            },
            Transfer::Shieldable(task) => {
                let handle = task.handle().clone();
                let end = task.await;
                if handle.was_torn() {
                    return Ok(Told::Torn);
                }
                match end {
                    Ok(reply) => Ok(Told::Reply(reply?)),
                    Err(end) if end.is_cancelled() => Ok(Told::Cancelled),
                    Err(end) => Err(end).context("a shieldable transfer did not end by itself"),
                }
            }
        }
    }
}

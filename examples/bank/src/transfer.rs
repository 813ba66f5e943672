//! One transfer, written three times: debit, journal line, credit, closing line, with an await at each.
//!
//! [`bare`] and [`spawned`] share their pieces, and it is worth seeing why there are pieces. tokio's mutex cannot be
//! entered twice, so nothing that locks may call anything that locks: the work is chopped into functions that expect
//! the accounts to be held already. And what is to outlive an abort must be a `'static` future of its own, so that it
//! can be spawned. [`shielded`] is one function over accounts that lock themselves, and the shield is a line in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use shieldable::{RLock, RLockGuard, shield_scope};
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};
use tokio_shield::Shield as _;

use crate::plan::{Order, Step};
use crate::store::{Journal, Remote, Servers};

/// What a transfer tells its customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The money has arrived.
    Done,
    /// The account does not hold enough.
    Refused,
}

/// A transfer's line to the storm: says which step begins, and whether the section that must not be torn is running.
#[derive(Debug)]
pub struct Probe {
    cue: Option<(Step, oneshot::Sender<()>)>,
    in_section: Arc<AtomicBool>,
}

impl Probe {
    /// Fires `cue` when its step begins (or drops it with the transfer), and keeps `in_section` up to date.
    pub fn new(cue: Option<(Step, oneshot::Sender<()>)>, in_section: Arc<AtomicBool>) -> Self {
        Self { cue, in_section }
    }

    /// Says that `step` begins.
    pub fn at(&mut self, step: Step) {
        if let Some((_, cue)) = self.cue.take_if(|(wanted, _)| *wanted == step) {
            // The storm may have given up on us. Nothing depends on it.
            let _ = cue.send(());
        }
    }

    /// Marks the section as running until the mark is dropped, by its end or by force.
    fn section(&self) -> Section {
        self.in_section.store(true, Ordering::SeqCst);
        Section(self.in_section.clone())
    }
}

struct Section(Arc<AtomicBool>);

impl Drop for Section {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// A bank for tasks that know nothing of shields: each account behind tokio's mutex.
#[derive(Debug)]
pub struct Plain {
    accounts: [Vec<Arc<Mutex<Remote>>>; 2],
    journal: Journal,
}

/// Both accounts of a transfer, held.
struct Held {
    from: OwnedMutexGuard<Remote>,
    to: OwnedMutexGuard<Remote>,
}

impl Plain {
    /// Opens the counters over `servers`.
    pub fn new(servers: Servers) -> Self {
        let accounts = servers.accounts().map(|bank| bank.into_iter().map(|one| Arc::new(Mutex::new(one))).collect());
        Self { accounts, journal: servers.journal }
    }

    /// Locks both accounts: north before south, or two transfers in opposite directions wait for each other for ever.
    async fn hold(&self, order: &Order) -> Held {
        let account = |(bank, number): (usize, usize)| self.accounts[bank][number].clone();
        if order.from.0 == 0 {
            let from = account(order.from).lock_owned().await;
            Held { from, to: account(order.to).lock_owned().await }
        } else {
            let to = account(order.to).lock_owned().await;
            Held { from: account(order.from).lock_owned().await, to }
        }
    }

    /// The part that may be cancelled: the locks and the look at the funds.
    async fn prepare(&self, order: &Order, probe: &mut Probe) -> Result<Option<Held>> {
        probe.at(Step::Lock);
        let held = self.hold(order).await;
        probe.at(Step::Funds);
        let covered = held.from.balance().await? >= order.amount;
        Ok(covered.then_some(held))
    }
}

/// Posts to an account that the caller holds.
async fn post_held(account: &Remote, transfer: u64, amount: i64) -> Result<()> {
    let balance = account.balance().await? + amount;
    account.post(transfer, amount, balance).await
}

/// The part that must not be torn. Owns all it needs, so that it can be a task.
async fn move_money(journal: Journal, held: Held, order: Order, mut probe: Probe) -> Result<Reply> {
    let _section = probe.section();
    probe.at(Step::Debit);
    post_held(&held.from, order.id, -order.amount).await?;
    probe.at(Step::Open);
    journal.open(order.id, order.amount).await?;
    probe.at(Step::Credit);
    post_held(&held.to, order.id, order.amount).await?;
    probe.at(Step::Close);
    journal.close(order.id).await?;
    Ok(Reply::Done)
}

/// The first way: nothing protects the section.
pub async fn bare(bank: Arc<Plain>, order: Order, mut probe: Probe) -> Result<Reply> {
    let Some(held) = bank.prepare(&order, &mut probe).await? else {
        return Ok(Reply::Refused);
    };
    move_money(bank.journal.clone(), held, order, probe).await
}

/// The second way: the section is a task of its own, awaited by this one.
pub async fn spawned(bank: Arc<Plain>, order: Order, mut probe: Probe) -> Result<Reply> {
    let Some(held) = bank.prepare(&order, &mut probe).await? else {
        return Ok(Reply::Refused);
    };
    // The guards go along: left here, an abort would release the accounts while their money is still moving.
    move_money(bank.journal.clone(), held, order, probe).shield().await
}

/// A bank for shieldable tasks: accounts that lock themselves, and whose methods call one another.
#[derive(Debug)]
pub struct Reentrant {
    accounts: [Vec<Account>; 2],
    journal: Journal,
    /// `false` takes the shield out of [`shielded`], to show that the audit notices.
    shield: bool,
}

impl Reentrant {
    /// Opens the counters over `servers`.
    pub fn new(servers: Servers, shield: bool) -> Self {
        let accounts = servers.accounts().map(|bank| bank.into_iter().map(|one| Account(RLock::new(one))).collect());
        Self { accounts, journal: servers.journal, shield }
    }
}

/// An account whose every method may be called with or without its lock held.
#[derive(Debug)]
struct Account(RLock<Remote>);

impl Account {
    async fn lock(&self) -> RLockGuard<'_, Remote> {
        self.0.lock().await
    }

    async fn balance(&self) -> Result<i64> {
        self.lock().await.balance().await
    }

    async fn covers(&self, amount: i64) -> Result<bool> {
        Ok(self.balance().await? >= amount)
    }

    async fn post(&self, transfer: u64, amount: i64) -> Result<()> {
        let held = self.lock().await;
        let balance = self.balance().await? + amount;
        held.post(transfer, amount, balance).await
    }

    async fn withdraw(&self, transfer: u64, amount: i64) -> Result<()> {
        self.post(transfer, -amount).await
    }

    async fn deposit(&self, transfer: u64, amount: i64) -> Result<()> {
        self.post(transfer, amount).await
    }
}

/// The third way: this crate.
pub async fn shielded(bank: Arc<Reentrant>, order: Order, mut probe: Probe) -> Result<Reply> {
    let [from, to] = [order.from, order.to].map(|(bank_of, number)| &bank.accounts[bank_of][number]);
    // North before south, as above.
    let (first, second) = if order.from.0 == 0 { (from, to) } else { (to, from) };

    probe.at(Step::Lock);
    let _first = first.lock().await;
    let _second = second.lock().await;
    probe.at(Step::Funds);
    if !from.covers(order.amount).await? {
        return Ok(Reply::Refused);
    }

    // From here to the end a cancellation waits. What has been returned by then is never thrown away.
    let _shield = bank.shield.then(shield_scope);
    let _section = probe.section();
    probe.at(Step::Debit);
    from.withdraw(order.id, order.amount).await?;
    probe.at(Step::Open);
    bank.journal.open(order.id, order.amount).await?;
    probe.at(Step::Credit);
    to.deposit(order.id, order.amount).await?;
    probe.at(Step::Close);
    bank.journal.close(order.id).await?;
    Ok(Reply::Done)
}

//! What is to happen, decided by the seed before anything runs: the same orders and the same storm for all three ways.
//!
//! The interleaving of the tasks is the scheduler's, so two runs of one seed differ in detail; the points at which the
//! storm strikes do not.

use std::time::Duration;

/// A step of a transfer, at which the storm may strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Before the first step.
    Start,
    /// Waiting for the two accounts.
    Lock,
    /// Looking at the funds.
    Funds,
    /// Taking the money at one bank.
    Debit,
    /// Noting that it is under way.
    Open,
    /// Giving it at the other bank.
    Credit,
    /// Noting that it has arrived.
    Close,
}

const STEPS: [Step; 7] = [Step::Start, Step::Lock, Step::Funds, Step::Debit, Step::Open, Step::Credit, Step::Close];

/// The cancellations that hit, in a hundred transfers.
const STORM_PERCENT: u8 = 65;

/// How long after the beginning of a step the storm strikes, at most: long enough to hit its middle, or the next step.
const LONGEST_AIM_MICROS: u64 = 6_000;

/// An account: which bank, which number.
pub type Place = (usize, usize);

/// One transfer that a customer asks for.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// Names the transfer in both banks and in the journal.
    pub id: u64,
    /// Where the money comes from.
    pub from: Place,
    /// Where it goes: always the other bank.
    pub to: Place,
    /// How much.
    pub amount: i64,
}

/// Where the storm strikes one transfer.
#[derive(Clone, Copy, Debug)]
pub struct Strike {
    /// Once this step has begun,
    pub step: Step,
    /// and this much time has passed.
    pub delay: Duration,
}

/// The orders of a run with the strikes on them.
pub fn draw(seed: u64, transfers: u64, accounts: u32) -> Vec<(Order, Option<Strike>)> {
    let mut rng = fastrand::Rng::with_seed(seed);
    (0..transfers)
        .map(|id| {
            let bank = rng.usize(0..2);
            let mut place = |bank| (bank, rng.usize(0..accounts as usize));
            let (from, to) = (place(bank), place(1 - bank));
            let amount = rng.i64(1..=400);
            let strike = (rng.u8(0..100) < STORM_PERCENT).then(|| {
                let step = STEPS[rng.usize(0..STEPS.len())];
                // At the start it strikes at once, in the hope to come before the first poll.
                let longest = if step == Step::Start { 0 } else { LONGEST_AIM_MICROS };
                Strike { step, delay: Duration::from_micros(rng.u64(0..=longest)) }
            });
            (Order { id, from, to, amount }, strike)
        })
        .collect()
}

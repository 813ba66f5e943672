//! What SPEC.md promises of one task, in tokio's rounds: each polls the task if it was woken, then looks at the timers.

use std::task::Poll;

use crate::script::{BODY, Case, DESTRUCTOR, Joined, Limit, Op, Outcome, Seen, Shield, Work, YEAR};

#[derive(Clone, Debug)]
pub struct Expected {
    case: Case,
    /// In ticks.
    now: i64,
    /// The whole tick at which the timers were last looked at: those up to then are ready. With the clock between two
    /// ticks this one is not whole before the next.
    timers: i64,
    woken: bool,
    /// It woke itself, for the next round.
    again: bool,
    notified: bool,
    requests: usize,
    aborted: bool,
    polls: u32,
    /// When the work ceases to sleep.
    sleeps_until: Option<i64>,
    worked: bool,
    yielded: bool,
    ended: bool,
    /// Of the timeout, once it was made.
    deadline: Option<i64>,
    /// The deadline has passed: the request of the timeout to itself.
    elapsed: bool,
    outcome: Option<Outcome>,
    torn: bool,
    owner: Owner,
    joined: Joined,
}

/// What has become of the join handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Handle,
    CancelOnDrop,
    /// `cancel_and_join`, not polled yet.
    WillCancel,
    Joining,
    Gone,
}

impl Expected {
    pub fn new(case: Case) -> Self {
        Self {
            case,
            now: 0,
            timers: -i64::from(case.between),
            woken: true,
            again: false,
            notified: false,
            requests: 0,
            aborted: false,
            polls: 0,
            sleeps_until: None,
            worked: false,
            yielded: false,
            ended: false,
            deadline: None,
            elapsed: false,
            outcome: None,
            torn: false,
            owner: Owner::Handle,
            joined: Joined::No,
        }
    }

    pub fn seen(&self, cancel: Option<bool>) -> Seen {
        let done = self.outcome.is_some();
        Seen {
            polls: self.polls,
            worked: self.worked,
            ended: self.ended,
            dropped: done,
            is_finished: done,
            cancelling: self.requests,
            is_shielded: self.is_shielded(),
            was_torn: self.torn,
            joined: if self.joined == Joined::Waits && done { Joined::Woken } else { self.joined },
            cancel,
        }
    }

    /// Whether the script may go on like this: what needs the join handle needs it.
    pub fn allows(&self, op: Op) -> bool {
        match op {
            Op::Turn | Op::Tick | Op::Cancel => true,
            Op::Leap => self.case.limit == Limit::Longest,
            Op::Notify => self.case.work == Work::IsNotified && !self.notified,
            Op::Abort | Op::CancelOnDrop | Op::CancelAndJoin => self.owner == Owner::Handle,
            Op::Detach => self.owner == Owner::CancelOnDrop,
            Op::Join | Op::Drop => self.owner != Owner::Gone,
        }
    }

    /// What `cancel()` says, if it is that.
    pub fn apply(&mut self, op: Op) -> Option<bool> {
        match op {
            Op::Turn => self.round(),
            Op::Tick | Op::Leap => {
                self.now += if op == Op::Tick { 1 } else { YEAR };
                self.round();
            }
            Op::Notify => {
                self.notified = true;
                self.woken |= self.polls > 0;
            }
            Op::Cancel => return Some(self.cancel()),
            Op::Abort => (self.aborted, self.woken) = (true, true),
            Op::CancelOnDrop => self.owner = Owner::CancelOnDrop,
            Op::Detach => self.owner = Owner::Handle,
            Op::CancelAndJoin => self.owner = Owner::WillCancel,
            Op::Join => self.join(),
            // TSK-7
            Op::Drop => {
                if self.owner == Owner::CancelOnDrop {
                    self.cancel();
                }
                (self.owner, self.joined) = (Owner::Gone, Joined::No);
            }
        }
        None
    }

    /// HDL-1, HDL-2, HDL-6
    fn cancel(&mut self) -> bool {
        let live = self.outcome.is_none();
        self.requests += usize::from(live);
        self.woken = true;
        live
    }

    /// TSK-6
    fn join(&mut self) {
        if self.owner == Owner::WillCancel {
            self.cancel();
            self.owner = Owner::Joining;
        }
        self.joined = match self.outcome {
            Some(outcome) => {
                self.owner = Owner::Gone;
                Joined::Ended(outcome)
            }
            None => Joined::Waits,
        };
    }

    /// TSK-8: the end of the runtime.
    pub fn after_the_runtime(mut self) -> Seen {
        if self.outcome.is_none() {
            self.drop_hard();
        }
        if self.owner != Owner::Gone {
            self.join();
        }
        self.seen(None)
    }

    fn round(&mut self) {
        if std::mem::take(&mut self.woken) && self.outcome.is_none() {
            self.again = false;
            self.poll();
        }
        self.timers = self.now - i64::from(self.case.between);
        let due = |timer: Option<i64>| timer.is_some_and(|at| at <= self.timers);
        self.woken |= self.again || !self.worked && due(self.sleeps_until) || !self.elapsed && due(self.deadline);
    }

    /// Section 3, "One poll of a wrapper", of the task.
    fn poll(&mut self) {
        if self.aborted {
            self.drop_hard();
        } else if self.is_deliverable() {
            self.outcome = Some(self.without_the_work(Outcome::Cancelled));
        } else if let Poll::Ready(outcome) = self.timed() {
            self.outcome = Some(outcome);
        } else if self.is_deliverable() {
            self.outcome = Some(self.without_the_work(Outcome::Cancelled));
        }
    }

    /// TSK-8, SCP-9, SCP-10
    fn drop_hard(&mut self) {
        self.torn = self.is_shielded();
        self.outcome = Some(self.without_the_work(Outcome::Aborted));
    }

    /// DLV-8: the outcome if the work is dropped before its end.
    fn without_the_work(&self, outcome: Outcome) -> Outcome {
        let panics = self.case.work == Work::PanicsWhenDropped && self.polls > 0;
        if panics { Outcome::Panicked(DESTRUCTOR) } else { outcome }
    }

    /// SHD-11, NST-5: of a task that is suspended. A shield inside the timeout is one of the task, too.
    fn is_shielded(&self) -> bool {
        let around = self.case.shield == Shield::Around && self.polls > 0;
        self.outcome.is_none() && (around || self.is_shielded_inside())
    }

    fn is_shielded_inside(&self) -> bool {
        self.case.shield == Shield::Inside && self.polls > 0 && !self.worked
    }

    fn is_deliverable(&self) -> bool {
        self.requests > 0 && !self.is_shielded()
    }

    /// Section 3, of the timeout: TMO-1.
    fn timed(&mut self) -> Poll<Outcome> {
        let now = self.now;
        let deadline = *self.deadline.get_or_insert(match self.case.limit {
            Limit::None => return self.inner(),
            Limit::Past => now - 1,
            Limit::Zero => now,
            Limit::Ticks(ticks) => now + ticks,
            Limit::FromSpawn(ticks) => ticks,
            Limit::Longest => i64::MAX,
        });
        // TMO-3: known when it is made, whatever the timers have seen.
        let passed = self.polls == 0 && deadline <= now;
        if self.elapsed && !self.is_shielded_inside() {
            return Poll::Ready(self.without_the_work(Outcome::Elapsed));
        }
        if let Poll::Ready(outcome) = self.inner() {
            return Poll::Ready(outcome);
        }
        self.elapsed |= passed || deadline <= self.timers;
        if self.elapsed && !self.is_shielded_inside() {
            return Poll::Ready(self.without_the_work(Outcome::Elapsed));
        }
        Poll::Pending
    }

    fn inner(&mut self) -> Poll<Outcome> {
        if !self.worked {
            match self.work() {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(panic)) => return Poll::Ready(Outcome::Panicked(panic)),
                Poll::Ready(Ok(())) => self.worked = true,
            }
        }
        if self.case.tail && !self.yielded {
            (self.yielded, self.again) = (true, true);
            return Poll::Pending;
        }
        self.ended = true;
        Poll::Ready(Outcome::Value)
    }

    fn work(&mut self) -> Poll<Result<(), &'static str>> {
        self.polls += 1;
        let ready = match self.case.work {
            Work::Returns => true,
            Work::Yields => {
                self.again = self.polls == 1;
                self.polls > 1
            }
            Work::Sleeps(ticks) => *self.sleeps_until.get_or_insert(self.now + ticks) <= self.timers,
            Work::IsNotified => self.notified,
            Work::Never | Work::PanicsWhenDropped => false,
            Work::IsBusy => {
                self.again = true;
                false
            }
            Work::Panics => return Poll::Ready(Err(BODY)),
        };
        if ready { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

//! One vector beside the model: every step alike, or explained by a departure.
//!
//! Each excuse is as narrow as what can be observed allows: it names the operation, the state before it, and the
//! letters that differ. Where a departure makes the two runs go different ways (a task lives on in one of them), the
//! comparison of this vector ends there; what came before has been compared in full.

use std::collections::BTreeSet;

use shieldable_model::{FiberId, Kind, LockId, Make, Op, Program};
use shieldable_proptests::lockstep::Step;

use crate::departures::Departure::{self, *};
use crate::vectors::{LockSeen, Seen, TaskSeen, Vector, letter};

const LOCKS: [LockId; 2] = [LockId(0), LockId(2)];

/// Why no more is compared.
pub enum Stop {
    /// From here on the runs are different ones.
    Parted(Departure),
    /// Nothing explains it.
    Mismatch(String),
}

type Check = Result<(), Stop>;

/// What is known of a task beyond the snapshots.
#[derive(Clone, Copy, Default)]
struct Task {
    last: TaskSeen,
    /// Cancelled here; in Python the next step is to raise it.
    late: bool,
    /// All its requests were taken back.
    revoked: bool,
    /// A deadline passed during a shield.
    stray: bool,
    /// A deadline passed when it had been woken.
    raced: bool,
    /// Requests after its end were counted, or taken back, in Python.
    count_differs: bool,
    /// It was woken here and not in Python, for a reason.
    woken_more: bool,
}

pub struct Comparison<'v> {
    vector: &'v Vector,
    /// The top fibers.
    tops: Vec<FiberId>,
    tasks: Vec<Task>,
    locks: [LockSeen; 2],
    next: usize,
    pub met: BTreeSet<Departure>,
    pub stop: Option<Stop>,
}

impl<'v> Comparison<'v> {
    pub fn new(vector: &'v Vector) -> Self {
        let program = &*vector.program;
        let tops: Vec<FiberId> = program.fibers().filter(|fiber| !program.fiber(*fiber).inline).collect();
        let mut tasks = vec![Task::default(); tops.len()];
        tasks.iter_mut().for_each(|task| task.last.due = true);
        let locks = [LockSeen::Free; 2];
        Self { vector, tops, tasks, locks, next: 0, met: BTreeSet::new(), stop: None }
    }

    /// Whether every recorded step was looked at.
    pub fn is_complete(&self) -> bool {
        self.next == self.vector.steps.len()
    }

    /// How many steps were compared.
    pub fn compared(&self) -> usize {
        self.next
    }

    pub fn step(&mut self, step: &Step<'_>) {
        let Some(op) = step.op else { return };
        if self.stop.is_some() {
            return;
        }
        let Some(seen) = self.vector.steps.get(self.next) else {
            self.stop = Some(Stop::Mismatch("more steps than recorded".into()));
            return;
        };
        self.next += 1;
        let op = self.vector.program.op(op);
        let polled = if let Op::Poll(fiber, _) = op { self.index(fiber) } else { usize::MAX };
        let checked = self.returns(op, polled, seen, step).and_then(|()| {
            self.note(op, step)?;
            self.snapshot(op, polled, seen, step)
        });
        if let Err(stop) = checked {
            if let Stop::Parted(departure) = stop {
                self.met.insert(departure);
            }
            self.stop = Some(stop);
        }
        for (task, seen) in self.tasks.iter_mut().zip(&seen.tasks) {
            task.last = *seen;
        }
        self.locks = seen.locks;
    }

    fn program(&self) -> &'v Program {
        &self.vector.program
    }

    fn index(&self, top: FiberId) -> usize {
        self.tops.iter().position(|fiber| *fiber == top).expect("a top fiber")
    }

    fn meet(&mut self, departure: Departure) -> Check {
        self.met.insert(departure);
        Ok(())
    }

    fn mismatch(&self, what: &str) -> Check {
        Err(Stop::Mismatch(format!("step {}: {what}", self.next)))
    }

    /// The letters of the step.
    fn returns(&mut self, op: Op, polled: usize, seen: &Seen, step: &Step<'_>) -> Check {
        let model = model_letters(step);
        let python = seen.letters;
        if self.tasks.get(polled).is_some_and(|task| task.late) {
            // Python raises now what was delivered here at the end of the poll before.
            return match (python, &model[..]) {
                ([b'K', ..], b">!") => Err(Stop::Parted(NoCatchingAndGoingOn)),
                (b">C", b">!") => {
                    self.tasks[polled].late = false;
                    self.tasks[polled].count_differs = true;
                    Ok(())
                }
                _ => self.mismatch("a request is overdue in Python and is not raised"),
            };
        }
        // Letter for letter, as far as a letter alone is the departure.
        let inner = step.trace.returns.len() - 1;
        let mut first = 0;
        while first < python.len().min(model.len()) {
            let (op, _) = step.trace.returns[first.min(inner)];
            if python[first] != model[first] && !self.excuse_letter(self.program().op(op), python[first], model[first])
            {
                break;
            }
            first += 1;
        }
        let (python, model) = (&python[first..], &model[first..]);
        if python.is_empty() && model.is_empty() {
            return Ok(());
        }
        if polled < self.tasks.len() {
            return self.polls_differ(polled, first, python, model, seen, step);
        }
        match (op, python, model) {
            (Op::Cancel(fiber), b"T", b"F") if self.tasks[self.index(fiber)].late => Ok(()),
            (Op::Uncancel(fiber), _, _) => self.uncancel_differs(fiber, step),
            (Op::TryLock(lock), b"W", b"Q") if lock.is_reentrant() => self.meet(RLockOfACallbackIsAnError),
            (Op::TryLock(lock), b".", b"Q") if lock.is_reentrant() => Err(Stop::Parted(RLockOfACallbackIsAnError)),
            (Op::TryLock(lock), b".", b"W") if self.is_between(lock) => Err(Stop::Parted(HandedOverStaysLocked)),
            (Op::DropSlot(_), b"Y", b".") => Err(Stop::Parted(GuardDroppedElsewhereReleases)),
            _ => self.others_ran(python, model),
        }
    }

    fn excuse_letter(&mut self, op: Op, python: u8, model: u8) -> bool {
        let departure = match (op, python, model) {
            (Op::Exit | Op::DropSlot(_) | Op::Put(_), b'X', b'.') => NoUnbalancedExit,
            (Op::Enter, b'.', b'N') => ShieldWithoutAScopeIsAnError,
            (Op::IsLocked(_), b'H', b'T') => HandedOverStaysLocked,
            (Op::Cancelling(fiber), ..) => {
                let task = &self.tasks[self.index(fiber)];
                return task.count_differs || task.late;
            }
            _ => return false,
        };
        self.met.insert(departure);
        true
    }

    /// A poll of a task went another way, from the letters that are left on.
    fn polls_differ(
        &mut self,
        task: usize,
        first: usize,
        python: &[u8],
        model: &[u8],
        seen: &Seen,
        step: &Step<'_>,
    ) -> Check {
        let it = self.tasks[task];
        let now = seen.tasks[task];
        let fiber = self.tops[task];
        let requested_before = step.before.cancelling(fiber) > 0;
        // The operation that returned the first letter that differs, if it is one of the body.
        let op = step.trace.returns.get(first).map(|(op, _)| self.program().op(*op));
        match (python, model) {
            ([b'K', ..], b">C") => return Err(Stop::Parted(NoCatchingAndGoingOn)),
            (b"P", b"C") if now.due && !now.shielded && now.cancelling > 0 => {
                self.tasks[task].late = true;
                return self.meet(DeliveredInTheSamePoll);
            }
            (b"C", b"V") => {
                if it.stray {
                    return self.meet(DeadlineDuringAShieldLeaksNothing);
                } else if now.cancelling == 0 {
                    return self.meet(UncancelRevokes);
                } else if !requested_before {
                    return self.meet(CancellingItselfThenReturnKeepsTheValue);
                } else if it.last.shielded {
                    return self.meet(ScopeExitThenReturnKeepsTheValue);
                }
            }
            (b">P", [b'E', ..]) if now.due && it.stray => return Err(Stop::Parted(DeliveredInTheSamePoll)),
            ([b'E', ..], _) if it.raced => return Err(Stop::Parted(ValueBeatsTheDeadline)),
            (b">C" | b"C", _) if it.stray => return Err(Stop::Parted(DeadlineDuringAShieldLeaksNothing)),
            (b">C" | b"C", _) if now.cancelling == 0 && it.revoked => return Err(Stop::Parted(UncancelRevokes)),
            ([b'Y', ..], [b'.', ..]) => return Err(Stop::Parted(GuardDroppedElsewhereReleases)),
            // A re-entrant lock that a callback has entered belongs to nobody, who is everybody.
            ([b'.', ..], [b'Q', ..]) => return Err(Stop::Parted(RLockOfACallbackIsAnError)),
            // A lock that was let go, with nobody but cancelled waiters that have not run yet: Python lets others in.
            ([b'V', ..], [b'>', ..]) | ([b'.', ..], [b'W', ..]) if self.locks.contains(&LockSeen::Between) => {
                return Err(Stop::Parted(HandedOverStaysLocked));
            }
            (_, [_, ..]) if matches!(op, Some(Op::Uncancel(_))) => {
                if let Some(Op::Uncancel(other)) = op {
                    self.uncancel_differs(other, step)?;
                    return Err(Stop::Parted(CountIsFrozenAtTheEnd));
                }
            }
            _ => {}
        }
        self.others_ran(python, model)
    }

    fn uncancel_differs(&mut self, fiber: FiberId, step: &Step<'_>) -> Check {
        let task = self.index(fiber);
        if !step.before.is_finished(fiber) {
            return self.mismatch("uncancel of a live task");
        }
        self.tasks[task].count_differs = true;
        if self.tasks[task].late { Ok(()) } else { self.meet(CountIsFrozenAtTheEnd) }
    }

    /// While a delivery is overdue in Python others may see the cancelled task alive, and what it holds held.
    fn others_ran(&self, python: &[u8], model: &[u8]) -> Check {
        if self.tasks.iter().any(|task| task.late) {
            return Err(Stop::Parted(DeliveredInTheSamePoll));
        }
        let text = |letters| String::from_utf8_lossy(letters).into_owned();
        self.mismatch(&format!("`{}` in Python, `{}` here", text(python), text(model)))
    }

    fn is_between(&self, lock: LockId) -> bool {
        LOCKS.iter().zip(self.locks).any(|(it, seen)| *it == lock && seen == LockSeen::Between)
    }

    /// What the operation means for later steps.
    fn note(&mut self, op: Op, step: &Step<'_>) -> Check {
        match op {
            Op::Poll(fiber, _) => {
                let task = self.index(fiber);
                self.tasks[task].woken_more = false;
                self.tasks[task].raced = false;
            }
            Op::Deadline(deadline) => {
                let Some(task) = self.task_around(deadline) else { return Ok(()) };
                let it = &mut self.tasks[task];
                it.stray |= it.last.shielded;
                it.raced |= it.last.due;
                // A shield of the task, not of the timeout inside it: here the timeout fires inside.
                if it.last.shielded && !step.before.is_shielded(deadline) {
                    return match step.after.is_woken(self.tops[task]) {
                        true => Err(Stop::Parted(TimeoutInsideAShieldFires)),
                        false => self.mismatch("the deadline inside a shield wakes nobody"),
                    };
                }
            }
            _ => {}
        }
        for (task, fiber) in self.tasks.iter_mut().zip(&self.tops) {
            // Also by an `uncancel` in a body.
            let taken_back =
                step.trace.returns.iter().any(|(op, _)| self.vector.program.op(*op) == Op::Uncancel(*fiber));
            task.revoked |= taken_back && step.after.cancelling(*fiber) == 0;
        }
        Ok(())
    }

    fn task_around(&self, deadline: FiberId) -> Option<usize> {
        let program = self.program();
        let inside = |top: &FiberId| {
            let mut bodies = vec![*top];
            while let Some(body) = bodies.pop() {
                bodies.extend(program.body(body).filter_map(|op| program.op(op).creates()));
                if bodies.contains(&deadline) {
                    return true;
                }
            }
            false
        };
        self.tops.iter().position(inside)
    }

    /// What can be seen of tasks and locks between two steps.
    fn snapshot(&mut self, op: Op, polled: usize, seen: &Seen, step: &Step<'_>) -> Check {
        let overdue = self.tasks.iter().any(|task| task.late);
        let just_ended = polled < self.tasks.len() && seen.tasks[polled].done;
        let leaks = self.vector.family == "leaks" && just_ended;
        for (fiber, now) in self.tops.iter().zip(&seen.tasks) {
            if now.cancelling == step.after.cancelling(*fiber) + 1 && self.awaits(op, *fiber) {
                return Err(Stop::Parted(AwaitingDoesNotDelegate));
            }
        }
        for task in 0..self.tasks.len() {
            if self.tasks[task].late {
                continue;
            }
            self.task(op, task, seen, step, overdue, leaks)?;
        }
        for (lock, seen) in LOCKS.iter().zip(seen.locks) {
            let here = step.after.is_locked(*lock);
            match (seen, here) {
                (LockSeen::Locked, true) | (LockSeen::Free, false) => {}
                (LockSeen::Between, true) => self.meet(HandedOverStaysLocked)?,
                _ if overdue => {}
                (LockSeen::Locked, false) if leaks => return Err(Stop::Parted(EndOfTheOwnerReleases)),
                _ => return self.mismatch(&format!("{lock} is {}", if here { "locked here" } else { "free here" })),
            }
        }
        Ok(())
    }

    fn task(&mut self, op: Op, task: usize, seen: &Seen, step: &Step<'_>, overdue: bool, leaks: bool) -> Check {
        let (fiber, now, last) = (self.tops[task], seen.tasks[task], self.tasks[task].last);
        let name = self.program().name(fiber);
        if now.done != step.after.outcome(fiber).is_some() {
            return self.mismatch(&format!("{name} is finished in one of the two"));
        }
        let cancelling = step.after.cancelling(fiber);
        let may_differ = self.program().kind(fiber) != Kind::Task || now.done && self.tasks[task].count_differs;
        if now.cancelling != cancelling && !may_differ {
            return self.mismatch(&format!("cancelling() of {name}"));
        }
        if now.done {
            return Ok(());
        }
        if now.shielded != step.after.is_shielded(fiber) {
            return self.mismatch(&format!("is_shielded() of {name}"));
        }

        let woken = step.after.is_woken(fiber);
        if now.due && !woken {
            if self.tasks[task].revoked && now.cancelling == 0 {
                return Err(Stop::Parted(UncancelRevokes));
            }
            if self.tasks[task].stray && !now.shielded {
                return Err(Stop::Parted(DeadlineDuringAShieldLeaksNothing));
            }
            return self.mismatch(&format!("{name} is woken in Python only"));
        }
        if now.unheard && !last.due {
            if !seen.by_another_thread {
                return self.mismatch(&format!("{name} was woken unheard"));
            }
            self.meet(NotifyOfAnotherThreadWakes)?;
        }
        if woken && !now.due && last.shielded && !now.shielded && now.cancelling > 0 {
            // The last guard of a task with a request was dropped elsewhere, and Python lets it sleep on. Here it has
            // been woken, by that or by the request before.
            self.meet(ShieldClosedElsewhereWakes)?;
        }
        if woken && !now.due && !self.tasks[task].woken_more && !overdue {
            self.explain_wake(op, task, now, leaks)?;
        }
        Ok(())
    }

    /// A wake that Python does not have.
    fn explain_wake(&mut self, op: Op, task: usize, now: TaskSeen, leaks: bool) -> Check {
        let fiber = self.tops[task];
        let last = self.tasks[task].last;
        self.tasks[task].woken_more = true;
        match op {
            // Not a departure: a request to a shielded task wakes it for nothing (HDL-2), and so does a deadline
            // (TMO-5).
            Op::Cancel(other) if other == fiber && last.shielded => Ok(()),
            Op::Deadline(_) if last.shielded => Ok(()),
            Op::Poll(..) if now.shielded && now.cancelling > last.cancelling => Ok(()),
            _ if leaks => Err(Stop::Parted(EndOfTheOwnerReleases)),
            // A guard dropped elsewhere always wakes (SHD-6).
            Op::DropSlot(_) | Op::Poll(..) if last.shielded => Ok(()),
            _ => self.mismatch(&format!("{} is woken here only", self.program().name(fiber))),
        }
    }

    /// Whether the operation is a request to a task that awaits the other.
    fn awaits(&self, op: Op, other: FiberId) -> bool {
        let Op::Cancel(fiber) = op else { return false };
        let program = self.program();
        fiber != other && program.body(fiber).any(|op| program.op(op) == Op::Await(Make::Join(other)))
    }
}

fn model_letters(step: &Step<'_>) -> Vec<u8> {
    let mut letters: Vec<u8> = step.trace.returns.iter().map(|(_, ret)| letter(*ret)).collect();
    letters.insert(letters.len().saturating_sub(1), b'>');
    letters
}

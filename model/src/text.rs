//! The text form of programs, as it is written.

use std::fmt::{self, Write};

use crate::program::{FiberId, Kind, LockId, MAX_LOCKS_OF_A_SORT, Make, Op, OpId, Program};

/// Items that would be longer than this on one line get a line for each operation.
const WIDTH: usize = 100;

impl fmt::Display for LockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = if self.is_reentrant() { 'r' } else { 'l' };
        write!(f, "{letter}{}", self.index() % MAX_LOCKS_OF_A_SORT)
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let top = self.fibers().filter(|id| !self.fiber(*id).inline);
        let lanes = self.lanes().map(|lane| self.lane_fiber(lane));
        for id in top.chain(lanes) {
            let mut line = String::new();
            self.write_fiber(&mut line, id, None)?;
            if line.len() > WIDTH {
                line.clear();
                self.write_fiber(&mut line, id, Some(0))?;
            }
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

/// The text: what a failing test or a fuzzer prints can be pasted.
impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Program {
    /// One operation as text; a nested body is left out.
    pub fn op_text(&self, op: OpId) -> String {
        let mut text = String::new();
        self.write_op(&mut text, op).expect("writing to a string does not fail");
        text
    }

    fn write_fiber(&self, out: &mut String, id: FiberId, depth: Option<usize>) -> fmt::Result {
        self.write_head(out, id)?;
        self.write_block(out, self.body(id), depth)?;
        if self.destructor(id).next().is_some() {
            out.write_str(" on_drop")?;
            self.write_block(out, self.destructor(id), depth)?;
        }
        Ok(())
    }

    fn write_head(&self, out: &mut String, id: FiberId) -> fmt::Result {
        let word = match self.kind(id) {
            Kind::Task => "task",
            Kind::Scope => "scope",
            Kind::Timeout => "timeout",
            Kind::Plain => "plain",
            Kind::Shielded => return out.write_str("shielded"),
            Kind::Lane => return out.write_str("thread"),
        };
        write!(out, "{word} {}", self.name(id))
    }

    /// The operations in braces: on one line, or each on its own at that depth of indentation.
    fn write_block(&self, out: &mut String, ops: impl Iterator<Item = OpId>, depth: Option<usize>) -> fmt::Result {
        out.write_str(" {")?;
        let mut first = true;
        for op in ops {
            match depth {
                Some(depth) => write!(out, "\n{:1$}", "", 4 * (depth + 1))?,
                None if first => out.write_str(" ")?,
                None => out.write_str("; ")?,
            }
            first = false;
            match self.op(op).creates() {
                Some(inner) => {
                    if matches!(self.op(op), Op::Let(_)) {
                        out.write_str("let ")?;
                    }
                    self.write_fiber(out, inner, depth.map(|depth| depth + 1))?;
                }
                None => self.write_op(out, op)?,
            }
        }
        match depth {
            _ if first => out.write_str("}"),
            Some(depth) => write!(out, "\n{:1$}}}", "", 4 * depth),
            None => out.write_str(" }"),
        }
    }

    fn write_op(&self, out: &mut String, op: OpId) -> fmt::Result {
        let name = |fiber| self.name(fiber);
        match self.op(op) {
            Op::Suspend => out.write_str("suspend"),
            Op::Yield => out.write_str("yield"),
            Op::Checkpoint => out.write_str("checkpoint"),
            Op::Await(make) => self.write_make(out, make),
            Op::Let(make) => {
                out.write_str("let ")?;
                self.write_make(out, make)
            }
            Op::PollLocal => out.write_str("poll"),
            Op::Resume => out.write_str("await"),
            Op::Enter => out.write_str("enter"),
            Op::Exit => out.write_str("exit"),
            Op::TryLock(lock) => write!(out, "try_lock {lock}"),
            Op::Unlock(lock) => write!(out, "unlock {lock}"),
            Op::CancelOnDrop(fiber) => write!(out, "cancel_on_drop {}", name(fiber)),
            Op::DropLocal => out.write_str("drop"),
            Op::Put(slot) => write!(out, "put s{}", slot.0),
            Op::Take(slot) => write!(out, "take s{}", slot.0),
            Op::DropSlot(slot) => write!(out, "drop s{}", slot.0),
            Op::Cancel(fiber) => write!(out, "cancel {}", name(fiber)),
            Op::Uncancel(fiber) => write!(out, "uncancel {}", name(fiber)),
            Op::Notify(waiter) => write!(out, "notify w{}", waiter.0),
            Op::Poll(fiber, 0) => write!(out, "poll {}", name(fiber)),
            Op::Poll(fiber, waker) => write!(out, "poll {}/{waker}", name(fiber)),
            Op::Run(fiber, 0) => write!(out, "run {}", name(fiber)),
            Op::Run(fiber, waker) => write!(out, "run {}/{waker}", name(fiber)),
            Op::Drop(fiber) => write!(out, "drop {}", name(fiber)),
            Op::Deadline(fiber) => write!(out, "deadline {}", name(fiber)),
            Op::Panic => out.write_str("panic"),
            Op::Cancelling(fiber) => write!(out, "cancelling {}", name(fiber)),
            Op::IsFinished(fiber) => write!(out, "is_finished {}", name(fiber)),
            Op::HandleIsShielded(fiber) => write!(out, "is_shielded {}", name(fiber)),
            Op::WasTorn(fiber) => write!(out, "was_torn {}", name(fiber)),
            Op::IsShielded => out.write_str("is_shielded"),
            Op::CancelPending => out.write_str("cancel_pending"),
            Op::CurrentTask => out.write_str("current"),
            Op::IsLocked(lock) => write!(out, "is_locked {lock}"),
            Op::IsHeld(lock) => write!(out, "is_held {lock}"),
        }
    }

    fn write_make(&self, out: &mut String, make: Make) -> fmt::Result {
        match make {
            Make::Lock(lock) => write!(out, "lock {lock}"),
            Make::Wait(waiter) => write!(out, "wait w{}", waiter.0),
            Make::Join(fiber) => write!(out, "join {}", self.name(fiber)),
            Make::Fiber(fiber) => self.write_head(out, fiber),
        }
    }
}

//! What waits in a queue: acquisitions of locks, waits, joins.

use crate::clause::Clause;
use crate::fault::Fault;
use crate::machine::Machine;
use crate::program::{FiberId, LockId, Make, NodeId, WaiterId};
use crate::ret::{Outcome, Refusal, Ret};
use crate::state::{Code, Item, NodeStage, NodeState};

/// What a poll of a node gave.
pub(crate) enum Asked {
    /// With what is held from now on.
    Ready(Outcome, Item),
    Pending,
    /// Not decided yet; others may move first.
    Again,
    Panic,
}

impl Machine<'_> {
    fn node(&mut self, node: NodeId) -> &mut NodeState {
        &mut self.state.nodes[node.index()]
    }

    /// A wait takes its snapshot here (WTR-3): from now on `notify` reaches it.
    pub(crate) fn create_node(&mut self, node: NodeId) {
        self.node(node).stage = NodeStage::Idle;
    }

    pub(crate) fn ask(&mut self, node: NodeId) -> Asked {
        match self.program.nodes[node.index()] {
            Make::Lock(lock) if lock.is_reentrant() => self.ask_rlock(node, lock),
            Make::Lock(lock) => self.ask_lock(node, lock),
            Make::Wait(waiter) => self.ask_wait(node, waiter),
            Make::Join(task) => self.ask_join(node, task),
            Make::Fiber(_) => unreachable!("fibers are not nodes"),
        }
    }

    pub(crate) fn drop_node(&mut self, node: NodeId) {
        let NodeState { stage, task, .. } = std::mem::take(self.node(node));
        match (self.program.nodes[node.index()], stage) {
            (Make::Lock(lock), NodeStage::Queued) => {
                self.mark(Clause::Lck6);
                self.leave_queue(lock, node);
            }
            (Make::Lock(lock), NodeStage::Granted) => {
                self.mark(Clause::Lck5);
                if !self.broken(Fault::GrantDiesWithWaiter) {
                    self.pass_on(lock, task);
                }
            }
            (Make::Wait(waiter), NodeStage::Queued) => {
                self.mark(Clause::Wtr5);
                self.unlink(waiter, node);
            }
            (Make::Wait(_), _) => self.mark(Clause::Wtr5),
            (Make::Join(_), NodeStage::Queued) => self.mark(Clause::Tsk5),
            _ => {}
        }
    }

    // Locks.

    fn ask_lock(&mut self, node: NodeId, lock: LockId) -> Asked {
        let stage = self.node(node).stage;
        match stage {
            NodeStage::Idle if !self.state.is_locked(lock) => {
                self.mark(Clause::Lck8);
                self.state.locks[lock.index()].depth = 1;
                self.acquired(node, lock)
            }
            NodeStage::Idle => self.enqueue(node, lock, None),
            NodeStage::Queued => {
                self.mark(Clause::Lck1);
                self.node(node).waker = self.lane_state().waker;
                Asked::Pending
            }
            NodeStage::Granted => self.acquired(node, lock),
            NodeStage::Gone => unreachable!("what is over is not polled"),
        }
    }

    fn ask_rlock(&mut self, node: NodeId, lock: LockId) -> Asked {
        let Some(me) = self.current_task() else {
            self.mark(Clause::Rlk8);
            self.drop_node(node);
            return Asked::Panic;
        };
        self.mark(Clause::Tsk1);
        let NodeState { stage, task, .. } = *self.node(node);
        let own = self.state.locks[lock.index()].owner == Some(me);
        match stage {
            NodeStage::Granted if task == Some(me) => {
                self.mark(Clause::Rlk4);
                let acquired = self.acquired(node, lock);
                self.wake_queued_of(lock, me);
                acquired
            }
            NodeStage::Granted => {
                self.mark(Clause::Rlk7);
                self.node(node).stage = NodeStage::Idle;
                self.pass_on(lock, task);
                Asked::Again
            }
            NodeStage::Idle | NodeStage::Queued if own => {
                self.mark(Clause::Rlk2);
                if stage == NodeStage::Queued {
                    self.mark(Clause::Rlk5);
                    self.leave_queue(lock, node);
                }
                self.state.locks[lock.index()].depth += 1;
                self.acquired(node, lock)
            }
            NodeStage::Idle if !self.state.is_locked(lock) => {
                self.mark(Clause::Lck8);
                self.mark(Clause::Rlk1);
                let it = &mut self.state.locks[lock.index()];
                it.depth = 1;
                it.owner = Some(me);
                self.acquired(node, lock)
            }
            NodeStage::Idle => self.enqueue(node, lock, Some(me)),
            NodeStage::Queued => {
                self.mark(Clause::Lck1);
                self.mark_if(task != Some(me), Clause::Rlk6);
                let waker = self.lane_state().waker;
                let it = self.node(node);
                it.waker = waker;
                it.task = Some(me);
                Asked::Pending
            }
            NodeStage::Gone => unreachable!("what is over is not polled"),
        }
    }

    fn acquired(&mut self, node: NodeId, lock: LockId) -> Asked {
        *self.node(node) = NodeState::default();
        Asked::Ready(Outcome::Value, Item::Guard(lock))
    }

    fn enqueue(&mut self, node: NodeId, lock: LockId, task: Option<FiberId>) -> Asked {
        let waker = self.lane_state().waker;
        *self.node(node) = NodeState { stage: NodeStage::Queued, waker, task };
        self.state.locks[lock.index()].queue.push(node);
        self.mark(Clause::Lck1);
        self.mark_if(task.is_some(), Clause::Rlk1);
        Asked::Pending
    }

    fn leave_queue(&mut self, lock: LockId, node: NodeId) {
        let queue = &mut self.state.locks[lock.index()].queue;
        if let Some(at) = queue.iter().position(|queued| *queued == node) {
            queue.remove(at);
        }
    }

    /// A grant that its acquisition does not use. RLK-14: its task may have entered meanwhile.
    fn pass_on(&mut self, lock: LockId, task: Option<FiberId>) {
        let entered = self.state.locks[lock.index()].depth > 1;
        self.release(lock);
        if let Some(task) = task.filter(|_| entered) {
            self.wake_queued_of(lock, task);
        }
    }

    fn wake_queued_of(&mut self, lock: LockId, task: FiberId) {
        if self.broken(Fault::BranchesSleepOn) {
            return;
        }
        for at in 0..self.state.locks[lock.index()].queue.len() {
            let queued = self.state.locks[lock.index()].queue[at];
            let it = self.node(queued);
            if it.task == Some(task) {
                let waker = std::mem::replace(&mut it.waker, Code::NONE);
                self.mark_if(waker.waker().is_some(), Clause::Rlk14);
                self.wake(waker);
            }
        }
    }

    /// One guard or grant less. LCK-3: the hand-over is one step.
    pub(crate) fn release(&mut self, lock: LockId) {
        let newest_first = self.broken(Fault::NewestWaiterFirst);
        let silent = self.broken(Fault::HandOverDoesNotWake);
        let no_hand_over = self.broken(Fault::ReleaseDoesNotHandOver);
        let it = &mut self.state.locks[lock.index()];
        it.depth -= 1;
        let last = it.depth == 0;
        self.mark_if(lock.is_reentrant(), Clause::Rlk3);
        if !last {
            return;
        }
        let it = &mut self.state.locks[lock.index()];
        it.owner = None;
        if it.queue.is_empty() {
            return;
        }
        let queued = it.queue.len();
        if no_hand_over {
            let waker = self.state.nodes[it.queue[0].index()].waker;
            return self.wake(waker);
        }
        let next = it.queue.remove(if newest_first { queued - 1 } else { 0 });
        it.depth = 1;
        let node = &mut self.state.nodes[next.index()];
        node.stage = NodeStage::Granted;
        let waker = std::mem::take(&mut node.waker);
        self.state.locks[lock.index()].owner = node.task;
        if !silent {
            self.wake(waker);
        }
        self.mark(Clause::Lck3);
        self.mark(Clause::Lck4);
        self.mark(Clause::Lck12);
        self.mark_if(queued > 1, Clause::Lck2);
    }

    pub(crate) fn try_lock(&mut self, lock: LockId) -> Ret {
        let me = self.current_task();
        if lock.is_reentrant() && me.is_none() {
            self.mark(Clause::Rlk9);
            return Ret::Refused(Refusal::NoTask);
        }
        let barge = self.broken(Fault::TryLockBarges);
        let it = &mut self.state.locks[lock.index()];
        let reenters = lock.is_reentrant() && it.owner == me;
        if it.depth > 0 && !reenters && !barge {
            self.mark(Clause::Lck9);
            self.mark_if(lock.is_reentrant(), Clause::Rlk9);
            return Ret::Refused(Refusal::WouldBlock);
        }
        it.depth += 1;
        if lock.is_reentrant() {
            it.owner = me;
        }
        self.mark(Clause::Lck9);
        self.mark_if(reenters, Clause::Rlk2);
        Ret::Unit
    }

    // Waiters.

    fn ask_wait(&mut self, node: NodeId, waiter: WaiterId) -> Asked {
        let waker = self.lane_state().waker;
        let it = self.node(node);
        match it.stage {
            NodeStage::Granted => {
                *it = NodeState::default();
                self.mark(Clause::Wtr1);
                Asked::Ready(Outcome::Value, Item::None)
            }
            NodeStage::Idle => {
                it.stage = NodeStage::Queued;
                it.waker = waker;
                self.state.waiters[waiter.index()].push(node);
                self.mark(Clause::Wtr4);
                Asked::Pending
            }
            NodeStage::Queued => {
                it.waker = waker;
                self.mark(Clause::Wtr4);
                Asked::Pending
            }
            NodeStage::Gone => unreachable!("what is over is not polled"),
        }
    }

    pub(crate) fn notify(&mut self, waiter: WaiterId) {
        let mut nobody = true;
        let forget = self.broken(Fault::NotifyForgetsTheUnpolled);
        for index in 0..self.program.nodes.len() {
            let it = &mut self.state.nodes[index];
            if self.program.nodes[index] == Make::Wait(waiter) && it.stage == NodeStage::Idle {
                nobody = false;
                if !forget {
                    it.stage = NodeStage::Granted;
                }
                self.mark(Clause::Wtr3);
            }
        }
        let linked = std::mem::take(&mut self.state.waiters[waiter.index()]);
        let count = if self.broken(Fault::NotifyReachesOne) { linked.len().min(1) } else { linked.len() };
        for node in linked.iter().take(count) {
            let it = &mut self.state.nodes[node.index()];
            it.stage = NodeStage::Granted;
            let waker = std::mem::take(&mut it.waker);
            if !self.broken(Fault::NotifyDoesNotWake) {
                self.wake(waker);
            }
        }
        for node in linked.iter().skip(count) {
            self.state.waiters[waiter.index()].push(*node);
        }
        self.mark_if(!linked.is_empty(), Clause::Wtr1);
        self.mark_if(nobody && linked.is_empty(), Clause::Wtr2);
    }

    fn unlink(&mut self, waiter: WaiterId, node: NodeId) {
        let linked = &mut self.state.waiters[waiter.index()];
        if let Some(at) = linked.iter().position(|queued| *queued == node) {
            linked.remove(at);
        }
    }

    // Joins.

    fn ask_join(&mut self, node: NodeId, task: FiberId) -> Asked {
        let it = self.state.fiber(task);
        if let Some(outcome) = it.outcome.filter(|_| it.joinable) {
            *self.node(node) = NodeState::default();
            self.mark(Clause::Tsk6);
            return Asked::Ready(outcome, Item::None);
        }
        let waker = self.lane_state().waker;
        let it = self.node(node);
        it.stage = NodeStage::Queued;
        it.waker = waker;
        Asked::Pending
    }

    /// There is at most one join of a task in a program.
    pub(crate) fn wake_joiner(&mut self, task: FiberId) {
        for index in 0..self.program.nodes.len() {
            if self.program.nodes[index] == Make::Join(task) {
                let waker = std::mem::replace(&mut self.state.nodes[index].waker, Code::NONE);
                if !self.broken(Fault::EndDoesNotWakeJoiner) {
                    self.wake(waker);
                }
            }
        }
    }
}

//! The lanes of a program as futures, for a real executor to run.
//!
//! A lane does its operations one after the other, and lets others go first as often as chance has it. The lane that
//! runs a fiber polls it with the executor's own context. The operation `drop t0` takes the fiber out of its place and
//! drops it; where the executor can abort what runs `t0`, it may be done so, too:
//!
//! # Aborts
//! The lane that drops `t0` asks the executor to abort the lane that runs it, and waits. When the executor drops the
//! lane that runs `t0`, that one does the operation for the other, and then what is left for itself to do: `run t0` of
//! a fiber that is gone. If it has come to its end instead, the one that waits drops the fiber itself. Nobody else may
//! be polling `t0` then, so programs that poll it by name are not treated so.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use shieldable_model::{Choices, FiberId, LaneId, MAX_LANES, Op, OpId, Program, Ret, Seed};

use crate::driver::{Lane, World};
use crate::jostle::Jostle;
use crate::slow_waker::slow;
use crate::{quiet, runner};

/// So many polls of a lane are for ever.
const SPINS: usize = 10_000;

/// What the lanes of a run share.
pub struct Crew {
    world: Arc<World>,
    jostle: Option<Arc<Jostle>>,
    aborts: [OnceLock<Box<dyn Fn() + Send + Sync>>; MAX_LANES],
    fates: [Mutex<Fate>; MAX_LANES],
    aborted: AtomicUsize,
    at_work: AtomicUsize,
}

/// Of a lane that runs a fiber.
#[derive(Default)]
enum Fate {
    #[default]
    Runs,
    /// The executor is asked to drop it, by a lane that waits to have done that operation.
    ToBeAborted(LaneId, OpId, Waker),
    /// It was dropped and has done what it was asked for.
    Aborted,
    /// It has ended, or has been dropped unasked.
    Over,
}

impl Crew {
    /// Of a program whose lanes have not begun.
    pub fn new(program: &Arc<Program>, jostle: Option<Arc<Jostle>>) -> Arc<Self> {
        quiet::install();
        let world = World::new(program.clone());
        if let Some(jostle) = &jostle {
            let jostle = jostle.clone();
            world.pause_with(Box::new(move || jostle.dawdle()));
        }
        Arc::new(Self {
            world,
            jostle,
            aborts: Default::default(),
            fates: Default::default(),
            aborted: AtomicUsize::new(0),
            at_work: AtomicUsize::new(program.lanes().len()),
        })
    }

    /// How to abort a lane, if that is to be tried.
    pub fn can_abort(&self, lane: LaneId, abort: impl Fn() + Send + Sync + 'static) {
        let _ = self.aborts[lane.index()].set(Box::new(abort));
    }

    /// The run.
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// How many fibers were dropped by an abort.
    pub fn aborted(&self) -> usize {
        self.aborted.load(Ordering::Relaxed)
    }

    /// How many lanes have not come to their end.
    pub fn at_work(&self) -> usize {
        self.at_work.load(Ordering::Relaxed)
    }

    fn fate(&self, lane: LaneId) -> MutexGuard<'_, Fate> {
        self.fates[lane.index()].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lane that is to be aborted in order to drop that fiber.
    fn runner_to_abort(&self, fiber: FiberId) -> Option<LaneId> {
        let program = self.world.program();
        let all = || (0..program.len() as u8).map(|op| program.op(OpId(op)));
        if all().any(|op| matches!(op, Op::Poll(polled, _) if polled == fiber)) {
            return None;
        }
        let runs = |op| matches!(program.op(op), Op::Run(run, _) if run == fiber);
        let lane = program.lanes().find(|lane| program.lane(*lane).any(runs))?;
        self.aborts[lane.index()].get().map(|_| lane)
    }
}

/// One lane.
pub struct LaneFuture {
    crew: Arc<Crew>,
    id: LaneId,
    lane: Lane,
    ops: Vec<OpId>,
    /// How many of them are over.
    done: usize,
    /// Whom it has asked the executor to abort.
    aborting: Option<LaneId>,
    random: Seed,
    polls: usize,
    ended: bool,
}

impl LaneFuture {
    /// Nothing done yet. `order` decides how often it lets others go first.
    pub fn new(crew: &Arc<Crew>, id: LaneId, order: u64) -> Self {
        Self {
            lane: Lane::new(&crew.world, id),
            ops: crew.world.program().lane(id).collect(),
            crew: crew.clone(),
            id,
            done: 0,
            aborting: None,
            random: Seed(order ^ (u64::from(id.0) << 32)),
            polls: 0,
            ended: false,
        }
    }

    fn go_on(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(op) = self.ops.get(self.done).copied() {
            if self.aborting.is_none() {
                self.begin(op, cx);
            }
            std::task::ready!(self.finish(op, cx));
            self.done += 1;
            if self.random.pick(2) == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        self.end();
        Poll::Ready(())
    }

    fn begin(&mut self, op: OpId, cx: &Context<'_>) {
        self.lane.call(op);
        if let Some(jostle) = &self.crew.jostle {
            jostle.dawdle();
        }
        let Op::Drop(fiber) = self.crew.world.program().op(op) else { return };
        let Some(runner) = self.crew.runner_to_abort(fiber).filter(|_| self.random.pick(2) == 0) else { return };
        let mut fate = self.crew.fate(runner);
        if matches!(*fate, Fate::Runs) {
            *fate = Fate::ToBeAborted(self.id, op, cx.waker().clone());
            drop(fate);
            self.aborting = Some(runner);
            let abort = self.crew.aborts[runner.index()].get().expect("it can be aborted");
            abort();
        }
    }

    fn finish(&mut self, op: OpId, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(runner) = self.aborting {
            let mut fate = self.crew.fate(runner);
            match *fate {
                Fate::ToBeAborted(..) => return Poll::Pending,
                Fate::Aborted => {
                    *fate = Fate::Over;
                    self.aborting = None;
                    return Poll::Ready(());
                }
                Fate::Runs | Fate::Over => self.aborting = None,
            }
        }
        let runs = matches!(self.crew.world.program().op(op), Op::Run(..));
        let ret = match &self.crew.jostle {
            Some(jostle) if runs && self.random.pick(2) == 0 => {
                let slow = slow(cx.waker().clone(), jostle.clone());
                self.lane.perform(op, Some(&mut Context::from_waker(&slow)))
            }
            _ => self.lane.perform(op, runs.then_some(cx)),
        };
        if runs && ret == Ret::Pending { Poll::Pending } else { Poll::Ready(()) }
    }

    fn end(&mut self) {
        self.lane.end();
        self.ended = true;
        self.crew.at_work.fetch_sub(1, Ordering::Relaxed);
        self.over(Fate::Over);
    }

    /// The executor has dropped it.
    fn torn(&mut self) {
        let (lane, op) = match *self.crew.fate(self.id) {
            Fate::ToBeAborted(lane, op, _) => (lane, op),
            _ => return,
        };
        Lane::new(&self.crew.world, lane).perform(op, None);
        self.crew.aborted.fetch_add(1, Ordering::Relaxed);
        for op in self.ops.drain(self.done..) {
            assert_eq!(self.lane.step(op), Ret::Absent, "the fiber was dropped, and nobody polls it by name");
        }
        self.lane.end();
        self.ended = true;
        self.crew.at_work.fetch_sub(1, Ordering::Relaxed);
        self.over(Fate::Aborted);
    }

    /// Nobody need wait any more.
    fn over(&self, how: Fate) {
        let former = std::mem::replace(&mut *self.crew.fate(self.id), how);
        if let Fate::ToBeAborted(.., waker) = former {
            waker.wake();
        }
    }
}

impl Future for LaneFuture {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.polls += 1;
        assert!(this.polls < SPINS, "lane {} spins:\n{}", this.id.0, this.crew.world.program());
        if this.polls == 1 {
            runner::rouses(&this.crew.world, this.id, cx.waker());
            if let Some(jostle) = &this.crew.jostle {
                jostle.begin();
            }
        }
        quiet::during(|| this.go_on(cx))
    }
}

impl Drop for LaneFuture {
    fn drop(&mut self) {
        if !self.ended {
            quiet::during(|| self.torn());
        }
    }
}

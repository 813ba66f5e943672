//! The scripts on real tokio.

use std::future::{Future, pending, poll_fn};
use std::panic::resume_unwind;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use shieldable::time::{timeout, timeout_at};
use shieldable::{CancelOnDrop, Elapsed, JoinError, JoinHandle, ShieldableTask, TaskHandle, shielded};
use tokio::runtime::{Builder, Handle};
use tokio::sync::Notify;
use tokio::task::{LocalSet, coop::consume_budget, yield_now};
use tokio::time::{Instant, advance, sleep};

use crate::script::{BODY, Case, DESTRUCTOR, Joined, Limit, Op, Outcome, Seen, Shield, Spawner, Work, YEAR};

/// As long as tokio's timers can tell apart.
const TICK: Duration = Duration::from_millis(1);

type Value = Result<(), Elapsed>;

fn ticks(number: i64) -> Duration {
    Duration::from_millis(number.unsigned_abs())
}

/// What the body notes, and what it waits for.
#[derive(Default)]
struct Notes {
    polls: AtomicU32,
    worked: AtomicBool,
    ended: AtomicBool,
    dropped: AtomicBool,
    notify: Notify,
}

/// Is in the body; notes when that is dropped.
struct Inside(Arc<Notes>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.dropped.store(true, Ordering::Relaxed);
    }
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        resume_unwind(Box::new(DESTRUCTOR));
    }
}

/// Whoever waits for the task.
#[derive(Default)]
struct Waiter(AtomicBool);

impl Wake for Waiter {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The join handle, or what was made of it.
enum Owner {
    Handle(JoinHandle<Value>),
    CancelOnDrop(CancelOnDrop<Value>),
    CancelAndJoin(Pin<Box<dyn Future<Output = Result<Value, JoinError>>>>),
}

struct Caller {
    notes: Arc<Notes>,
    task: TaskHandle,
    owner: Option<Owner>,
    waiter: Arc<Waiter>,
    joined: Joined,
    seen: Vec<Seen>,
}

/// What is seen after each step, and after the end of the runtime.
pub fn run(case: Case, script: &[Op]) -> Vec<Seen> {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    let mut caller = match case.spawner {
        Spawner::SpawnLocal => LocalSet::new().block_on(&runtime, follow(case, script)),
        Spawner::InAShieldedTask => {
            let outer = ShieldableTask::new(shielded(follow(case, script)));
            runtime.block_on(outer).expect("it is shielded")
        }
        Spawner::Spawn | Spawner::SpawnOn => runtime.block_on(follow(case, script)),
    };
    drop(runtime);
    if caller.owner.is_some() {
        caller.join();
    }
    caller.look(None);
    caller.seen
}

async fn follow(case: Case, script: &[Op]) -> Caller {
    if let Some(outer) = TaskHandle::try_current() {
        outer.cancel();
    }
    if case.between {
        advance(TICK / 3).await;
    }
    let mut caller = Caller::spawn(case);
    caller.look(None);
    for &op in script {
        let answer = caller.apply(op).await;
        caller.look(answer);
    }
    caller
}

impl Caller {
    fn spawn(case: Case) -> Self {
        let notes = Arc::<Notes>::default();
        let body = body(case, Instant::now(), Inside(notes.clone()));
        let join = match case.spawner {
            Spawner::Spawn | Spawner::InAShieldedTask => shieldable::spawn(body),
            Spawner::SpawnOn => shieldable::spawn_on(&Handle::current(), body),
            Spawner::SpawnLocal => shieldable::spawn_local(body),
        };
        let task = join.handle().clone();
        Self {
            notes,
            task,
            owner: Some(Owner::Handle(join)),
            waiter: Arc::default(),
            joined: Joined::No,
            seen: Vec::with_capacity(8),
        }
    }

    /// What `cancel()` says, if it is that.
    async fn apply(&mut self, op: Op) -> Option<bool> {
        match op {
            Op::Turn => yield_now().await,
            Op::Tick => advance(TICK).await,
            Op::Leap => advance(ticks(YEAR)).await,
            Op::Notify => self.notes.notify.notify_one(),
            Op::Cancel => {
                return Some(match &self.owner {
                    Some(Owner::Handle(join)) => join.cancel(),
                    Some(Owner::CancelOnDrop(join)) => join.cancel(),
                    Some(Owner::CancelAndJoin(_)) | None => self.task.cancel(),
                });
            }
            Op::Abort => self.with_the_handle(|join| {
                join.abort();
                Owner::Handle(join)
            }),
            Op::CancelOnDrop => self.with_the_handle(|join| Owner::CancelOnDrop(join.cancel_on_drop())),
            Op::Detach => {
                let Some(Owner::CancelOnDrop(join)) = self.owner.take() else {
                    unreachable!("it is what the script has")
                };
                self.owner = Some(Owner::Handle(join.detach()));
            }
            Op::CancelAndJoin => {
                self.with_the_handle(|join| Owner::CancelAndJoin(Box::pin(join.cancel_and_join())));
            }
            Op::Join => self.join(),
            Op::Drop => {
                self.owner = None;
                self.joined = Joined::No;
            }
        }
        None
    }

    fn with_the_handle(&mut self, make: impl FnOnce(JoinHandle<Value>) -> Owner) {
        let Some(Owner::Handle(join)) = self.owner.take() else { unreachable!("the script has the join handle") };
        self.owner = Some(make(join));
    }

    fn join(&mut self) {
        let waker = Waker::from(self.waiter.clone());
        let cx = &mut Context::from_waker(&waker);
        let polled = match self.owner.as_mut().expect("the script has the join handle") {
            Owner::Handle(join) => Pin::new(join).poll(cx),
            Owner::CancelOnDrop(join) => Pin::new(join).poll(cx),
            Owner::CancelAndJoin(join) => join.as_mut().poll(cx),
        };
        self.joined = match polled {
            Poll::Pending => Joined::Waits,
            Poll::Ready(outcome) => {
                self.owner = None;
                Joined::Ended(told_apart(outcome))
            }
        };
    }

    fn look(&mut self, cancel: Option<bool>) {
        let is_finished = self.task.is_finished();
        match &self.owner {
            Some(Owner::Handle(join)) => assert_eq!(join.is_finished(), is_finished),
            Some(Owner::CancelOnDrop(join)) => assert_eq!(join.is_finished(), is_finished),
            Some(Owner::CancelAndJoin(_)) | None => {}
        }
        let woken = self.waiter.0.load(Ordering::Relaxed);
        self.seen.push(Seen {
            polls: self.notes.polls.load(Ordering::Relaxed),
            worked: self.notes.worked.load(Ordering::Relaxed),
            ended: self.notes.ended.load(Ordering::Relaxed),
            dropped: self.notes.dropped.load(Ordering::Relaxed),
            is_finished,
            cancelling: self.task.cancelling(),
            is_shielded: self.task.is_shielded(),
            was_torn: self.task.was_torn(),
            joined: if self.joined == Joined::Waits && woken { Joined::Woken } else { self.joined },
            cancel,
        });
    }
}

fn told_apart(outcome: Result<Value, JoinError>) -> Outcome {
    match outcome {
        Ok(Ok(())) => Outcome::Value,
        Ok(Err(Elapsed { .. })) => Outcome::Elapsed,
        Err(error) => match (error.is_cancelled(), error.is_aborted(), error.is_panic()) {
            (true, false, false) => Outcome::Cancelled,
            (false, true, false) => Outcome::Aborted,
            (false, false, true) => {
                error.into_panic().downcast().map_or(Outcome::Confused, |text| Outcome::Panicked(*text))
            }
            _ => Outcome::Confused,
        },
    }
}

async fn body(case: Case, spawned: Instant, inside: Inside) -> Value {
    let notes = &*inside.0;
    let inner = async {
        match case.shield {
            Shield::Inside => shielded(work(case.work, notes)).await,
            Shield::None | Shield::Around => work(case.work, notes).await,
        }
        notes.worked.store(true, Ordering::Relaxed);
        if case.tail {
            yield_now().await;
        }
        notes.ended.store(true, Ordering::Relaxed);
    };
    let timed = async {
        match case.limit {
            Limit::None => {
                inner.await;
                Ok(())
            }
            Limit::Past => timeout_at(Instant::now() - TICK, inner).await,
            Limit::Zero => timeout(Duration::ZERO, inner).await,
            Limit::Ticks(number) => timeout(ticks(number), inner).await,
            Limit::FromSpawn(number) => timeout_at(spawned + ticks(number), inner).await,
            Limit::Longest => timeout(Duration::MAX, inner).await,
        }
    };
    match case.shield {
        Shield::Around => shielded(timed).await,
        Shield::None | Shield::Inside => timed.await,
    }
}

/// Counts its polls.
async fn work(work: Work, notes: &Notes) {
    let mut work = pin!(async {
        match work {
            Work::Returns => {}
            Work::Yields => yield_now().await,
            Work::Sleeps(number) => sleep(ticks(number)).await,
            Work::IsNotified => notes.notify.notified().await,
            Work::Never => pending().await,
            Work::IsBusy => loop {
                consume_budget().await;
            },
            Work::Panics => resume_unwind(Box::new(BODY)),
            Work::PanicsWhenDropped => {
                let _local = PanicsWhenDropped;
                pending().await
            }
        }
    });
    let counted = poll_fn(|cx| {
        notes.polls.fetch_add(1, Ordering::Relaxed);
        work.as_mut().poll(cx)
    });
    counted.await;
}

//! Small programs, ways to wrap them, and what can be seen of them from outside.
//!
//! A law says that two bodies, or two treatments of one body, cannot be told apart: [`observe`] runs a body in a task
//! under a list of actions from outside and writes down everything that shows.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use shieldable::{
    Cancelled, ShieldableTask, TaskHandle, cancel_pending, checkpoint, is_shielded, shield_scope, shielded,
};

/// The same cases on every run, unless a seed is asked for; `PROPTEST_CASES` says how many.
pub fn config() -> ProptestConfig {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    match config.rng_seed {
        RngSeed::Random => ProptestConfig { rng_seed: RngSeed::Fixed(0x1a35), ..config },
        RngSeed::Fixed(_) => config,
    }
}

/// What a body does.
#[derive(Clone, Debug)]
pub enum Step {
    Note(u8),
    /// Writes down what the queries say.
    Ask,
    /// `Pending` once.
    Suspend,
    Checkpoint,
    CancelSelf,
    /// Inside a guard.
    Guarded(Vec<Step>),
    /// Inside `shielded`.
    Shielded(Vec<Step>),
}

/// What is done to a task from outside.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    Poll,
    Cancel,
    Uncancel,
}

/// Bodies of a few steps, without shields or with.
pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 0..6)
}

fn step() -> impl Strategy<Value = Step> {
    let plain = prop_oneof![
        3 => (0..9u8).prop_map(Step::Note),
        2 => Just(Step::Ask),
        5 => Just(Step::Suspend),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::CancelSelf),
    ];
    plain.prop_recursive(2, 10, 4, |inner| {
        let block = prop::collection::vec(inner, 0..4);
        prop_oneof![block.clone().prop_map(Step::Guarded), block.prop_map(Step::Shielded)]
    })
}

/// Enough polls to see a body to its end, with requests in between.
pub fn actions() -> impl Strategy<Value = Vec<Action>> {
    let action = prop_oneof![4 => Just(Action::Poll), 1 => Just(Action::Cancel), 1 => Just(Action::Uncancel)];
    prop::collection::vec(action, 0..16)
}

/// Without `Uncancel`.
pub fn polls_and_cancels() -> impl Strategy<Value = Vec<Action>> {
    prop::collection::vec(prop_oneof![4 => Just(Action::Poll), 1 => Just(Action::Cancel)], 0..16)
}

/// How a body may end, if it comes so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Value,
    Panic,
    Never,
}

pub fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Value), Just(End::Panic), Just(End::Never)]
}

/// What was seen, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Note(u8),
    Asked {
        pending: bool,
        shielded: bool,
        cancelling: usize,
    },
    /// The body was dropped before its end.
    Torn,
    Polled(Poll<Result<u8, Cancelled>>),
    Cancelled(bool),
    Uncancelled(usize),
    Handle {
        cancelling: usize,
        finished: bool,
        shielded: bool,
        torn: bool,
    },
}

#[derive(Clone, Debug, Default)]
pub struct Log(Rc<RefCell<Vec<Seen>>>);

impl Log {
    pub fn add(&self, seen: Seen) {
        self.0.borrow_mut().push(seen);
    }

    pub fn note(&self, note: u8) {
        self.add(Seen::Note(note));
    }

    pub fn take(&self) -> Vec<Seen> {
        self.0.take()
    }

    pub fn notes(&self) -> Vec<u8> {
        let notes = self.0.borrow();
        notes.iter().filter_map(|seen| if let Seen::Note(note) = seen { Some(*note) } else { None }).collect()
    }
}

/// Writes a note when it is dropped.
pub struct OnDrop(pub Log, pub u8);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.note(self.1);
    }
}

/// `Pending` once; wakes nobody.
pub async fn suspend() {
    let mut suspended = false;
    poll_fn(|_| if std::mem::replace(&mut suspended, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// The body that does the steps and gives its last note, or 0.
pub async fn body(steps: Vec<Step>, log: Log) -> u8 {
    struct Unfinished(Log, Cell<bool>);
    impl Drop for Unfinished {
        fn drop(&mut self) {
            if self.1.get() {
                self.0.add(Seen::Torn);
            }
        }
    }
    let unfinished = Unfinished(log.clone(), Cell::new(true));
    run(&steps, &log).await;
    unfinished.1.set(false);
    log.notes().last().copied().unwrap_or(0)
}

fn run<'a>(steps: &'a [Step], log: &'a Log) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
    Box::pin(async move {
        for step in steps {
            match step {
                Step::Note(note) => log.note(*note),
                Step::Ask => log.add(Seen::Asked {
                    pending: cancel_pending(),
                    shielded: is_shielded(),
                    cancelling: TaskHandle::current().cancelling(),
                }),
                Step::Suspend => suspend().await,
                Step::Checkpoint => checkpoint().await,
                Step::CancelSelf => _ = TaskHandle::current().cancel(),
                Step::Guarded(inner) => {
                    let _shield = shield_scope();
                    run(inner, log).await;
                }
                Step::Shielded(inner) => shielded(run(inner, log)).await,
            }
        }
    })
}

pub fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A waker that counts its calls.
#[derive(Default)]
pub struct Wakes(AtomicUsize);

impl Wakes {
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

pub fn poll_with<F: Future + ?Sized>(future: Pin<&mut F>, wakes: &Arc<Wakes>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&wakes.clone().into()))
}

/// Runs the body in a task under the actions, as long as it lives, and writes down all that shows.
pub fn observe<F: Future<Output = u8>>(make: impl FnOnce(Log) -> F, actions: &[Action]) -> Vec<Seen> {
    let log = Log::default();
    let task = ShieldableTask::new(make(log.clone()));
    let handle = task.handle();
    let mut task = pin!(task);
    for action in actions {
        if handle.is_finished() {
            break;
        }
        log.add(match action {
            Action::Poll => Seen::Polled(poll(task.as_mut())),
            Action::Cancel => Seen::Cancelled(handle.cancel()),
            Action::Uncancel => Seen::Uncancelled(handle.uncancel()),
        });
        log.add(Seen::Handle {
            cancelling: handle.cancelling(),
            finished: handle.is_finished(),
            shielded: handle.is_shielded(),
            torn: handle.was_torn(),
        });
    }
    log.take()
}

/// As [`observe`], without how many requests there were: several are as good as one.
pub fn observe_but_counts<F: Future<Output = u8>>(make: impl FnOnce(Log) -> F, actions: &[Action]) -> Vec<Seen> {
    let mut seen = observe(make, actions);
    seen.retain(|seen| !matches!(seen, Seen::Cancelled(_) | Seen::Uncancelled(_)));
    for seen in &mut seen {
        if let Seen::Handle { cancelling, .. } | Seen::Asked { cancelling, .. } = seen {
            *cancelling = (*cancelling).min(1);
        }
    }
    seen.dedup();
    seen
}

/// The task's polls until it ends or its actions do.
pub fn to_its_end<F: Future<Output = u8>>(
    make: impl FnOnce(Log) -> F,
    actions: &[Action],
) -> Option<Result<u8, Cancelled>> {
    let mut all = actions.to_vec();
    all.extend([Action::Poll; 64]);
    observe(make, &all).into_iter().rev().find_map(|seen| match seen {
        Seen::Polled(Poll::Ready(outcome)) => Some(outcome),
        _ => None,
    })
}

/// Whether it panics.
pub fn panics<R>(run: impl FnOnce() -> R) -> bool {
    catch_unwind(AssertUnwindSafe(run)).is_err()
}

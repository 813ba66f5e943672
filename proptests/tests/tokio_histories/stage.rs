//! A tokio runtime on which one program after the other is run, each until nothing moves any more.
//!
//! Nobody waits for a time. Nothing but the lanes wakes a lane, and whoever holds a lane that was woken is a worker
//! that is not parked; so when all workers are parked, every lane has ended or waits for a wake that will not come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use shieldable_model::{Choices, History, Program, Seed};
use shieldable_proptests::jostle::Jostle;
use shieldable_proptests::lanes::{Crew, LaneFuture};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

pub struct Stage {
    runtime: Runtime,
    workers: Arc<Workers>,
}

struct Workers {
    all: usize,
    parked: AtomicUsize,
    /// Every lane has been spawned, and nobody has said yet that they rest.
    begun: AtomicBool,
    rest: Notify,
}

impl Workers {
    fn parks(&self) {
        let parked = self.parked.fetch_add(1, Ordering::SeqCst) + 1;
        if parked == self.all && self.begun.swap(false, Ordering::SeqCst) {
            self.rest.notify_one();
        }
    }

    fn unparks(&self) {
        self.parked.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What became of a program.
pub struct Run {
    pub history: History,
    /// How many fibers tokio dropped because they were aborted.
    pub aborted: usize,
}

impl Stage {
    pub fn current_thread() -> Self {
        Self::new(Builder::new_current_thread(), 1)
    }

    pub fn two_workers() -> Self {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(2);
        Self::new(builder, 2)
    }

    fn new(mut builder: Builder, all: usize) -> Self {
        let workers =
            Arc::new(Workers { all, parked: AtomicUsize::new(0), begun: AtomicBool::new(false), rest: Notify::new() });
        let (parks, unparks) = (workers.clone(), workers.clone());
        builder.on_thread_park(move || parks.parks()).on_thread_unpark(move || unparks.unparks());
        Self { runtime: builder.build().expect("a runtime can be had"), workers }
    }

    /// Once. `order` decides who is spawned first and who gives way, and with several workers how long they dawdle.
    pub fn run(&self, program: &Arc<Program>, order: u64) -> Run {
        let jostle = (self.workers.all > 1).then(|| Arc::new(Jostle::new(order as u32)));
        let crew = Crew::new(program, jostle);
        let run = self.runtime.block_on(async {
            // Spawned by a worker, which will not park before it has run them or another has taken them over.
            let root = tokio::spawn({
                let (crew, workers) = (crew.clone(), self.workers.clone());
                async move {
                    let mut lanes: Vec<_> = crew.world().program().lanes().collect();
                    let (mut random, all) = (Seed(order), lanes.len());
                    (1..all).for_each(|last| lanes.swap(last, random.pick(last + 1)));
                    let spawn = |lane| {
                        let task = tokio::spawn(LaneFuture::new(&crew, lane, order));
                        let abort = task.abort_handle();
                        crew.can_abort(lane, move || abort.abort());
                        task
                    };
                    let tasks: Vec<_> = lanes.into_iter().map(spawn).collect();
                    workers.begun.store(true, Ordering::SeqCst);
                    tasks
                }
            });
            let tasks = root.await.expect("spawning does not panic");
            self.workers.rest.notified().await;
            let history = crew.world().history(crew.at_work() > 0);
            let aborted = crew.aborted();
            for task in tasks {
                task.abort();
                if let Err(error) = task.await {
                    assert!(!error.is_panic(), "{error}");
                }
            }
            Run { history, aborted }
        });
        let world = crew.world().clone();
        drop(crew);
        world.clear();
        let leaks = world.leaks();
        assert!(leaks.is_empty(), "{leaks:?} after\n{}", run.history.timeline(program));
        run
    }
}

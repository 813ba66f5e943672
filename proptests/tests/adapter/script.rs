//! What the scripts are made of, and what can be seen of a task.

/// How the task is spawned, and what it does.
///
/// With everything: `shielded(timeout(limit, async { work.await; yield_now().await }))`, the shield around all of it or
/// inside around the work alone.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub spawner: Spawner,
    pub limit: Limit,
    pub shield: Shield,
    pub work: Work,
    /// Whether it suspends once more after the work.
    pub tail: bool,
    /// Whether the clock stands between two ticks of tokio's timers, which count whole ones.
    pub between: bool,
}

#[derive(Clone, Copy, Debug)]
pub enum Spawner {
    Spawn,
    SpawnOn,
    SpawnLocal,
    /// By a task that has been cancelled and is shielded.
    InAShieldedTask,
}

/// How long the timeout gives. It is made at the first poll of the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    None,
    /// Up to one tick ago.
    Past,
    Zero,
    Ticks(i64),
    /// Counted from the moment at which the task was spawned.
    FromSpawn(i64),
    /// The longest `Duration`.
    Longest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shield {
    None,
    Inside,
    Around,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    Returns,
    /// Suspends once.
    Yields,
    /// So many ticks.
    Sleeps(i64),
    /// Waits for [`Op::Notify`].
    IsNotified,
    Never,
    /// Uses up tokio's cooperative budget in each poll, for ever.
    IsBusy,
    Panics,
    /// Waits for ever; its destructor panics.
    PanicsWhenDropped,
}

impl Work {
    pub fn may_end(self) -> bool {
        matches!(self, Self::Returns | Self::Yields | Self::Sleeps(_) | Self::IsNotified)
    }
}

/// In ticks.
pub const YEAR: i64 = 365 * 86_400_000;

/// What the caller does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Yields once: the task is polled if it was woken, and then the timers are looked at.
    Turn,
    /// Moves the clock on by one tick, and then yields once.
    Tick,
    /// Moves the clock on by [`YEAR`], and then yields once; where the limit is the longest.
    Leap,
    Notify,
    Cancel,
    Abort,
    /// Makes the join handle one that cancels on drop.
    CancelOnDrop,
    /// Makes that a join handle again.
    Detach,
    /// Makes the join handle the future of `cancel_and_join`.
    CancelAndJoin,
    /// Polls the join handle, or what was made of it, once; drops it if it is ready.
    Join,
    /// Drops the join handle, or what was made of it.
    Drop,
}

/// What came of the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Value,
    Elapsed,
    Cancelled,
    Aborted,
    /// What it panicked with.
    Panicked(&'static str),
    /// A `JoinError` that is not exactly one of the three.
    Confused,
}

/// What the body, and what its destructor panics with.
pub const BODY: &str = "the body panicked";
pub const DESTRUCTOR: &str = "the destructor panicked";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// Nobody waits.
    No,
    Waits,
    /// Whoever waits has been woken.
    Woken,
    Ended(Outcome),
}

/// What can be seen of a task after one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// How often the work was polled.
    pub polls: u32,
    /// Whether the work came to its end.
    pub worked: bool,
    /// Whether what is inside the timeout came to its end.
    pub ended: bool,
    /// Whether the body has been dropped.
    pub dropped: bool,
    pub is_finished: bool,
    pub cancelling: usize,
    pub is_shielded: bool,
    pub was_torn: bool,
    pub joined: Joined,
    /// What `cancel()` returned in this step.
    pub cancel: Option<bool>,
}

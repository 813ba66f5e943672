//! Deliberate faults: broken variants of the model, to show that each property can fail.
//!
//! The step function asks [`Machine::broken`](crate::machine::Machine::broken) at the one place that each fault is
//! about, and nowhere else. Without a fault the model is the spec.

macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $fault:ident)+) => {
        /// One thing done wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $($(#[doc = $doc])+ $fault,)+
        }

        impl Fault {
            /// All of them.
            pub const ALL: &'static [Fault] = &[$(Fault::$fault),+];

            /// What is done wrong.
            pub fn text(self) -> &'static str {
                match self { $(Fault::$fault => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

faults! {
    /// A request is not looked at when a poll begins.
    NoCheckOnEntry
    /// A request is not looked at after the body was pending.
    NoCheckAfterPending
    /// A request is delivered whatever shields are open.
    ShieldsDoNotHold
    /// A suspended, shielded inner scope does not shield the one around it.
    NoParking
    /// Guards that outlive their scope shield nothing.
    GuardsEscapeTheirScope
    /// A value is thrown away if a request is pending.
    CancelBeatsValue
    /// A passed deadline makes a request to the scope around, too.
    DeadlineLeaks
    /// `cancel()` does not wake.
    CancelDoesNotWake
    /// A guard dropped elsewhere does not wake.
    CloseElsewhereDoesNotWake
    /// `uncancel()` of nothing wraps around.
    UncancelBelowZero
    /// `uncancel()` takes a request back during its delivery.
    UncancelRevokesDelivery
    /// An acquisition dropped after the hand-over keeps the lock.
    GrantDiesWithWaiter
    /// The lock is handed to the waiter that came last.
    NewestWaiterFirst
    /// The waiter that is handed the lock is not woken.
    HandOverDoesNotWake
    /// Of a task that is handed the lock, the other acquisitions that wait for it are not woken.
    BranchesSleepOn
    /// `try_lock` takes a lock that somebody holds.
    TryLockBarges
    /// `notify()` does not reach a wait that was not polled yet.
    NotifyForgetsTheUnpolled
    /// `notify()` reaches the first wait only.
    NotifyReachesOne
    /// `notify()` does not wake.
    NotifyDoesNotWake
    /// A passed deadline does not wake.
    DeadlineDoesNotWake
    /// The end of a task does not wake who joins it.
    EndDoesNotWakeJoiner
    /// A checkpoint suspends without waking itself.
    CheckpointDoesNotWake
    /// A guard dropped elsewhere closes two shields.
    CloseElsewhereClosesTwo
    /// A delivery is decided, and the body goes on.
    BodyRunsOn
    /// A scope is done before its body is dropped.
    DoneBeforeDrop
    /// A release frees the lock and leaves the waiter in the queue.
    ReleaseDoesNotHandOver
    /// A hard drop out of a shield leaves no mark.
    TornIsForgotten
    /// A scope that has ended keeps its waker.
    EndKeepsWaker
    /// A shielded task with a request wakes itself to look again.
    ShieldedTaskSpins
}

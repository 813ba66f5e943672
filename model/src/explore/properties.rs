//! What must hold in every state, and for every step.

use crate::clause::Clause;
use crate::fault::Fault;

/// What sort of law.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LawKind {
    /// Nothing bad happens.
    Safety,
    /// Something good is bound to happen: stated as an obligation that is met in every state, so that a run that has
    /// nothing left to do has met them all.
    Liveness,
}

macro_rules! laws {
    ($($law:ident $kind:ident $name:literal [$($clause:ident),*] broken by [$($fault:ident),+])+) => {
        /// A property that is checked.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Law {
            $(#[doc = $name] $law,)+
        }

        impl Law {
            /// All of them.
            pub const ALL: &'static [Law] = &[$(Law::$law),+];

            /// The law, as a sentence.
            pub fn name(self) -> &'static str {
                match self { $(Law::$law => $name,)+ }
            }

            /// Its sort.
            pub fn kind(self) -> LawKind {
                match self { $(Law::$law => LawKind::$kind,)+ }
            }

            /// The clauses that it is about.
            pub fn clauses(self) -> &'static [Clause] {
                match self { $(Law::$law => &[$(Clause::$clause),*],)+ }
            }

            /// Faults that must make it fail.
            pub fn faults(self) -> &'static [Fault] {
                match self { $(Law::$law => &[$(Fault::$fault),+],)+ }
            }
        }
    };
}

laws! {
    Shielded Safety "a shielded body is not dropped by a delivery"
        [Dlv1, Shd2, Shd3, Shd8, Nst2, Nst5, Nst8] broken by [ShieldsDoNotHold, NoParking, GuardsEscapeTheirScope]
    Counted Safety "the open shields of a scope are those that somebody holds"
        [Shd1, Shd4, Shd7, Shd9, Shd11, Nst5, Hdl9] broken by [CloseElsewhereClosesTwo]
    OwnRequests Safety "only its own cancel, uncancel and deadline change the requests of a scope"
        [Nst1, Hdl1, Hdl4, Tmo4, Tmo6, Tsk4, Tsk5] broken by [DeadlineLeaks]
    NotNegative Safety "there are never more requests than were made"
        [Hdl4, Hdl7] broken by [UncancelBelowZero]
    Frozen Safety "the requests of a scope that is ending or done do not change"
        [Hdl6, Dlv7] broken by [UncancelRevokesDelivery]
    Entry Safety "a poll that begins with a request deliverable does not run the body"
        [Dlv2, Dlv3, Hdl5] broken by [NoCheckOnEntry]
    Pending Safety "a body that suspends with a request deliverable is dropped in that poll"
        [Dlv4, Dlv9, Tmo1, Tmo3, Tmo5] broken by [NoCheckAfterPending]
    LiveBodies Safety "only bodies of live scopes run"
        [Scp1, Dlv3, Dlv6] broken by [BodyRunsOn]
    Value Safety "a body that comes to its end gives its value"
        [Dlv5, Tmo2, Tmo6] broken by [CancelBeatsValue]
    OneOutcome Safety "an outcome is decided once"
        [Scp6, Dlv7, Scp7] broken by [BodyRunsOn]
    DoneIsGone Safety "a scope is done only when its body is gone"
        [Scp5, Hdl8, Nst4] broken by [DoneBeforeDrop]
    Torn Safety "was_torn says that the body was dropped hard out of a shield, and nothing else"
        [Scp9, Scp10] broken by [TornIsForgotten]
    NoWaker Safety "a scope that has ended keeps no waker"
        [Hdl11] broken by [EndKeepsWaker]
    Exclusion Safety "a lock has one owner, and its levels are those that somebody holds"
        [Lck1, Lck3, Lck5, Lck10, Lck12, Rlk1, Rlk3, Rlk4, Rlk7, Rlk8] broken by [TryLockBarges, GrantDiesWithWaiter]
    Fifo Safety "waiters are granted the lock in the order in which they queued"
        [Lck2, Lck6, Rlk5, Rlk6] broken by [NewestWaiterFirst]
    NotFree Safety "a lock for which somebody waits is not free"
        [Lck3, Lck8, Lck9, Rlk2, Rlk9] broken by [ReleaseDoesNotHandOver]
    Broadcast Safety "notify reaches the waits called before it and no others"
        [Wtr1, Wtr2, Wtr3, Wtr4, Wtr5] broken by [NotifyForgetsTheUnpolled, NotifyReachesOne]
    Measure Safety "every step of a thread lowers the measure"
        [Shd14, Shd5, Chk2, Chk3] broken by [ShieldedTaskSpins]
    RequestWakes Liveness "a suspended task with a request deliverable has been woken"
        [Dlv10, Hdl2, Hdl3, Shd6, Nst3] broken by [CancelDoesNotWake, CloseElsewhereDoesNotWake]
    CloseWakes Liveness "a suspended scope whose last shield was closed elsewhere, and that shields another, has been woken"
        [Nst7, Shd6] broken by [CloseElsewhereDoesNotWake]
    GrantWakes Liveness "a suspended acquisition that was handed the lock has been woken"
        [Lck4, Lck5] broken by [HandOverDoesNotWake]
    BranchesWake Liveness "an acquisition queued for the task that owns the lock has been woken, once the one that was handed it is over"
        [Rlk14, Rlk5] broken by [BranchesSleepOn]
    NotifyWakes Liveness "a suspended wait that was notified has been woken"
        [Wtr1] broken by [NotifyDoesNotWake]
    DeadlineWakes Liveness "a suspended timeout whose deadline has passed has been woken"
        [Tmo5, Tmo7] broken by [DeadlineDoesNotWake]
    EndWakes Liveness "who waits for a task that has ended has been woken"
        [Tsk6] broken by [EndDoesNotWakeJoiner]
    SelfWakes Liveness "a checkpoint that suspends has woken its task"
        [Chk2] broken by [CheckpointDoesNotWake]
    Terminal Liveness "a run that cannot go on waits for nothing that has happened"
        [Dlv10, Lck4, Wtr1] broken by [CancelDoesNotWake, HandOverDoesNotWake, NotifyDoesNotWake]
}

impl Law {
    /// Its bit in a set of laws.
    pub(crate) fn bit(self) -> u32 {
        1 << self as u32
    }
}

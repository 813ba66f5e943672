//! The numbered clauses of SPEC.md, as values that a checker can mark when it has exercised them.
//!
//! This file and SPEC.md say the same in the same words; whoever changes one changes the other. An id, once released,
//! keeps its meaning: a clause that goes away leaves a gap, a new one takes the next free number of its group.

use std::fmt;

/// What sort of statement a clause is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Says what a word means or what an operation does in which state.
    Definition,
    /// Something bad never happens; a finite run can refute it.
    Safety,
    /// Something good happens at last; only a run that has nothing left to do can refute it.
    Liveness,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::Definition => "definition",
            Kind::Safety => "safety",
            Kind::Liveness => "liveness",
        })
    }
}

/// One line per clause: variant, id, kind, whether programs can observe it, text.
macro_rules! clauses {
    ($($variant:ident $id:literal $kind:ident $observable:ident $text:literal)+) => {
        /// A clause of the specification.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Clause {
            $(#[doc = $text] $variant,)+
        }

        impl Clause {
            /// Every clause, in the order of SPEC.md.
            pub const ALL: &'static [Clause] = &[$(Clause::$variant),+];

            /// The stable id, such as `SHD-3`.
            pub const fn id(self) -> &'static str {
                match self { $(Clause::$variant => $id,)+ }
            }

            /// What the clause says.
            pub const fn text(self) -> &'static str {
                match self { $(Clause::$variant => $text,)+ }
            }

            /// What sort of statement it is.
            pub const fn kind(self) -> Kind {
                match self { $(Clause::$variant => Kind::$kind,)+ }
            }

            /// Whether a program in the language of the model can tell that the clause is broken. The others are
            /// about cost, types, limits out of a program's reach or the runtime, and have tests of their own.
            pub const fn is_observable(self) -> bool {
                match self { $(Clause::$variant => clauses!(@ $observable),)+ }
            }
        }
    };
    (@ observable) => { true };
    (@ apart) => { false };
}

clauses! {
    // Scopes and frames.
    Scp1 "SCP-1" Definition observable "A scope is live, then ending, then done, and never goes back."
    Scp2 "SCP-2" Definition observable "The frames of a thread are the scopes being polled on it; the current scope is the innermost frame, the current task the innermost frame that is a task."
    Scp3 "SCP-3" Safety observable "A poll leaves the frames as it found them, whether it returns or unwinds."
    Scp4 "SCP-4" Safety observable "While a wrapper drops its body, wherever and for whatever reason, its scope is the current one."
    Scp5 "SCP-5" Safety observable "A scope turns ending before its body is dropped, and it is done if and only if its body has been dropped."
    Scp6 "SCP-6" Safety observable "A scope has exactly one outcome: a value, a cancellation, a panic, or a hard drop."
    Scp7 "SCP-7" Safety observable "A panic of the body propagates out of the poll and is never masked by a request; the scope is ending until its wrapper is dropped."
    Scp8 "SCP-8" Safety observable "A wrapper that has completed or panicked panics when it is polled again."
    Scp9 "SCP-9" Definition observable "Dropping a wrapper that has not ended is a hard drop: its body is dropped at once, shielded or not."
    Scp10 "SCP-10" Safety observable "`was_torn()` of a handle is true if and only if its scope was dropped hard while live with an open shield, and then stays true."

    // Delivery.
    Dlv1 "DLV-1" Safety observable "A request is delivered only in the scope's own poll, and only if the scope is live, has a request, and has no open shield."
    Dlv2 "DLV-2" Liveness observable "A poll that begins with a request deliverable delivers it before the body is polled, even if the task was already woken for another reason."
    Dlv3 "DLV-3" Safety observable "A body that has not started when a request is delivered never runs."
    Dlv4 "DLV-4" Liveness observable "When the body returns `Pending` with a request deliverable, the same poll delivers it."
    Dlv5 "DLV-5" Safety observable "A body that returns `Ready(v)` gives `Ok(v)`, whatever is requested."
    Dlv6 "DLV-6" Definition observable "A delivery drops the body and gives `Err(Cancelled)` (a timeout: `Err(Elapsed)`), once, however many requests there are."
    Dlv7 "DLV-7" Safety observable "A delivery is decided in one step, and nothing done by the destructors it runs, neither `uncancel()` nor a shield, revokes or defers it."
    Dlv8 "DLV-8" Safety observable "A panic of a destructor that a delivery runs propagates out of the poll."
    Dlv9 "DLV-9" Safety observable "Opening a shield and closing one are not delivery points: the code after them runs up to the next `Pending`."
    Dlv10 "DLV-10" Liveness observable "A suspended scope with a request deliverable has been woken since it registered its waker."

    // Requests and handles.
    Hdl1 "HDL-1" Definition observable "`cancel()` adds a request to a live scope and returns true; on an ending scope it returns true and does nothing; on a done one it returns false."
    Hdl2 "HDL-2" Liveness observable "`cancel()` on a live scope wakes the waker the scope registered last, unless that has been called since, or a poll that will look at the request is putting another in its place; a scope that has registered none is not woken."
    Hdl3 "HDL-3" Safety observable "`cancel()` may be called from anywhere: another thread, the task itself, a destructor that runs because of a delivery."
    Hdl4 "HDL-4" Definition observable "`uncancel()` takes back one request of a live scope, if there is one, wakes nobody, and returns how many are left."
    Hdl5 "HDL-5" Safety observable "A scope whose requests have all been taken back delivers nothing, also if they were made inside a shield."
    Hdl6 "HDL-6" Safety observable "From the moment a scope turns ending its count of requests is frozen: `cancelling()` and `uncancel()` return it ever after."
    Hdl7 "HDL-7" Definition observable "`cancelling()` is the number of requests."
    Hdl8 "HDL-8" Definition observable "`is_finished()` is true if and only if the scope is done, so a `cancel()` that returned false implies it."
    Hdl9 "HDL-9" Definition observable "`is_shielded()` of a handle is true if and only if the scope is live with an open shield at that instant."
    Hdl10 "HDL-10" Definition apart "Handles are equal if and only if they name the same scope; they may outlive it."
    Hdl11 "HDL-11" Safety observable "A scope that has ended keeps no waker: a long-lived handle keeps no task alive."
    Hdl12 "HDL-12" Safety apart "The count of requests saturates at 2^24 - 1."

    // Shields.
    Shd1 "SHD-1" Definition observable "`shield_scope()` opens a shield of the current scope; dropping its guard closes it. Shields nest and close in any order."
    Shd2 "SHD-2" Safety observable "While a scope has an open shield its body is not dropped by a delivery of that scope."
    Shd3 "SHD-3" Safety observable "A shield opened when a request is already pending holds like any other."
    Shd4 "SHD-4" Safety observable "A guard belongs to the scope it was opened in and closes exactly one shield of it, whichever task or thread drops it."
    Shd5 "SHD-5" Safety observable "A guard dropped while its scope is among the frames of the thread wakes nobody."
    Shd6 "SHD-6" Liveness observable "A guard dropped anywhere else wakes the waker its live scope registered last, with the exceptions of HDL-2."
    Shd7 "SHD-7" Safety observable "Unwinding closes the shields it passes and no others."
    Shd8 "SHD-8" Definition observable "A scope that ends inside the poll of another with guards still held opens one shield of that other scope, which the last of these guards closes when it is dropped, or the scope itself if that guard was dropped in this very moment."
    Shd9 "SHD-9" Definition observable "A guard that outlives its scope in any other way is inert."
    Shd10 "SHD-10" Safety observable "Without a current scope `shield_scope()` panics and `try_shield_scope()` returns `NoCurrentScope`; nothing is opened."
    Shd11 "SHD-11" Definition observable "`shielded(future)` holds one shield from its first poll until it is ready or is dropped."
    Shd12 "SHD-12" Safety apart "Opening a shield of a scope that has 2^24 open panics and opens nothing."
    Shd13 "SHD-13" Definition apart "A guard that is forgotten shields for ever."
    Shd14 "SHD-14" Safety observable "A shielded scope with a request does not spin: its polls beyond those its body asked for are at most the calls of `cancel()`, guards dropped elsewhere, deadlines passed, checkpoints suspended, and polls elsewhere of scopes that had shielded it."

    // Nesting.
    Nst1 "NST-1" Safety observable "Each scope has its own requests and shields: when one ends, its requests end with it and those of no other scope change."
    Nst2 "NST-2" Safety observable "An open shield defers the requests of its own scope and of every scope around it."
    Nst3 "NST-3" Liveness observable "A shield does not defer the requests of a scope opened inside it."
    Nst4 "NST-4" Safety observable "A delivery to a scope drops the scopes inside its body along with it; their handles then say finished."
    Nst5 "NST-5" Definition observable "A scope that suspends with an open shield inside another scope's poll holds one shield of that scope, until its next poll begins or its body has been dropped."
    Nst6 "NST-6" Safety observable "With requests deliverable on several nested scopes the outermost is delivered at the beginning of a poll, and the innermost after `Pending`, the code around it then running up to its next `Pending`."
    Nst7 "NST-7" Liveness observable "When the last shield of a suspended inner scope is closed elsewhere, the scopes around it stop being shielded by it at its next poll, for which it is woken."
    Nst8 "NST-8" Definition observable "A suspended, shielded inner scope that is not polled any more shields the scope it was last polled in, also after it has moved to another task, until it is polled there, which wakes the former, or dropped."

    // Tasks.
    Tsk1 "TSK-1" Definition observable "A task is a scope with an identity; what is polled inside its poll is that task, unless it is a task itself."
    Tsk2 "TSK-2" Safety apart "A task id is 51 bits and is never used again; when they are used up, making a task panics."
    Tsk3 "TSK-3" Definition observable "`TaskHandle::try_current()` is the handle of the current task, if any; without one `TaskHandle::current()` panics."
    Tsk4 "TSK-4" Safety observable "A spawned task starts with no shields and no requests, whatever its spawner has."
    Tsk5 "TSK-5" Safety observable "Cancelling a task that awaits a join handle does not cancel the awaited task."
    Tsk6 "TSK-6" Liveness observable "A join handle resolves when its task has ended; a cancelled task is an `Err` value for whoever awaits it."
    Tsk7 "TSK-7" Definition observable "Dropping a `JoinHandle` detaches its task; dropping a `CancelOnDrop` makes one request."
    Tsk8 "TSK-8" Definition apart "`abort()` and the end of the runtime are hard drops; a `JoinError` tells a cancellation, an abort and a panic apart."

    // Checkpoints and queries.
    Chk1 "CHK-1" Definition observable "`cancel_pending()` is true if and only if some live frame has a request and neither it nor any frame further in has an open shield, each asked in turn from the inside out."
    Chk2 "CHK-2" Safety observable "A checkpoint whose first poll finds `cancel_pending()` wakes itself, suspends once, and is ready at its next poll."
    Chk3 "CHK-3" Safety observable "Any other checkpoint, but for CHK-4, is ready at once, also without a current scope."
    Chk4 "CHK-4" Liveness apart "After 128 checkpoints within one outermost poll each further one suspends once, so that a loop of them cannot starve a deadline."
    Chk5 "CHK-5" Definition observable "`is_shielded()` is true if and only if the current task, or without one the outermost frame, is live and it or a frame further in has an open shield."
    Chk6 "CHK-6" Safety observable "Without a current scope `cancel_pending()` and `is_shielded()` are false."

    // Timeouts.
    Tmo1 "TMO-1" Definition observable "A timeout is a scope whose poll looks at its own requests, then polls the body, then (body `Pending`) its timer, then delivers."
    Tmo2 "TMO-2" Safety observable "A value beats a deadline: if the body is ready in the poll in which the deadline has passed, its value is the result."
    Tmo3 "TMO-3" Safety observable "A timeout of zero polls its body once."
    Tmo4 "TMO-4" Safety observable "A passed deadline makes one request to its own scope, once; the timer is not polled again."
    Tmo5 "TMO-5" Liveness observable "The timer runs while the body is shielded, and a deadline that passes then takes effect at the first `Pending` after the shield."
    Tmo6 "TMO-6" Safety observable "If the body ends first its value is the result, and the deadline's request dies with the scope."
    Tmo7 "TMO-7" Safety observable "Nested deadlines are decided from the inside out: with both passed, the result is `Ok(Err(Elapsed))`."
    Tmo8 "TMO-8" Liveness apart "The timer of `time::timeout` is polled free of the runtime's cooperative budget, so that a body which uses it up cannot outlive its deadline."
    Tmo9 "TMO-9" Definition apart "A deadline more than thirty years ahead is taken for one in thirty years."

    // Locks, re-entrant or not.
    Lck1 "LCK-1" Safety observable "At most one acquisition of a `Lock` is granted or held at a time."
    Lck2 "LCK-2" Safety observable "Waiters are granted the lock in the order of their first polls, those that were dropped left out."
    Lck3 "LCK-3" Safety observable "A release with waiters hands the lock to the first of them without freeing it in between: it stays locked, and nobody else can take it."
    Lck4 "LCK-4" Liveness observable "A hand-over wakes the waker its waiter registered last, unless that has been called since."
    Lck5 "LCK-5" Liveness observable "An acquisition dropped after the hand-over passes the lock on, or frees it if nobody waits."
    Lck6 "LCK-6" Safety observable "An acquisition dropped while queued leaves the queue and changes nothing else."
    Lck7 "LCK-7" Safety apart "Dropping a queued acquisition takes constant time."
    Lck8 "LCK-8" Safety observable "Acquiring a free lock never suspends."
    Lck9 "LCK-9" Safety observable "`try_lock()` takes a free lock, otherwise fails, and never queues."
    Lck10 "LCK-10" Definition observable "A guard releases when it is dropped, also by unwinding, a delivery, another task or another thread; nothing is poisoned."
    Lck11 "LCK-11" Safety apart "Wakers are called and dropped, and values are dropped, while no internal lock is held."
    Lck12 "LCK-12" Definition observable "A granted acquisition holds the lock whether or not it is polled."

    // Re-entrant locks; the LCK clauses hold for them with "task" for "acquisition" in LCK-1.
    Rlk1 "RLK-1" Safety observable "An `RLock` is owned by at most one task at a time; the owner of an acquisition is the current task of the poll that asks."
    Rlk2 "RLK-2" Safety observable "The owner enters again without suspending, whoever waits; branches polled inside one task do not exclude one another."
    Rlk3 "RLK-3" Safety observable "Each guard is one level, dropped in any order and anywhere; the lock is released with the last level and not before."
    Rlk4 "RLK-4" Safety observable "A hand-over makes the waiter's task the owner at once, before its acquisition is polled."
    Rlk5 "RLK-5" Safety observable "A queued acquisition polled by the owner of the lock enters and leaves the queue."
    Rlk6 "RLK-6" Safety observable "A queued acquisition polled by another task than before keeps its place, for that task."
    Rlk7 "RLK-7" Safety observable "An acquisition granted to one task and polled by another passes the grant on and then acquires anew for the poller."
    Rlk8 "RLK-8" Safety observable "An acquisition polled without a current task panics, leaves the queue and passes on what it was granted."
    Rlk9 "RLK-9" Safety observable "`try_lock()` fails with `NoCurrentTask`, `WouldBlock` (another task owns it) or `TooDeep`, and then changes nothing."
    Rlk10 "RLK-10" Safety apart "A lock is entered at most 4095 levels deep; beyond that `lock()` panics and `try_lock()` says `TooDeep`, the lock unchanged."
    Rlk11 "RLK-11" Definition observable "`is_held_by_current()` is true if and only if there is a current task and it owns the lock."
    Rlk12 "RLK-12" Safety apart "Owner and depth change in one step, so that a level dropped elsewhere never lets two tasks in."
    Rlk13 "RLK-13" Safety apart "A guard gives `&T`; an `RLock<T>` is shared between threads only if `T` is `Send + Sync`, a `Lock<T>` if `T` is `Send`."
    Rlk14 "RLK-14" Liveness observable "When the acquisition that was handed the lock has been polled or dropped, and the task that it was handed to owns the lock, the queued acquisitions of that task have been woken."

    // Waiters.
    Wtr1 "WTR-1" Liveness observable "`notify()` completes every wait called before it and not dropped, and wakes those that are suspended."
    Wtr2 "WTR-2" Safety observable "A wait called after a `notify()` is not completed by it, whether or not anybody waited then."
    Wtr3 "WTR-3" Liveness observable "A wait counts from its call: a `notify()` between the call and the first poll makes that poll ready."
    Wtr4 "WTR-4" Safety observable "A wait that no `notify()` has followed is pending."
    Wtr5 "WTR-5" Safety observable "A wait that is dropped, notified or not, changes nothing for the others."
    Wtr6 "WTR-6" Liveness apart "A waker that panics in `notify()` does not keep the others from being woken."
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_named_like_their_variants_and_numbered_without_gaps() {
        let mut previous = ("", 0);
        for clause in Clause::ALL {
            let (group, number) = clause.id().split_once('-').expect("group-number");
            let number: u32 = number.parse().expect("a number");
            assert_eq!(format!("{clause:?}").to_uppercase(), format!("{group}{number}"));
            let expected = if group == previous.0 { previous.1 + 1 } else { 1 };
            assert_eq!(number, expected, "{clause} is out of order");
            previous = (group, number);
        }
    }

    #[test]
    fn every_clause_stands_in_the_specification_word_for_word() {
        let spec = include_str!("../../SPEC.md");
        for clause in Clause::ALL {
            let mark = if clause.is_observable() { "" } else { "°" };
            let line = format!("- **{}**{mark} {}", clause.id(), clause.text());
            assert!(spec.lines().any(|l| l == line), "SPEC.md lacks: {line}");
        }
        let stated = spec.lines().filter(|l| l.starts_with("- **") && l.as_bytes().get(7) == Some(&b'-')).count();
        assert_eq!(stated, Clause::ALL.len(), "SPEC.md states a clause that is not here, or one twice");
    }
}

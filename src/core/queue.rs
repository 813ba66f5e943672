//! The queue behind the locks and the waiter: a doubly linked list of nodes that live in the futures that wait.
//!
//! # State of a node
//! * *idle*: in no queue; its future's alone.
//! * *linked*: in a queue; links, waker and tag belong to the holder of the mutex around that queue.
//! * *granted*: taken out by [`Queue::grant_older`]; its future's alone again. `granted` says so, and whether it was
//!   *asleep* until then: whether [`Queue::take_wakers_of`] had left it its waker.
//!
//! # Invariants
//! 1. A linked node stays where it is, alive, until it is idle or granted: it is pinned, and its future takes it out,
//!    under the mutex, before it goes away.
//! 2. The methods of `Queue` run under the mutex around it, and nothing else touches a linked node but to read
//!    `granted`.
//! 3. Setting `granted` is the last that a queue does to a node: its future may be gone in the next instant.

use std::marker::PhantomPinned;
use std::mem;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::Waker;

use super::sync::UnsafeCell;
use super::sync::atomic::{AtomicU8, Ordering};

const ASLEEP: u8 = 1;
const AWAKE: u8 = 2;

#[derive(Debug)]
pub(super) struct Node {
    /// 0 until it is granted, then whether it was [`ASLEEP`] or [`AWAKE`].
    granted: AtomicU8,
    entry: UnsafeCell<Entry>,
    _pinned: PhantomPinned,
}

#[derive(Debug)]
struct Entry {
    before: Option<NonNull<Node>>,
    after: Option<NonNull<Node>>,
    waker: Option<Waker>,
    tag: u64,
}

// SAFETY: what is in a node is Send, and has one accessor at a time (invariant 2).
unsafe impl Send for Node {}
// SAFETY: as above.
unsafe impl Sync for Node {}

impl Node {
    pub(super) fn new() -> Self {
        let entry = Entry { before: None, after: None, waker: None, tag: 0 };
        Self { granted: AtomicU8::new(0), entry: UnsafeCell::new(entry), _pinned: PhantomPinned }
    }

    /// For the node's own future.
    pub(super) fn is_granted(&self) -> bool {
        // ORDERING: acquire, pairs with the release in `grant_older`: what the granter did before is visible here, and
        // its accesses to the entry are over.
        self.granted.load(Ordering::Acquire) != 0
    }

    /// Granted to idle, and whether it was asleep. For the node's own future.
    pub(super) fn take_grant(&self) -> bool {
        // ORDERING: relaxed, the node is in no queue: nobody else looks at it.
        let granted = self.granted.load(Ordering::Relaxed);
        // ORDERING: as above.
        self.granted.store(0, Ordering::Relaxed);
        granted == ASLEEP
    }

    /// The caller is the one accessor of invariant 2, and `access` does not call back into it.
    fn entry<R>(&self, access: impl FnOnce(&mut Entry) -> R) -> R {
        // SAFETY: the callers in this file are the node's future while the node is idle or granted, or hold the mutex.
        self.entry.with_mut(|entry| access(unsafe { &mut *entry }))
    }
}

#[derive(Debug)]
pub(super) struct Queue {
    front: Option<NonNull<Node>>,
    back: Option<NonNull<Node>>,
}

// SAFETY: the pointers are followed under the mutex around the queue only, and what they point to is Sync.
unsafe impl Send for Queue {}

impl Queue {
    pub(super) const fn new() -> Self {
        Self { front: None, back: None }
    }

    /// Links an idle node behind all others.
    ///
    /// # Safety
    ///
    /// The node is idle. Its future does not let go of it before it is granted or [`remove`](Self::remove)d, under the
    /// same mutex.
    pub(super) unsafe fn push_back(&mut self, node: Pin<&Node>, waker: Waker, tag: u64) {
        let this = NonNull::from(&*node);
        let before = self.back.replace(this);
        node.entry(|entry| *entry = Entry { before, after: None, waker: Some(waker), tag });
        match before {
            Some(before) => node_of(&before).entry(|entry| entry.after = Some(this)),
            None => self.front = Some(this),
        }
    }

    /// Takes a linked node out of the middle, in constant time, and gives its waker to be dropped outside the mutex.
    ///
    /// # Safety
    ///
    /// The node is linked, and in this queue.
    pub(super) unsafe fn remove(&mut self, node: Pin<&Node>) -> Option<Waker> {
        let (before, after, waker) = node.entry(|entry| (entry.before.take(), entry.after.take(), entry.waker.take()));
        match before {
            Some(before) => node_of(&before).entry(|entry| entry.after = after),
            None => self.front = after,
        }
        match after {
            Some(after) => node_of(&after).entry(|entry| entry.before = before),
            None => self.back = before,
        }
        waker
    }

    /// Replaces waker and tag of a linked node, and gives the former waker to be dropped outside the mutex.
    ///
    /// # Safety
    ///
    /// The node is linked, and in this queue.
    pub(super) unsafe fn update(&mut self, node: Pin<&Node>, waker: Waker, tag: u64) -> Option<Waker> {
        node.entry(|entry| {
            entry.tag = tag;
            entry.waker.replace(waker)
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.front.is_none()
    }

    /// Whether a node is left when the front one has been taken out.
    pub(super) fn has_second(&self) -> bool {
        self.front != self.back
    }

    pub(super) fn front_tag(&self) -> Option<u64> {
        self.front.map(|front| node_of(&front).entry(|entry| entry.tag))
    }

    /// Takes out, from the front, the nodes whose tag is below `end`, as many as there are empty places for their
    /// wakers, and marks them granted. Gives their number; the wakers are to be called outside the mutex.
    #[inline]
    pub(super) fn grant_older(&mut self, end: u64, wakers: &mut [Option<Waker>]) -> usize {
        let (mut granted, mut front) = (0, self.front);
        while let Some(next) = front {
            let node = node_of(&next);
            if granted == wakers.len() || node.entry(|entry| entry.tag) >= end {
                break;
            }
            let (after, waker) = node.entry(|entry| (entry.after, entry.waker.take()));
            let was = if waker.is_some() { ASLEEP } else { AWAKE };
            // The place is empty: there is nothing to drop.
            mem::forget(mem::replace(&mut wakers[granted], waker));
            front = after;
            granted += 1;
            // ORDERING: release, pairs with `is_granted`. Last, see invariant 3.
            node.granted.store(was, Ordering::Release);
        }
        self.front = front;
        match front {
            Some(front) => node_of(&front).entry(|entry| entry.before = None),
            None => self.back = None,
        }
        granted
    }

    /// Takes the wakers that are registered with this tag, from the front, as far as there is room, and gives their
    /// number.
    pub(super) fn take_wakers_of(&mut self, tag: u64, wakers: &mut [Option<Waker>]) -> usize {
        let (mut taken, mut next) = (0, self.front);
        while let Some(node) = next.filter(|_| taken < wakers.len()) {
            node_of(&node).entry(|entry| {
                next = entry.after;
                if entry.tag == tag && entry.waker.is_some() {
                    wakers[taken] = entry.waker.take();
                    taken += 1;
                }
            });
        }
        taken
    }

    /// Takes the front node out, marks it granted, and gives its waker to be called outside the mutex.
    pub(super) fn grant_front(&mut self) -> Option<Waker> {
        let mut waker = [None];
        self.grant_older(u64::MAX, &mut waker);
        let [waker] = waker;
        waker
    }
}

/// A node that is linked, by the pointer that a queue or a neighbour has to it.
fn node_of(pointer: &NonNull<Node>) -> &Node {
    // SAFETY: invariant 1; the queue's methods, which alone call this, hold the mutex for as long as they use it.
    unsafe { pointer.as_ref() }
}

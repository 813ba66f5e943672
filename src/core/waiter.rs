//! The waiter: one notification wakes everybody who waits now, and is then forgotten.
//!
//! # State
//! * `generation`: the number of notifications so far. Advanced under the mutex.
//! * `queue`: the nodes of those who wait, each tagged with the generation that its `wait` was called in.
//!
//! # Invariants
//! 1. A wait is over exactly if the generation has moved on since it was called; so a notification between the call and
//!    the first poll is not lost.
//! 2. While the generation is its tag, a queued node is linked; and a notification takes out, from the front, all whose
//!    tag is older than itself. Tags never fall from the front to the back, so one that lets go of the mutex half-way
//!    still ends where those who came after it begin.
//! 3. No user code runs under the mutex: wakers are cloned before it, called and dropped after it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use super::panic::FirstPanic;
use super::queue::{Node, Queue};
use super::sync::atomic::{AtomicU64, Ordering};
use super::sync::{Mutex, constructor};

/// Wakers that are taken out of the queue at a time, to be called without the mutex.
const BATCH: usize = 32;

/// Wakes everybody who waits now; nothing is remembered for those who come later.
///
/// A wait begins when [`wait`](Self::wait) is *called*, so that the usual order loses nothing, on threads either: call
/// `wait`, look at the condition, then await.
///
/// # Examples
///
/// ```
/// # use shieldable::Waiter;
/// # use std::future::Future;
/// # use std::sync::atomic::{AtomicBool, Ordering};
/// static READY: AtomicBool = AtomicBool::new(false);
/// static CHANGED: Waiter = Waiter::new();
///
/// async fn until_ready() {
///     loop {
///         let changed = CHANGED.wait();
///         if READY.load(Ordering::Acquire) {
///             return;
///         }
///         changed.await;
///     }
/// }
///
/// # let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
/// # let mut waiting = std::pin::pin!(until_ready());
/// # assert!(waiting.as_mut().poll(&mut cx).is_pending());
/// READY.store(true, Ordering::Release);
/// CHANGED.notify();
/// # assert!(waiting.as_mut().poll(&mut cx).is_ready());
/// ```
pub struct Waiter {
    generation: AtomicU64,
    queue: Mutex<Queue>,
}

impl Waiter {
    constructor! {
        /// A waiter with nobody waiting.
        ///
        /// # Examples
        ///
        /// ```
        /// # use shieldable::Waiter;
        /// static CHANGED: Waiter = Waiter::new();
        /// CHANGED.notify(); // nobody waits: forgotten
        /// ```
        pub fn new() -> Self {
            Self { generation: AtomicU64::new(0), queue: Mutex::new(Queue::new()) }
        }
    }

    /// Waits for the next [`notify`](Self::notify) after this call.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nobody depends on who else waits.
    ///
    /// # Examples
    ///
    /// ```
    /// # use shieldable::Waiter;
    /// let waiter = Waiter::new();
    /// let wait = waiter.wait();
    /// waiter.notify(); // after the call, before the first poll: counts
    /// # futures::executor::block_on(async {
    /// wait.await;
    /// # });
    /// ```
    pub fn wait(&self) -> Wait<'_> {
        // ORDERING: acquire, pairs with the release in `notify`: who sees a notification here also sees what was done
        // before it, so a condition that is checked after this call is either seen or still to be notified.
        let since = self.generation.load(Ordering::Acquire);
        Wait { waiter: self, node: Node::new(), since, linked: false }
    }

    /// Wakes everybody whose `wait` was called before, in the order of their first polls.
    ///
    /// # Panics
    ///
    /// If a waker does; the others are woken all the same, and the first panic goes on.
    ///
    /// # Examples
    ///
    /// ```
    /// # use shieldable::Waiter;
    /// let waiter = Waiter::new();
    /// let (one, two) = (waiter.wait(), waiter.wait());
    /// waiter.notify();
    /// # futures::executor::block_on(async {
    /// one.await;
    /// two.await;
    /// # });
    /// ```
    pub fn notify(&self) {
        let mut queue = self.queue.lock();
        // ORDERING: relaxed, written under the mutex only.
        let now = self.generation.load(Ordering::Relaxed) + 1;
        // ORDERING: release, pairs with the acquire in `wait` and `poll`.
        self.generation.store(now, Ordering::Release);

        if queue.is_empty() {
            return;
        }
        if !queue.has_second() {
            // One waits, as most often: neither a batch to make nor others to go on for after a panic.
            let waker = queue.grant_front();
            drop(queue);
            if let Some(waker) = waker {
                waker.wake();
            }
            return;
        }
        let mut panic = FirstPanic::default();
        let mut batch = [const { None::<Waker> }; BATCH];
        loop {
            let taken = queue.grant_older(now, &mut batch);
            drop(queue);
            let mut wakers = batch[..taken].iter_mut();
            while wakers.len() > 0 {
                // A panic ends this early, and the next turn goes on with the rest.
                panic.catch(|| wakers.by_ref().filter_map(Option::take).for_each(Waker::wake));
            }
            if taken < BATCH {
                break;
            }
            queue = self.queue.lock();
        }
        panic.resume();
    }
}

impl Default for Waiter {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // ORDERING: relaxed, a number to look at.
        f.debug_struct("Waiter")
            .field("notifications", &self.generation.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`Waiter::wait`]. Once ready, it stays ready.
    #[must_use = "futures do nothing unless polled"]
    pub struct Wait<'a> {
        waiter: &'a Waiter,
        #[pin]
        node: Node,
        since: u64,
        // Whether `node` is in the queue, or was and has been granted.
        linked: bool,
    }

    impl PinnedDrop for Wait<'_> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let node = this.node.as_ref();
            if !*this.linked || node.is_granted() {
                return;
            }
            let mut queue = this.waiter.queue.lock();
            if !node.is_granted() {
                // SAFETY: the node is linked, since it is not granted and the mutex is held, and only in this queue.
                let waker = unsafe { queue.remove(node) };
                drop(queue);
                drop(waker);
            }
        }
    }
}

impl Future for Wait<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let node = this.node.as_ref();
        // ORDERING: acquire, pairs with the release in `notify`: what was done before it is visible after the wait.
        if this.waiter.generation.load(Ordering::Acquire) != *this.since {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        let mut queue = this.waiter.queue.lock();
        // ORDERING: relaxed, the mutex orders it.
        if this.waiter.generation.load(Ordering::Relaxed) != *this.since {
            return Poll::Ready(());
        }
        let former = if *this.linked {
            // SAFETY: the node is linked, since the generation has not moved on and the mutex is held.
            unsafe { queue.update(node, waker, *this.since) }
        } else {
            *this.linked = true;
            // SAFETY: the node is idle; the destructor takes it out before the future that it is pinned in goes away.
            unsafe { queue.push_back(node, waker, *this.since) };
            None
        };
        drop(queue);
        drop(former);
        Poll::Pending
    }
}

impl fmt::Debug for Wait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("linked", &self.linked).finish_non_exhaustive()
    }
}

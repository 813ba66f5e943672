//! The re-entrant lock: FIFO between tasks, over the algorithm of `raw_lock.rs`, open to the task that holds it.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::frame;
use super::raw_lock::{CurrentTask, Entry, Owner, RawLock};
use super::sync::{UnsafeCell, constructor};
use crate::TryLockError;

/// A fair async lock that lets the task that holds it in again.
///
/// The owner is the innermost [`ShieldableTask`](super::ShieldableTask), whatever thread it runs on; a
/// [`CancelScope`](super::CancelScope) or a timeout inside it has its identity. So methods that lock may call one
/// another. The lock is free when the last guard has been dropped, in whatever order and wherever.
///
/// Guards give `&T`, since several may be alive. For mutation put a cell inside that checks at run time; it must be
/// `Sync`, because tasks migrate:
///
/// ```
/// use atomic_refcell::AtomicRefCell;
/// use shieldable::RLock;
///
/// struct Account {
///     balance: RLock<AtomicRefCell<i64>>,
/// }
///
/// impl Account {
///     async fn deposit(&self, amount: i64) {
///         let balance = self.balance.lock().await;
///         *balance.borrow_mut() += amount; // never across an await
///     }
///
///     async fn deposit_twice(&self, amount: i64) {
///         let _both = self.balance.lock().await;
///         self.deposit(amount).await; // enters again, without waiting
///         self.deposit(amount).await;
///     }
/// }
/// # use std::future::Future;
/// # let account = Account { balance: RLock::new(AtomicRefCell::new(0)) };
/// # let mut task = std::pin::pin!(shieldable::ShieldableTask::new(async {
/// #     account.deposit_twice(5).await;
/// #     assert_eq!(*account.balance.lock().await.borrow(), 10);
/// # }));
/// # assert!(task.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_ready());
/// ```
///
/// Two branches of one `join!` are the same task and do not exclude one another. If both had to wait for the lock, the
/// second is woken with the first, and enters while that one holds it. Wrap each in a `ShieldableTask` where they must
/// exclude one another. Such a task, or a spawned one, is an owner of its own: whoever holds the lock and awaits a task
/// that needs it waits for ever.
///
/// # Fairness
///
/// As [`Lock`](super::Lock): first come, first served, in the order of the first polls. Entering again never waits.
///
/// # Source
///
/// The re-entrance and its name are those of Python's `threading.RLock`.
pub struct RLock<T: ?Sized = ()> {
    raw: RawLock,
    value: UnsafeCell<T>,
}

// SAFETY: a lock moves with its value.
unsafe impl<T: ?Sized + Send> Send for RLock<T> {}
// SAFETY: guards of one task may be used on two threads at once, and give `&T` (so Sync), and the next owner may drop
// or replace what is inside through them on its own thread (so Send).
unsafe impl<T: ?Sized + Send + Sync> Sync for RLock<T> {}

impl<T> RLock<T> {
    constructor! {
        /// A free lock around `value`.
        ///
        /// # Examples
        ///
        /// ```
        /// # use shieldable::RLock;
        /// static LOCK: RLock<u32> = RLock::new(7);
        /// assert!(!LOCK.is_locked());
        /// ```
        pub fn new(value: T) -> Self {
            Self { raw: RawLock::new(), value: UnsafeCell::new(value) }
        }
    }

    /// Gives the value back.
    ///
    /// # Examples
    ///
    /// ```
    /// # use shieldable::RLock;
    /// assert_eq!(RLock::new(7).into_inner(), 7);
    /// ```
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> RLock<T> {
    /// Waits for the lock, or enters again at once if the current task holds it.
    ///
    /// Whoever polls the future is who gets the lock: moved to another task while it waits, it keeps its place for that
    /// one; if it had been granted, the grant is passed on and it waits anew.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the place in the queue; a lock that had been handed to it is passed on. Nothing
    /// else is lost.
    ///
    /// # Panics
    ///
    /// When polled outside a [`ShieldableTask`](super::ShieldableTask): it then gives up its place in the queue, and
    /// passes on what it was granted. When polled by a task that holds the lock 4095 times: the lock is then unchanged.
    /// When polled again after it was ready.
    ///
    /// # Examples
    ///
    /// ```
    /// # use shieldable::{RLock, ShieldableTask};
    /// # use std::future::Future;
    /// static CONFIG: RLock<u32> = RLock::new(7);
    ///
    /// # let mut task = std::pin::pin!(
    /// ShieldableTask::new(async {
    ///     let outer = CONFIG.lock().await;
    ///     let inner = CONFIG.lock().await;
    ///     assert_eq!(*outer, *inner);
    /// })
    /// # );
    /// # assert!(task.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_ready());
    /// ```
    #[inline]
    pub fn lock(&self) -> impl Future<Output = RLockGuard<'_, T>> {
        self.raw.acquire::<CurrentTask, _, _>(move || RLockGuard { lock: self })
    }

    /// Waits for the lock; the guard keeps the `Arc`, and so may outlive the caller.
    ///
    /// # Cancel safety
    ///
    /// As [`lock`](Self::lock).
    ///
    /// # Panics
    ///
    /// As [`lock`](Self::lock).
    ///
    /// # Examples
    ///
    /// ```
    /// # use shieldable::{RLock, ShieldableTask};
    /// # futures::executor::block_on(ShieldableTask::new(async {
    /// let lock = std::sync::Arc::new(RLock::new(7));
    /// let guard = lock.clone().lock_owned().await; // may be stored, sent, returned
    /// assert_eq!(*guard, 7);
    /// # })).unwrap();
    /// ```
    pub async fn lock_owned(self: Arc<Self>) -> OwnedRLockGuard<T> {
        if self.try_enter().is_err() {
            self.raw.enter::<CurrentTask>().await;
        }
        OwnedRLockGuard { lock: self }
    }

    /// Takes the lock if it is free or the current task's already.
    ///
    /// # Errors
    ///
    /// * [`TryLockError::WouldBlock`]: another task holds it, or it has been handed to one that waited.
    /// * [`TryLockError::NoCurrentTask`]: called outside a [`ShieldableTask`](super::ShieldableTask).
    /// * [`TryLockError::TooDeep`]: the current task holds it 4095 times. The lock is unchanged.
    ///
    /// # Examples
    ///
    /// ```
    /// # use shieldable::{RLock, ShieldableTask, TryLockError};
    /// # futures::executor::block_on(ShieldableTask::new(async {
    /// let lock = RLock::new(7);
    /// let outer = lock.try_lock().unwrap();
    /// let inner = lock.try_lock().unwrap(); // the same task enters again
    /// # })).unwrap();
    /// assert_eq!(RLock::new(7).try_lock().unwrap_err(), TryLockError::NoCurrentTask);
    /// ```
    #[doc(alias = "acquire_nowait")]
    pub fn try_lock(&self) -> Result<RLockGuard<'_, T>, TryLockError> {
        self.try_enter().map(|()| RLockGuard { lock: self })
    }

    /// Takes the lock if it is free or the current task's already; the guard keeps the `Arc`.
    ///
    /// # Errors
    ///
    /// As [`try_lock`](Self::try_lock).
    ///
    /// # Examples
    ///
    /// ```
    /// # use shieldable::{RLock, ShieldableTask};
    /// # futures::executor::block_on(ShieldableTask::new(async {
    /// let lock = std::sync::Arc::new(RLock::new(7));
    /// assert_eq!(*lock.clone().try_lock_owned().unwrap(), 7);
    /// # })).unwrap();
    /// ```
    pub fn try_lock_owned(self: Arc<Self>) -> Result<OwnedRLockGuard<T>, TryLockError> {
        self.try_enter().map(|()| OwnedRLockGuard { lock: self })
    }

    /// Also the first step of every `lock`: a lock that is free costs no more than this.
    #[inline]
    fn try_enter(&self) -> Result<(), TryLockError> {
        let task = frame::current_task().ok_or(TryLockError::NoCurrentTask)?;
        match self.raw.try_enter(Owner::task(task)) {
            Entry::Entered => Ok(()),
            Entry::Held => Err(TryLockError::WouldBlock),
            Entry::TooDeep => Err(TryLockError::TooDeep),
        }
    }

    /// Whether a task holds the lock now, or has been handed it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use shieldable::{RLock, ShieldableTask};
    /// # futures::executor::block_on(ShieldableTask::new(async {
    /// let lock = RLock::new(());
    /// let guard = lock.lock().await;
    /// assert!(lock.is_locked());
    /// drop(guard);
    /// assert!(!lock.is_locked());
    /// # })).unwrap();
    /// ```
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.raw.is_held()
    }

    /// Whether the current task holds the lock; false outside a task.
    ///
    /// # Examples
    ///
    /// ```
    /// # use shieldable::{RLock, ShieldableTask};
    /// let lock = RLock::new(());
    /// # futures::executor::block_on(ShieldableTask::new(async {
    /// let _guard = lock.lock().await;
    /// assert!(lock.is_held_by_current());
    /// # })).unwrap();
    /// assert!(!lock.is_held_by_current());
    /// ```
    #[must_use]
    pub fn is_held_by_current(&self) -> bool {
        frame::current_task().is_some_and(|task| self.raw.is_held_by(Owner::task(task)))
    }

    /// The value, without locking: nobody else can have it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use shieldable::RLock;
    /// let mut lock = RLock::new(6);
    /// *lock.get_mut() += 1;
    /// assert_eq!(lock.into_inner(), 7);
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T: Default> Default for RLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for RLock<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("RLock");
        match self.try_lock() {
            Ok(guard) => out.field("value", &&*guard),
            Err(TryLockError::NoCurrentTask) => out.field("value", &format_args!("<no current task>")),
            Err(_) => out.field("value", &format_args!("<locked>")),
        };
        out.field("is_locked", &self.is_locked()).finish()
    }
}

/// Holds an [`RLock`]; when the task's last one is dropped, the lock is handed over or freed.
///
/// A drop that hands the lock over panics if the waker does.
///
/// # Examples
///
/// ```
/// # use shieldable::{RLock, ShieldableTask};
/// # futures::executor::block_on(ShieldableTask::new(async {
/// let lock = RLock::new(7);
/// let guard = lock.lock().await;
/// assert_eq!(*guard, 7);
/// drop(guard); // released here; at the end of the scope otherwise
/// # })).unwrap();
/// ```
#[must_use = "a guard that is not bound to a name releases at once"]
pub struct RLockGuard<'a, T: ?Sized = ()> {
    lock: &'a RLock<T>,
}

/// Holds an [`RLock`] in an `Arc`; when the task's last guard is dropped, the lock is handed over or freed.
///
/// # Examples
///
/// ```
/// # use shieldable::{RLock, ShieldableTask};
/// # futures::executor::block_on(ShieldableTask::new(async {
/// let guard = std::sync::Arc::new(RLock::new(7)).lock_owned().await;
/// assert_eq!(*guard, 7); // keeps the lock alive
/// # })).unwrap();
/// ```
#[must_use = "a guard that is not bound to a name releases at once"]
pub struct OwnedRLockGuard<T: ?Sized = ()> {
    lock: Arc<RLock<T>>,
}

macro_rules! guard {
    ($([$life:lifetime])? $guard:ident) => {
        impl<$($life,)? T: ?Sized> Drop for $guard<$($life,)? T> {
            #[inline]
            fn drop(&mut self) {
                self.lock.raw.release();
            }
        }

        impl<$($life,)? T: ?Sized> Deref for $guard<$($life,)? T> {
            type Target = T;

            fn deref(&self) -> &T {
                // SAFETY: while a guard is alive its task owns the lock, and all that is given out is `&T`.
                self.lock.value.with(|value| unsafe { &*value })
            }
        }

        impl<$($life,)? T: ?Sized + fmt::Debug> fmt::Debug for $guard<$($life,)? T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }

        impl<$($life,)? T: ?Sized + fmt::Display> fmt::Display for $guard<$($life,)? T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }
    };
}

guard!(['a] RLockGuard);
guard!(OwnedRLockGuard);

//! The plain lock: FIFO mutual exclusion over the algorithm of `raw_lock.rs`, for anybody.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::raw_lock::{Anybody, Entry, Owner, RawLock};
use super::sync::{UnsafeCell, constructor};
use crate::TryLockError;

/// A fair async mutex: whoever polled first gets it first, and a release hands it over.
///
/// Needs no current task. Its owner does not get in twice: that is [`RLock`](super::RLock). There is no poisoning: a
/// guard that is dropped by a panic releases.
///
/// # Fairness
///
/// First come, first served, in the order of the first polls; [`try_lock`](Self::try_lock) does not barge past anybody
/// who waits, woken or not. The price: an acquisition that has been granted and is then neither polled nor dropped
/// blocks everybody. And an acquisition of a free lock never suspends, so a loop over one never yields to the executor.
///
/// # Examples
///
/// ```
/// # use shieldable::Lock;
/// static LOG: Lock<Vec<String>> = Lock::new(Vec::new());
///
/// # use std::future::Future;
/// # let mut example = std::pin::pin!(
/// async {
///     LOG.lock().await.push("started".into());
/// }
/// # );
/// # assert!(example.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_ready());
/// # assert_eq!(LOG.try_lock().unwrap().len(), 1);
/// ```
pub struct Lock<T: ?Sized = ()> {
    raw: RawLock,
    value: UnsafeCell<T>,
}

// SAFETY: a lock moves with its value.
unsafe impl<T: ?Sized + Send> Send for Lock<T> {}
// SAFETY: the value is reached through one guard at a time, on whichever thread that is: it needs to be Send, not Sync.
unsafe impl<T: ?Sized + Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    constructor! {
        /// A free lock around `value`.
        ///
        /// # Examples
        ///
        /// ```
        /// # use shieldable::Lock;
        /// static LOCK: Lock<u32> = Lock::new(7);
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
    /// # use shieldable::Lock;
    /// assert_eq!(Lock::new(7).into_inner(), 7);
    /// ```
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Lock<T> {
    /// Waits for the lock.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the place in the queue; a lock that had been handed to it is passed on. Nothing
    /// else is lost.
    ///
    /// # Panics
    ///
    /// When polled again after it was ready.
    ///
    /// # Examples
    ///
    /// ```
    /// # use shieldable::Lock;
    /// # futures::executor::block_on(async {
    /// let lock = Lock::new(6);
    /// *lock.lock().await += 1;
    /// assert_eq!(lock.into_inner(), 7);
    /// # });
    /// ```
    #[inline]
    pub fn lock(&self) -> impl Future<Output = LockGuard<'_, T>> {
        self.raw.acquire::<Anybody, _, _>(move || LockGuard { lock: self, value: PhantomData })
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
    /// # use shieldable::Lock;
    /// # futures::executor::block_on(async {
    /// let lock = std::sync::Arc::new(Lock::new(7));
    /// let guard = lock.clone().lock_owned().await; // may be stored, sent, returned
    /// assert_eq!(*guard, 7);
    /// # });
    /// ```
    pub async fn lock_owned(self: Arc<Self>) -> OwnedLockGuard<T> {
        if self.try_enter().is_err() {
            self.raw.enter::<Anybody>().await;
        }
        OwnedLockGuard { lock: self, value: PhantomData }
    }

    /// Takes the lock if it is free.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if it is held, or has been handed to somebody who waited.
    ///
    /// # Examples
    ///
    /// ```
    /// # use shieldable::{Lock, TryLockError};
    /// # futures::executor::block_on(async {
    /// let lock = Lock::new(7);
    /// let guard = lock.try_lock().unwrap();
    /// assert_eq!(lock.try_lock().unwrap_err(), TryLockError::WouldBlock);
    /// # });
    /// ```
    #[doc(alias = "acquire_nowait")]
    pub fn try_lock(&self) -> Result<LockGuard<'_, T>, TryLockError> {
        self.try_enter().map(|()| LockGuard { lock: self, value: PhantomData })
    }

    /// Takes the lock if it is free; the guard keeps the `Arc`.
    ///
    /// # Errors
    ///
    /// As [`try_lock`](Self::try_lock).
    ///
    /// # Examples
    ///
    /// ```
    /// # use shieldable::Lock;
    /// # futures::executor::block_on(async {
    /// let lock = std::sync::Arc::new(Lock::new(7));
    /// assert_eq!(*lock.clone().try_lock_owned().unwrap(), 7);
    /// # });
    /// ```
    pub fn try_lock_owned(self: Arc<Self>) -> Result<OwnedLockGuard<T>, TryLockError> {
        self.try_enter().map(|()| OwnedLockGuard { lock: self, value: PhantomData })
    }

    /// Also the first step of every `lock`: a lock that is free costs no more than this.
    #[inline]
    fn try_enter(&self) -> Result<(), TryLockError> {
        match self.raw.try_enter(Owner::ANONYMOUS) {
            Entry::Entered => Ok(()),
            Entry::Held | Entry::TooDeep => Err(TryLockError::WouldBlock),
        }
    }

    /// Whether somebody holds the lock now, or has been handed it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use shieldable::Lock;
    /// # futures::executor::block_on(async {
    /// let lock = Lock::new(());
    /// let guard = lock.lock().await;
    /// assert!(lock.is_locked());
    /// drop(guard);
    /// assert!(!lock.is_locked());
    /// # });
    /// ```
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.raw.is_held()
    }

    /// The value, without locking: nobody else can have it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use shieldable::Lock;
    /// let mut lock = Lock::new(6);
    /// *lock.get_mut() += 1;
    /// assert_eq!(lock.into_inner(), 7);
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T: Default> Default for Lock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for Lock<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Lock");
        match self.try_lock() {
            Ok(guard) => out.field("value", &&*guard),
            Err(_) => out.field("value", &format_args!("<locked>")),
        };
        out.finish()
    }
}

/// Holds a [`Lock`]; dropping it hands the lock over, or frees it.
///
/// A drop that hands the lock over panics if the waker does.
///
/// # Examples
///
/// ```
/// # use shieldable::Lock;
/// # futures::executor::block_on(async {
/// let lock = Lock::new(7);
/// let guard = lock.lock().await;
/// assert_eq!(*guard, 7);
/// drop(guard); // released here; at the end of the scope otherwise
/// # });
/// ```
#[must_use = "a guard that is not bound to a name releases at once"]
pub struct LockGuard<'a, T: ?Sized = ()> {
    lock: &'a Lock<T>,
    // The guard is as good as the `&mut T` that it gives: what that is Send and Sync for, it is.
    value: PhantomData<&'a mut T>,
}

/// Holds a [`Lock`] in an `Arc`; dropping it hands the lock over, or frees it.
///
/// # Examples
///
/// ```
/// # use shieldable::Lock;
/// # futures::executor::block_on(async {
/// let guard = std::sync::Arc::new(Lock::new(7)).lock_owned().await;
/// assert_eq!(*guard, 7); // keeps the lock alive
/// # });
/// ```
#[must_use = "a guard that is not bound to a name releases at once"]
pub struct OwnedLockGuard<T: ?Sized = ()> {
    lock: Arc<Lock<T>>,
    value: PhantomData<T>,
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
                // SAFETY: this guard holds the lock, and there is no other; the borrow of it forbids `deref_mut`.
                self.lock.value.with(|value| unsafe { &*value })
            }
        }

        impl<$($life,)? T: ?Sized> DerefMut for $guard<$($life,)? T> {
            fn deref_mut(&mut self) -> &mut T {
                // SAFETY: this guard holds the lock, and there is no other; it is borrowed exclusively.
                self.lock.value.with_mut(|value| unsafe { &mut *value })
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

guard!(['a] LockGuard);
guard!(OwnedLockGuard);

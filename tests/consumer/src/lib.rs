//! A bank: a transfer between two accounts that nobody sees half-way, however it is cancelled.
//!
//! The code is written once against [`prims`], which is `shieldable` for users, and `shieldable::loom` or
//! `shieldable::shuttle` for the models.

#[cfg(not(all(test, any(feature = "loom", feature = "shuttle"))))]
mod prims {
    pub use shieldable::{Lock, shielded};
    pub use std::sync::atomic::{AtomicU32, Ordering};
}

#[cfg(all(test, feature = "loom"))]
mod prims {
    pub use loom::sync::atomic::{AtomicU32, Ordering};
    pub use shieldable::loom::{Lock, shielded};
}

#[cfg(all(test, feature = "shuttle"))]
mod prims {
    pub use shieldable::shuttle::{Lock, shielded};
    pub use shuttle::sync::atomic::{AtomicU32, Ordering};
}

use prims::{AtomicU32, Lock, Ordering, shielded};

/// Two accounts.
#[derive(Debug)]
pub struct Bank {
    book: Lock<()>,
    from: AtomicU32,
    to: AtomicU32,
}

impl Bank {
    /// All of it is in the first account.
    pub fn new(money: u32) -> Self {
        Self { book: Lock::new(()), from: AtomicU32::new(money), to: AtomicU32::new(0) }
    }

    /// Moves one unit. Once the book is taken it is done to the end, also if the task is cancelled.
    pub async fn transfer(&self, settle: impl Future<Output = ()>) {
        let _book = self.book.lock().await;
        shielded(async {
            self.from.fetch_sub(1, Ordering::Relaxed);
            settle.await;
            self.to.fetch_add(1, Ordering::Relaxed);
        })
        .await;
    }

    /// What is in both accounts, if nobody has the book.
    pub fn total(&self) -> Option<u32> {
        let _book = self.book.try_lock().ok()?;
        Some(self.from.load(Ordering::Relaxed) + self.to.load(Ordering::Relaxed))
    }
}

#[cfg(all(test, feature = "loom"))]
mod models {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, Wake, Waker};

    use shieldable::loom::ShieldableTask;

    use super::Bank;
    use super::prims::{AtomicU32, Ordering};

    struct Rouse(loom::sync::Notify);

    impl Wake for Rouse {
        fn wake(self: Arc<Self>) {
            self.0.notify();
        }
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        let rouse = Arc::new(Rouse(loom::sync::Notify::new()));
        let waker = Waker::from(rouse.clone());
        let mut future = pin!(future);
        loop {
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(output) => return output,
                Poll::Pending => rouse.0.wait(),
            }
        }
    }

    /// Pending once, and woken at once.
    async fn settle() {
        let mut waited = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut waited, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    #[test]
    fn a_cancelled_transfer_loses_no_money() {
        loom::model(|| {
            let bank = Arc::new(Bank::new(5));
            let task = ShieldableTask::new({
                let bank = bank.clone();
                async move { bank.transfer(settle()).await }
            });
            let handle = task.handle();
            let other = loom::thread::spawn({
                let bank = bank.clone();
                move || {
                    handle.cancel();
                    assert!(matches!(bank.total(), None | Some(5)));
                }
            });
            let _ = block_on(task);
            other.join().unwrap();
            assert_eq!(bank.total(), Some(5));
        });
    }

    #[test]
    #[should_panic(expected = "half-way")]
    fn without_the_shield_it_is_seen_half_way() {
        loom::model(|| {
            let (from, to) = (Arc::new(AtomicU32::new(5)), Arc::new(AtomicU32::new(0)));
            let task = ShieldableTask::new({
                let (from, to) = (from.clone(), to.clone());
                async move {
                    from.fetch_sub(1, Ordering::Relaxed);
                    settle().await;
                    to.fetch_add(1, Ordering::Relaxed);
                }
            });
            let handle = task.handle();
            let other = loom::thread::spawn(move || handle.cancel());
            let _ = block_on(task);
            other.join().unwrap();
            let total = from.load(Ordering::Relaxed) + to.load(Ordering::Relaxed);
            assert_eq!(total, 5, "half-way");
        });
    }
}

/// One checker at a time: each is a build of its own.
#[cfg(all(test, feature = "shuttle"))]
mod schedules {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use shieldable::shuttle::ShieldableTask;
    use shuttle::future::{block_on, yield_now};

    use super::Bank;

    #[test]
    fn a_cancelled_transfer_loses_no_money_at_random() {
        // Not shuttle's: over all schedules, how it may end.
        let (through, cancelled) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let seen = [through.clone(), cancelled.clone()];
        shuttle::check_random_with_seed(
            move || {
                let bank = Arc::new(Bank::new(5));
                let task = ShieldableTask::new({
                    let bank = bank.clone();
                    async move { bank.transfer(yield_now()).await }
                });
                let handle = task.handle();
                let others: Vec<_> = [bank.clone(), bank.clone()]
                    .into_iter()
                    .map(|bank| {
                        let task = ShieldableTask::new(async move { bank.transfer(yield_now()).await });
                        shuttle::thread::spawn(move || block_on(task).expect("nobody has its handle"))
                    })
                    .collect();
                let canceller = shuttle::thread::spawn({
                    let bank = bank.clone();
                    move || {
                        handle.cancel();
                        assert!(matches!(bank.total(), None | Some(5)));
                    }
                });
                if block_on(task).is_ok() { &through } else { &cancelled }.store(true, Relaxed);
                others.into_iter().for_each(|other| other.join().unwrap());
                canceller.join().unwrap();
                assert_eq!(bank.total(), Some(5));
            },
            /* seed: */ 1,
            /* schedules: */ 500,
        );
        assert!(seen.iter().all(|seen| seen.load(Relaxed)), "through, cancelled: {seen:?}");
    }
}

#[cfg(test)]
mod tests {
    #[cfg(not(any(feature = "loom", feature = "shuttle")))]
    #[test]
    fn money_moves() {
        use std::pin::pin;
        use std::task::{Context, Waker};

        let bank = super::Bank::new(5);
        let task = pin!(shieldable::ShieldableTask::new(bank.transfer(async {})));
        assert!(task.poll(&mut Context::from_waker(Waker::noop())).is_ready());
        assert_eq!(bank.total(), Some(5));
    }
}

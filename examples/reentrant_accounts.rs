//! Methods that lock and call one another, and change what they lock: the recipe for `RLock`.
//!
//! ```text
//! cargo run --example reentrant_accounts
//! ```
//!
//! A lock that its owner may enter again can give out `&T` only: two guards of one task are alive at once. To change
//! what is inside, put a cell into it: `AtomicRefCell`, as tasks move between threads. Borrow for one statement, never
//! over an await and never over a call that locks. The lock is what spans the awaits.

use std::sync::Arc;

use atomic_refcell::AtomicRefCell;
use shieldable::RLock;
use tokio::task::yield_now;

#[derive(Default)]
struct Account {
    book: RLock<AtomicRefCell<Book>>,
}

#[derive(Default)]
struct Book {
    balance: i64,
    lines: Vec<String>,
}

impl Account {
    /// Callable by itself, and from every other method.
    async fn note(&self, text: String) {
        let book = self.book.lock().await;
        yield_now().await; // as if it were written somewhere
        book.borrow_mut().lines.push(text);
    }

    async fn deposit(&self, amount: i64) {
        let book = self.book.lock().await;
        let before = book.borrow().balance;
        self.note(format!("{amount:+}")).await;
        // Sound although an await lies between: nobody else can be in the lock.
        book.borrow_mut().balance = before + amount;
    }

    /// Deposit and charge at once: nobody sees the balance in between.
    async fn deposit_with_fee(&self, amount: i64, fee: i64) {
        let _all_of_it = self.book.lock().await;
        self.deposit(amount).await;
        self.deposit(-fee).await;
    }
}

#[tokio::main]
async fn main() {
    let account = Arc::new(Account::default());
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let account = account.clone();
            // The owner of a re-entrant lock is a task: shieldable::spawn makes one.
            shieldable::spawn(async move { account.deposit_with_fee(10, 1).await })
        })
        .collect();
    for task in tasks {
        task.await.expect("nobody cancels it");
    }

    let book = account.book.try_lock();
    // Here, in `main`, there is no such task, and the lock says so instead of letting everybody in.
    println!("from outside a task: {}", book.err().map_or("locked".to_owned(), |error| error.to_string()));
    let account = Arc::into_inner(account).expect("every task has ended");
    let book = account.book.into_inner().into_inner();
    println!("balance {} after {} lines", book.balance, book.lines.len());
    assert_eq!((book.balance, book.lines.len()), (900, 200));
    assert!(book.lines.chunks(2).all(|pair| pair == ["+10", "-1"]), "no other task got in between");
}

//! A timeout around a commit: late while preparing gives up, late while committing finishes.
//!
//! ```text
//! cargo run --example timeout_commit
//! ```

use std::time::Duration;

use shieldable::{shield_scope, time::timeout};
use tokio::sync::Mutex;
use tokio::time::sleep;

const LIMIT: Duration = Duration::from_millis(100);

/// A file of orders, of which a header without its rows would be the ruin.
type Ledger = Mutex<Vec<&'static str>>;

/// Takes `prepare` to get ready and `write` for each of the three lines.
async fn place_order(ledger: &Ledger, prepare: Duration, write: Duration) -> &'static str {
    // Nothing has happened yet: a timeout may end it here.
    sleep(prepare).await;

    // From here on it may not. The request waits, and as no await follows the scope, the receipt is returned.
    let _shield = shield_scope();
    for line in ["header", "rows", "checksum"] {
        sleep(write).await;
        ledger.lock().await.push(line);
    }
    "receipt"
}

#[tokio::main]
async fn main() {
    let quick = Duration::from_millis(10);
    let slow = Duration::from_millis(80);

    let ledger = Ledger::default();
    let result = timeout(LIMIT, place_order(&ledger, quick, quick)).await;
    println!("in time:                     {result:?}, ledger {:?}", ledger.lock().await);

    let ledger = Ledger::default();
    let result = timeout(LIMIT, place_order(&ledger, 2 * slow, quick)).await;
    println!("late while preparing:        {result:?}, ledger {:?}", ledger.lock().await);
    assert!(result.is_err() && ledger.lock().await.is_empty());

    let ledger = Ledger::default();
    let result = timeout(LIMIT, place_order(&ledger, quick, slow)).await;
    println!("late while committing:       {result:?}, ledger {:?}", ledger.lock().await);
    assert!(result.is_ok() && ledger.lock().await.len() == 3);

    // tokio's own timeout drops the future and knows no shields; the cancel scope here is only for `shield_scope`.
    let ledger = Ledger::default();
    let order = shieldable::CancelScope::new(place_order(&ledger, quick, slow));
    let result = tokio::time::timeout(LIMIT, order).await;
    println!("the same under tokio's own:  {result:?}, ledger {:?}", ledger.lock().await);
    assert!(result.is_err() && ledger.lock().await.len() < 3);
}

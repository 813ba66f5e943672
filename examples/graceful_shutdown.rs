//! Ctrl-C cancels the workers; a batch that has been begun is still written to its end.
//!
//! ```text
//! cargo run --example graceful_shutdown             # press Ctrl-C after a while; twice if you cannot wait
//! cargo run --example graceful_shutdown -- --demo   # presses it itself, on Unix
//! ```

use std::time::Duration;

use shieldable::{ShieldableTask, shielded};
use tokio::signal::ctrl_c;
use tokio::time::sleep;

/// Waits for work, which may be cancelled, and writes it, which may not.
async fn worker(number: u64) {
    for batch in 1_u64.. {
        sleep(Duration::from_millis(100)).await;
        let write = async {
            println!("worker {number}: batch {batch} begun");
            sleep(Duration::from_millis(300 * number)).await;
            println!("worker {number}: batch {batch} complete");
        };
        // A request that arrives meanwhile takes effect at the first await after this one: the wait for more work.
        shielded(write).await;
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let workers: Vec<_> =
        (1..=3).map(|number| ShieldableTask::named(format!("worker {number}"), worker(number)).spawn()).collect();
    if std::env::args().any(|arg| arg == "--demo") {
        std::thread::spawn(raise_ctrl_c);
    }

    ctrl_c().await?;
    println!("-- shutting down: no new batches");
    for worker in &workers {
        worker.cancel();
    }
    let all_ended = async {
        for worker in workers {
            let name = worker.handle().name().unwrap_or_default().to_owned();
            match worker.await {
                Err(end) if end.is_cancelled() => println!("{name}: cancelled"),
                // A worker that panicked may have torn its batch: that is no shutdown in good order.
                Err(end) => panic!("{name}: {end}"),
                Ok(()) => println!("{name}: ended"),
            }
        }
    };
    tokio::select! {
        () = all_ended => println!("-- nothing was torn"),
        // The way out for whoever cannot wait: leaving `main` drops the tasks, and no shield holds that up.
        _ = ctrl_c() => println!("-- leaving at once"),
    }
    Ok(())
}

/// Sends this process the signal that a terminal sends for Ctrl-C.
fn raise_ctrl_c() {
    std::thread::sleep(Duration::from_millis(500));
    let kill = format!("kill -INT {}", std::process::id());
    if let Err(error) = std::process::Command::new("sh").args(["-c", &kill]).status() {
        eprintln!("no shell to send the signal with ({error}): press Ctrl-C");
    }
}

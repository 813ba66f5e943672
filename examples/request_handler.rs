//! A request handler whose client goes away: the work for nobody stops, a payment that has begun does not.
//!
//! ```text
//! cargo run --example request_handler
//! ```
//!
//! A real server and three real clients on the loopback interface. The first waits for its answer, the second hangs up
//! while its card is looked up, the third while it is charged.

use std::time::Duration;

use shieldable::shield_scope;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

const LOOKUP: Duration = Duration::from_millis(200);
const CHARGE: Duration = Duration::from_millis(200);

/// Where everybody says what happened, in the order in which it did.
type Events = mpsc::UnboundedSender<String>;

/// Handles one payment.
async fn pay(client: u8, events: Events) -> &'static [u8] {
    sleep(LOOKUP).await;

    let _shield = shield_scope();
    let _ = events.send(format!("client {client}: charge begins"));
    sleep(CHARGE).await;
    let _ = events.send(format!("client {client}: charge booked"));
    b"paid"
}

/// Answers one connection, or stops when it is closed from the other side.
async fn serve(mut socket: TcpStream, events: Events) -> std::io::Result<()> {
    let client = socket.read_u8().await?;
    // Whichever way this function is left, and be it an abort of its task: the payment is asked to stop.
    let mut payment = shieldable::spawn(pay(client, events.clone())).cancel_on_drop();
    tokio::select! {
        answer = &mut payment => match answer {
            Ok(answer) => socket.write_all(answer).await,
            Err(end) => Err(std::io::Error::other(end)),
        },
        // No further byte is expected: the read ends when the client has gone.
        _ = socket.read_u8() => {
            let _ = events.send(format!("client {client}: went away"));
            Ok(())
        }
    }
}

/// A client: asks to be charged, and hangs up when its patience is over.
async fn call(client: u8, mut socket: TcpStream, patience: Duration, events: Events) -> std::io::Result<()> {
    socket.write_u8(client).await?;
    let mut answer = [0; 4];
    // tokio's own timeout is right here: nothing is at stake in a read.
    if let Ok(read) = tokio::time::timeout(patience, socket.read_exact(&mut answer)).await {
        read?;
        let _ = events.send(format!("client {client}: got {:?}", String::from_utf8_lossy(&answer)));
    }
    Ok(())
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (events, mut all) = mpsc::unbounded_channel();
    let patience = [2 * (LOOKUP + CHARGE), LOOKUP / 2, LOOKUP + CHARGE / 2];
    let mut tasks = JoinSet::new();
    for (client, patience) in (1_u8..).zip(patience) {
        // Connected first: nobody waits to accept a client that never came.
        tasks.spawn(call(client, TcpStream::connect(address).await?, patience, events.clone()));
        let (socket, _) = listener.accept().await?;
        tasks.spawn(serve(socket, events.clone()));
    }
    // Everybody still at work holds a sender, payments without a client too: when the events end, so has the work.
    drop(events);
    let mut seen = Vec::new();
    while let Some(event) = all.recv().await {
        println!("{event}");
        seen.push(event);
    }
    while let Some(end) = tasks.join_next().await {
        end??;
    }
    for (client, booked) in [(1, true), (2, false), (3, true)] {
        assert_eq!(seen.contains(&format!("client {client}: charge booked")), booked);
    }
    Ok(())
}

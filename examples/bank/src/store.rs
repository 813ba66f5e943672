//! Two banks and a journal, each a server of its own.
//!
//! The point of this module is what it does *not* offer: a transaction that covers more than one of the three. Each
//! bank is a database file behind its own connection, the journal an append-only file outside both, and each of them
//! lives on a thread that takes one request after the other, as a server at the end of a wire would. A caller that
//! stops waiting takes nothing back: a request that was sent is carried out, one that was still on its way is not. That
//! is what makes a torn transfer visible, and no clever use of SQLite can hide it.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use rusqlite::{Connection, OptionalExtension as _, params};
use tokio::sync::oneshot;

/// The two banks, in the order in which their accounts are locked.
pub const BANKS: [&str; 2] = ["north", "south"];

/// What every account holds when the doors open.
pub const OPENING: i64 = 2_000;

/// The longest a request is under way. Timers count in milliseconds, so much finer steps would be an illusion.
const LONGEST_WIRE: Duration = Duration::from_micros(5_000);

/// Where the three files are.
#[derive(Clone, Debug)]
pub struct Paths(PathBuf);

impl Paths {
    /// Puts the files into `dir`, which is created.
    pub fn create(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        Ok(Self(dir.to_owned()))
    }

    /// The database of one bank.
    pub fn bank(&self, bank: usize) -> PathBuf {
        self.0.join(format!("{}.sqlite", BANKS[bank]))
    }

    /// The journal of both.
    pub fn journal(&self) -> PathBuf {
        self.0.join("journal.txt")
    }
}

type Request<S> = Box<dyn FnOnce(&mut S) + Send>;

/// The near end of the wire to one server.
#[derive(Debug)]
pub struct Server<S> {
    requests: mpsc::Sender<Request<S>>,
    wire: Arc<Wire>,
}

impl<S> Clone for Server<S> {
    fn clone(&self) -> Self {
        Self { requests: self.requests.clone(), wire: self.wire.clone() }
    }
}

impl<S: Send + 'static> Server<S> {
    /// Sends `work` to the server and waits for its answer.
    ///
    /// # Cancel safety
    /// None, like a request over a network: dropped early, it may or may not have been carried out.
    async fn call<T: Send + 'static>(&self, work: impl FnOnce(&mut S) -> Result<T> + Send + 'static) -> Result<T> {
        tokio::time::sleep(self.wire.delay()).await;
        let (reply, answer) = oneshot::channel();
        let request: Request<S> = Box::new(move |state| {
            // Nobody may be waiting any more. The work has been done all the same.
            let _ = reply.send(work(state));
        });
        self.requests.send(request).map_err(|_| anyhow!("the server is gone"))?;
        answer.await.context("the server went away over a request")?
    }
}

/// How long each request is under way: irregular, but the same sequence for the same seed.
#[derive(Debug)]
struct Wire {
    seed: u64,
    calls: AtomicU64,
}

impl Wire {
    fn delay(&self) -> Duration {
        // ORDERING: Relaxed, a counter that publishes nothing.
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let share = fastrand::Rng::with_seed(self.seed.wrapping_add(call)).f32();
        LONGEST_WIRE.mul_f32(share)
    }
}

/// One account as its bank knows it. Reading and posting are two requests, so whoever does both needs a lock meanwhile.
#[derive(Debug)]
pub struct Remote {
    bank: Server<Connection>,
    number: u32,
}

impl Remote {
    /// Asks for the balance.
    pub async fn balance(&self) -> Result<i64> {
        let number = self.number;
        self.bank
            .call(move |db| {
                let mut query = db.prepare_cached("SELECT balance FROM account WHERE number = ?1")?;
                let balance = query.query_row([number], |row| row.get(0)).optional()?;
                balance.with_context(|| format!("there is no account {number}"))
            })
            .await
    }

    /// Enters `amount` for `transfer` and writes the balance that the caller worked out.
    ///
    /// Entry and balance are one local transaction: a single bank is always consistent. Between the banks nothing is.
    pub async fn post(&self, transfer: u64, amount: i64, balance: i64) -> Result<()> {
        let number = self.number;
        self.bank
            .call(move |db| {
                let both = db.transaction()?;
                both.prepare_cached("INSERT INTO entry (transfer, account, amount) VALUES (?1, ?2, ?3)")?
                    .execute(params![transfer as i64, number, amount])?;
                both.prepare_cached("UPDATE account SET balance = ?2 WHERE number = ?1")?
                    .execute(params![number, balance])?;
                both.commit()?;
                Ok(())
            })
            .await
    }
}

/// The journal: what each transfer is about to do, and that it was done.
#[derive(Clone, Debug)]
pub struct Journal(Server<File>);

impl Journal {
    /// Notes that `transfer` has begun.
    pub async fn open(&self, transfer: u64, amount: i64) -> Result<()> {
        self.line(format!("{transfer} open {amount}\n")).await
    }

    /// Notes that `transfer` is complete.
    pub async fn close(&self, transfer: u64) -> Result<()> {
        self.line(format!("{transfer} close\n")).await
    }

    async fn line(&self, line: String) -> Result<()> {
        self.0.call(move |file| file.write_all(line.as_bytes()).context("cannot write the journal")).await
    }
}

/// Everything a transfer talks to.
#[derive(Debug)]
pub struct Servers {
    banks: [Server<Connection>; 2],
    /// The journal outside both banks.
    pub journal: Journal,
    accounts: u32,
}

impl Servers {
    /// Each bank's accounts, in the order of their numbers.
    pub fn accounts(&self) -> [Vec<Remote>; 2] {
        let of = |bank: &Server<Connection>| {
            (0..self.accounts).map(|number| Remote { bank: bank.clone(), number }).collect()
        };
        [of(&self.banks[0]), of(&self.banks[1])]
    }
}

/// The far end: the threads, to be joined after the last near end is gone, so that every request sent has been served.
#[derive(Debug)]
pub struct Threads(Vec<thread::JoinHandle<()>>);

impl Threads {
    /// Waits until every server has worked off what it was sent.
    pub fn join(self) -> Result<()> {
        for thread in self.0 {
            thread.join().map_err(|_| anyhow!("a server panicked"))?;
        }
        Ok(())
    }
}

/// Founds both banks with `accounts` accounts each, and an empty journal.
pub fn open(paths: &Paths, accounts: u32, seed: u64) -> Result<(Servers, Threads)> {
    let wire = Arc::new(Wire { seed, calls: AtomicU64::new(0) });
    let mut threads = Vec::new();
    let north = serve(found(&paths.bank(0), accounts)?, BANKS[0], &wire, &mut threads)?;
    let south = serve(found(&paths.bank(1), accounts)?, BANKS[1], &wire, &mut threads)?;
    let file =
        OpenOptions::new().append(true).create_new(true).open(paths.journal()).context("cannot create the journal")?;
    let journal = Journal(serve(file, "journal", &wire, &mut threads)?);
    Ok((Servers { banks: [north, south], journal, accounts }, Threads(threads)))
}

fn found(path: &Path, accounts: u32) -> Result<Connection> {
    let mut db = Connection::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    // Not a test of the disk: a commit need not survive a power cut, only the program.
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "OFF")?;
    db.execute_batch(
        "CREATE TABLE account (number INTEGER PRIMARY KEY, balance INTEGER NOT NULL CHECK (balance >= 0));
         CREATE TABLE entry (transfer INTEGER PRIMARY KEY, account INTEGER NOT NULL, amount INTEGER NOT NULL);",
    )?;
    let all = db.transaction()?;
    for number in 0..accounts {
        all.execute("INSERT INTO account (number, balance) VALUES (?1, ?2)", params![number, OPENING])?;
    }
    all.commit()?;
    Ok(db)
}

fn serve<S: Send + 'static>(
    mut state: S,
    name: &str,
    wire: &Arc<Wire>,
    threads: &mut Vec<thread::JoinHandle<()>>,
) -> Result<Server<S>> {
    let (requests, inbox) = mpsc::channel::<Request<S>>();
    let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
        for request in inbox {
            request(&mut state);
        }
    })?;
    threads.push(thread);
    Ok(Server { requests, wire: wire.clone() })
}

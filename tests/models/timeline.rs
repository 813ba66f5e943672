//! What happened in the execution that is running, as its callers saw it, and which outcomes have been seen so far.
//!
//! Kept outside the model in ordinary statics: nothing here is a scheduling point, and nothing orders memory for the
//! code under test.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::checker;

#[derive(Default)]
struct Execution {
    number: u64,
    lanes: Vec<&'static str>,
    events: Vec<Event>,
    asleep: Vec<&'static str>,
    has_an_outcome: bool,
}

struct Event {
    lane: usize,
    call: &'static str,
    what: What,
}

enum What {
    Begins,
    Returns(String),
    Happens(&'static str),
}

static NOW: Mutex<Execution> = Mutex::new(Execution {
    number: 0,
    lanes: Vec::new(),
    events: Vec::new(),
    asleep: Vec::new(),
    has_an_outcome: false,
});
static SEEN: Mutex<BTreeMap<&'static str, u64>> = Mutex::new(BTreeMap::new());

checker::thread_local! {
    static LANE: Cell<usize> = Cell::new(0);
}

fn with<R>(act: impl FnOnce(&mut Execution) -> R) -> R {
    act(&mut NOW.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// At the start of every execution.
pub fn begin() {
    with(|now| {
        now.number += 1;
        now.events.clear();
        now.asleep.clear();
        now.lanes.clear();
        now.lanes.push("main");
        now.has_an_outcome = false;
    });
}

/// Gives the thread that calls this a column of its own.
pub fn enter_lane(name: &'static str) {
    let lane = with(|now| {
        now.lanes.push(name);
        now.lanes.len() - 1
    });
    LANE.with(|this| this.set(lane));
}

fn push(call: &'static str, what: What) {
    let lane = LANE.with(Cell::get);
    with(|now| now.events.push(Event { lane, call, what }));
}

/// Makes a call that the timeline shows.
pub fn call<R: Debug>(name: &'static str, call: impl FnOnce() -> R) -> R {
    checker::call_begins();
    push(name, What::Begins);
    let returned = call();
    push(name, What::Returns(format!("{returned:?}")));
    returned
}

/// Something that the timeline shows and that is not a call: who, and what happens to it.
pub fn note(who: &'static str, what: &'static str) {
    push(who, What::Happens(what));
}

/// A task has nothing to do until it is woken.
pub fn falls_asleep(task: &'static str) {
    note(task, "sleeps");
    with(|now| now.asleep.push(task));
}

pub fn wakes_up(task: &'static str) {
    with(|now| {
        let at = now.asleep.iter().position(|asleep| *asleep == task).expect("it fell asleep");
        now.asleep.remove(at);
    });
}

/// One of the outcomes that the model lists has been seen.
pub fn saw(outcome: &'static str) {
    with(|now| now.has_an_outcome = true);
    *SEEN.lock().unwrap().entry(outcome).or_default() += 1;
}

/// Fails an execution in which none was seen.
pub fn ends_with_an_outcome() {
    assert!(with(|now| now.has_an_outcome), "an execution ended without an outcome");
}

pub fn outcomes_seen() -> BTreeMap<&'static str, u64> {
    SEEN.lock().unwrap().clone()
}

/// What lanes of programs catch: panics that the spec foresees, of the crate and of the driver.
const CAUGHT: [&str; 4] =
    ["shieldable: ", "there is no current cancel scope", "a plain future was polled", "a body was polled"];

static LANES_CATCH: AtomicBool = AtomicBool::new(false);

/// From now on a panic of the crate's own is an answer.
pub fn lanes_catch() {
    LANES_CATCH.store(true, Ordering::Relaxed);
}

/// Makes a failing execution tell its story, and end the process there: loom would unwind out of a deadlock and abort.
pub fn install_reporter(model: &'static str) {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let payload = panic.payload();
        let text = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref().copied());
        let caught = text.is_some_and(|text| CAUGHT.iter().any(|caught| text.starts_with(caught)));
        if caught && LANES_CATCH.load(Ordering::Relaxed) {
            return;
        }
        hook(panic);
        let deadlock = text.is_some_and(|text| text.contains("deadlock"));
        // Elsewhere: what runs under a checker has a small stack.
        let _ = std::thread::spawn(move || tell(model, deadlock)).join();
        std::process::exit(101);
    }));
}

fn tell(model: &str, deadlock: bool) {
    with(|now| {
        println!("model {model}, execution {}", now.number);
        if deadlock {
            match &now.asleep[..] {
                [] => println!("deadlock: the threads wait for one another"),
                asleep => println!("lost wake-up of task {}", asleep.join(" and of task ")),
            }
        }
        print!("{}", draw(now));
    });
}

/// One column a thread; a call that nothing interrupted takes one line.
fn draw(now: &Execution) -> String {
    const WIDTH: usize = 34;
    let line = |lane: usize, text: String| format!("{:indent$}{text}\n", "", indent = 2 + lane * WIDTH);
    let mut picture = String::from("  ");
    picture.extend(now.lanes.iter().map(|name| format!("{name:<WIDTH$}")));
    picture.push('\n');
    let mut events = now.events.iter().peekable();
    while let Some(Event { lane, call, what }) = events.next() {
        let text = match what {
            What::Begins => {
                let same = events.next_if(|next| next.lane == *lane && next.call == *call);
                match same.map(|next| &next.what) {
                    Some(What::Returns(value)) => format!("{call} = {value}"),
                    _ => format!("{call} ..."),
                }
            }
            What::Returns(value) => format!("... {call} = {value}"),
            What::Happens(what) => format!("{call} {what}"),
        };
        picture.push_str(&line(*lane, text));
    }
    picture
}

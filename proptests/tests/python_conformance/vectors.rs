//! What was recorded: programs, and what each step came to. The format is described in `python/record.py`.

use std::sync::Arc;

use shieldable_model::{Outcome, Program, Refusal, Ret};

const RECORDED: &str = include_str!("../../python/vectors.txt");

pub struct Vector {
    pub line: usize,
    pub family: &'static str,
    pub program: Arc<Program>,
    pub steps: Vec<Seen>,
}

/// What one operation of the thread came to in Python.
pub struct Seen {
    pub by_another_thread: bool,
    /// A letter for each operation that a body completed, then one for the thread's own.
    pub letters: &'static [u8],
    pub tasks: Vec<TaskSeen>,
    /// `l0`, then `r0`.
    pub locks: [LockSeen; 2],
}

#[derive(Clone, Copy, Default)]
pub struct TaskSeen {
    pub done: bool,
    /// The loop has a step of it to run.
    pub due: bool,
    /// It has, but nobody told it.
    pub unheard: bool,
    pub shielded: bool,
    pub cancelling: u8,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum LockSeen {
    Locked,
    Free,
    /// `locked()` is false, and somebody is woken or queued.
    Between,
}

pub fn all() -> impl Iterator<Item = Vector> {
    RECORDED.lines().enumerate().map(|(index, line)| {
        let line_number = index + 1;
        parse(line_number, line).unwrap_or_else(|| panic!("line {line_number} of the vectors is malformed"))
    })
}

fn parse(line: usize, text: &'static str) -> Option<Vector> {
    let mut parts = text.split('|');
    let (family, program, steps) = (parts.next()?, parts.next()?, parts.next()?);
    let program: Program = program.parse().unwrap_or_else(|error| panic!("line {line}: {error}"));
    let steps = steps.split(' ').map(parse_step).collect::<Option<_>>()?;
    Some(Vector { line, family, program: Arc::new(program), steps })
}

fn parse_step(text: &'static str) -> Option<Seen> {
    let mut parts = text.split(':');
    let (letters, tasks, locks) = (parts.next()?, parts.next()?, parts.next()?.as_bytes());
    let by_another_thread = letters.starts_with('!');
    let letters = letters.strip_prefix('!').unwrap_or(letters);
    let tasks = tasks.as_bytes().chunks(2).map(|pair| TaskSeen {
        done: pair[0] == b'd',
        due: matches!(pair[0], b'r' | b'R' | b'u' | b'U'),
        unheard: matches!(pair[0], b'u' | b'U'),
        shielded: pair[0].is_ascii_uppercase(),
        cancelling: pair[1] - b'0',
    });
    let lock = |letter| match letter {
        b'L' => Some(LockSeen::Locked),
        b'-' => Some(LockSeen::Free),
        b'h' => Some(LockSeen::Between),
        _ => None,
    };
    Some(Seen {
        by_another_thread,
        letters: letters.as_bytes(),
        tasks: tasks.collect(),
        locks: [lock(*locks.first()?)?, lock(*locks.get(1)?)?],
    })
}

/// The letter for what the model returns. `>` is the thread's own operation, written before its result.
pub fn letter(ret: Ret) -> u8 {
    match ret {
        Ret::Unit => b'.',
        Ret::Absent => b'-',
        Ret::Flag(true) => b'T',
        Ret::Flag(false) => b'F',
        Ret::Count(count) => b'0' + count,
        Ret::Refused(Refusal::WouldBlock) => b'W',
        Ret::Refused(Refusal::NoScope) => b'N',
        Ret::Refused(Refusal::NoTask) => b'Q',
        Ret::Pending => b'P',
        Ret::Ready(Outcome::Value) => b'V',
        Ret::Ready(Outcome::Cancelled) => b'C',
        Ret::Ready(Outcome::Elapsed) => b'E',
        Ret::Ready(Outcome::Panicked | Outcome::Dropped) | Ret::Panicked | Ret::Unforeseen => b'!',
        Ret::Task(_) => b'?',
    }
}

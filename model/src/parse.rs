//! The text form of programs, as it is read.
//!
//! ```text
//! program = { item }
//! item    = ("task" | "scope" | "plain") NAME block | "thread" "{" { op } "}"
//! block   = "{" { op } "}" [ "on_drop" "{" { op } "}" ]
//! op      = ["let"] ( ("task" | "scope" | "timeout" | "plain") NAME | "shielded" ) block
//!         | ["let"] ( "lock" LOCK | "wait" WAITER | "join" TASK ) | WORD [ NAME ]
//! ```
//! Operations are separated by blanks, line ends or semicolons; `//` begins a comment. A name may be used before it is
//! declared. Names say what they are: `t0` a task, `c0` a scope, `d0` a timeout, `p0` a plain future, `l0` a lock, `r0`
//! a re-entrant lock, `w0` a waiter, `s0` a slot; `t0/1` is task 0 polled with its waker number 1.

use std::fmt;
use std::str::FromStr;

use crate::builder::{Begin, Builder};
use crate::program::{
    FiberId, Kind, LockId, MAX_FIBERS, MAX_LOCKS_OF_A_SORT, MAX_SLOTS, MAX_WAITERS, MAX_WAKERS, Make, Op, Place,
    Program, SlotId, WaiterId,
};

/// Where a text stops being a program, and what would have been one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is there.
    pub found: String,
    /// What should be.
    pub expected: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, found, expected } = self;
        write!(f, "{line}:{column}: expected {expected}, found {found}")
    }
}

impl std::error::Error for ParseError {}

impl FromStr for Program {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let tokens = tokenize(text);
        let declared = declarations(&tokens);
        let mut parser = Parser { tokens: &tokens, next: 0, declared, builder: Builder::new() };
        while parser.peek().text != END {
            parser.item()?;
        }
        let last = parser.error("a smaller program");
        parser.builder.finish().map_err(|invalid| ParseError {
            expected: "a valid program".into(),
            found: format!("one with this fault: {invalid}"),
            ..last
        })
    }
}

const END: &str = "";
const BODY_OPS: &str = "an operation (suspend, yield, checkpoint, lock, wait, join, let, poll, await, task, scope, timeout, \
     plain, shielded, panic, or one that a thread may do too)";
const PLAIN_OPS: &str = "an operation (enter, exit, try_lock, unlock, cancel_on_drop, drop, put, take, cancel, uncancel, \
     notify, cancelling, is_finished, is_shielded, was_torn, cancel_pending, current, is_locked, is_held; in a thread also \
     poll, run, deadline; in a destructor also panic)";

#[derive(Clone, Copy)]
struct Token<'t> {
    text: &'t str,
    line: usize,
    column: usize,
}

fn tokenize(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut end = (1, 1);
    for (index, line_text) in text.lines().enumerate() {
        let code = line_text.split("//").next().unwrap_or("");
        end = (index + 1, line_text.chars().count() + 1);
        let mut start = None;
        let mut column = 0;
        let mut push = |from: usize, to: usize, column: usize| {
            tokens.push(Token { text: &code[from..to], line: index + 1, column });
        };
        for (at, c) in code.char_indices() {
            column += 1;
            let separates = c.is_whitespace() || matches!(c, ';' | '{' | '}');
            if separates {
                if let Some((from, column)) = start.take() {
                    push(from, at, column);
                }
                if matches!(c, '{' | '}') {
                    push(at, at + 1, column);
                }
            } else if start.is_none() {
                start = Some((at, column));
            }
        }
        if let Some((from, column)) = start {
            push(from, code.len(), column);
        }
    }
    tokens.push(Token { text: END, line: end.0, column: end.1 });
    tokens
}

fn kind_of(word: &str) -> Option<Kind> {
    Some(match word {
        "task" => Kind::Task,
        "scope" => Kind::Scope,
        "timeout" => Kind::Timeout,
        "plain" => Kind::Plain,
        "shielded" => Kind::Shielded,
        _ => return None,
    })
}

/// The names of all fibers in the order in which the builder will number them.
fn declarations<'t>(tokens: &[Token<'t>]) -> Vec<&'t str> {
    let mut names = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match kind_of(token.text) {
            Some(Kind::Shielded) => names.push("shielded"),
            Some(_) => names.push(tokens.get(at + 1).map_or(END, |name| name.text)),
            None => {}
        }
    }
    names
}

struct Parser<'t> {
    tokens: &'t [Token<'t>],
    next: usize,
    declared: Vec<&'t str>,
    builder: Builder,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Token<'t> {
        self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    fn advance(&mut self) -> Token<'t> {
        let token = self.peek();
        self.next += 1;
        token
    }

    fn error(&self, expected: impl Into<String>) -> ParseError {
        let token = self.peek();
        let found = match token.text {
            END => "the end".to_string(),
            text => format!("`{}`", text.chars().take(40).collect::<String>()),
        };
        ParseError { line: token.line, column: token.column, found, expected: expected.into() }
    }

    fn expect(&mut self, text: &str) -> Result<(), ParseError> {
        if self.peek().text != text {
            return Err(self.error(format!("`{text}`")));
        }
        self.next += 1;
        Ok(())
    }

    fn item(&mut self) -> Result<(), ParseError> {
        match kind_of(self.peek().text) {
            Some(kind @ (Kind::Task | Kind::Scope | Kind::Plain)) => {
                self.next += 1;
                let number = self.declared_number(kind)?;
                self.builder.begin(kind, number);
                self.fiber_blocks()
            }
            _ if self.peek().text == "thread" => {
                self.next += 1;
                self.builder.begin_lane();
                self.block(Place::Lane)?;
                self.builder.end();
                Ok(())
            }
            _ => Err(self.error("`task`, `scope`, `plain` or `thread`")),
        }
    }

    fn fiber_blocks(&mut self) -> Result<(), ParseError> {
        self.block(Place::Body)?;
        if self.peek().text == "on_drop" {
            self.next += 1;
            self.builder.begin_destructor();
            self.block(Place::Destructor)?;
        }
        self.builder.end();
        Ok(())
    }

    fn block(&mut self, place: Place) -> Result<(), ParseError> {
        self.expect("{")?;
        while self.peek().text != "}" {
            self.op(place)?;
        }
        self.expect("}")
    }

    fn op(&mut self, place: Place) -> Result<(), ParseError> {
        let begin = if place == Place::Body && self.peek().text == "let" {
            self.next += 1;
            Begin::Let
        } else {
            Begin::Await
        };
        if place == Place::Body {
            if let Some(kind) = kind_of(self.peek().text) {
                if self.builder.depth() >= MAX_FIBERS {
                    return Err(self.error("bodies nested less deeply"));
                }
                self.next += 1;
                let number = if kind == Kind::Shielded { 0 } else { self.declared_number(kind)? };
                self.builder.begin_inline(begin, kind, number);
                return self.fiber_blocks();
            }
            if let Some(make) = self.make()? {
                self.builder.op(match begin {
                    Begin::Let => Op::Let(make),
                    Begin::Await => Op::Await(make),
                });
                return Ok(());
            }
            if begin == Begin::Let {
                return Err(self.error("a future (lock, wait, join, task, scope, timeout, plain, shielded)"));
            }
        }
        let at = self.next;
        let op = self.simple_op(place)?;
        if !op.fits(place) {
            self.next = at;
            return Err(self.error(if place == Place::Body { BODY_OPS } else { PLAIN_OPS }));
        }
        self.builder.op(op);
        Ok(())
    }

    fn make(&mut self) -> Result<Option<Make>, ParseError> {
        let word = self.peek().text;
        if !matches!(word, "lock" | "wait" | "join") {
            return Ok(None);
        }
        self.next += 1;
        Ok(Some(match word {
            "lock" => Make::Lock(self.lock("lr")?),
            "wait" => Make::Wait(self.waiter()?),
            _ => Make::Join(self.fiber("t")?),
        }))
    }

    fn simple_op(&mut self, place: Place) -> Result<Op, ParseError> {
        let word = self.advance().text;
        let argument = self.peek().text.chars().next().unwrap_or(' ');
        let named = self.peek().text.chars().nth(1).is_some_and(|c| c.is_ascii_digit());
        Ok(match word {
            "suspend" => Op::Suspend,
            "yield" => Op::Yield,
            "checkpoint" => Op::Checkpoint,
            "await" => Op::Resume,
            "poll" if place == Place::Body && !named => Op::PollLocal,
            "poll" => self.polled().map(|(fiber, waker)| Op::Poll(fiber, waker))?,
            "run" => self.polled().map(|(fiber, waker)| Op::Run(fiber, waker))?,
            "enter" => Op::Enter,
            "exit" => Op::Exit,
            "try_lock" => Op::TryLock(self.lock("lr")?),
            "unlock" => Op::Unlock(self.lock("lr")?),
            "cancel_on_drop" => Op::CancelOnDrop(self.fiber("t")?),
            "drop" if !named => Op::DropLocal,
            "drop" if argument == 's' => Op::DropSlot(self.slot()?),
            "drop" => Op::Drop(self.fiber("tcp")?),
            "put" => Op::Put(self.slot()?),
            "take" => Op::Take(self.slot()?),
            "cancel" => Op::Cancel(self.fiber("tc")?),
            "uncancel" => Op::Uncancel(self.fiber("tc")?),
            "notify" => Op::Notify(self.waiter()?),
            "deadline" => Op::Deadline(self.fiber("d")?),
            "panic" => Op::Panic,
            "cancelling" => Op::Cancelling(self.fiber("tc")?),
            "is_finished" => Op::IsFinished(self.fiber("tc")?),
            "is_shielded" if named => Op::HandleIsShielded(self.fiber("tc")?),
            "is_shielded" => Op::IsShielded,
            "was_torn" => Op::WasTorn(self.fiber("tc")?),
            "cancel_pending" => Op::CancelPending,
            "current" => Op::CurrentTask,
            "is_locked" => Op::IsLocked(self.lock("lr")?),
            "is_held" => Op::IsHeld(self.lock("r")?),
            _ => {
                self.next -= 1;
                return Err(self.error(if place == Place::Body { BODY_OPS } else { PLAIN_OPS }));
            }
        })
    }

    /// The number of the name that is declared here.
    fn declared_number(&mut self, kind: Kind) -> Result<u8, ParseError> {
        let mut letters = [0; 4];
        let letters = kind.letter().encode_utf8(&mut letters);
        self.name(letters, usize::from(u8::MAX), "name to declare").map(|(_, number)| number)
    }

    fn lock(&mut self, letters: &str) -> Result<LockId, ParseError> {
        let (letter, number) = self.name(letters, MAX_LOCKS_OF_A_SORT - 1, "lock")?;
        Ok(LockId(if letter == 'r' { number + MAX_LOCKS_OF_A_SORT as u8 } else { number }))
    }

    fn waiter(&mut self) -> Result<WaiterId, ParseError> {
        Ok(WaiterId(self.name("w", MAX_WAITERS - 1, "waiter")?.1))
    }

    fn slot(&mut self) -> Result<SlotId, ParseError> {
        Ok(SlotId(self.name("s", MAX_SLOTS - 1, "slot")?.1))
    }

    fn polled(&mut self) -> Result<(FiberId, u8), ParseError> {
        let token = self.peek();
        let Some((name, waker)) = token.text.split_once('/') else {
            return self.fiber("tcp").map(|fiber| (fiber, 0));
        };
        let waker = waker.parse().ok().filter(|waker| *waker < MAX_WAKERS);
        match (self.find(name, "tcp"), waker) {
            (Some(fiber), Some(waker)) => {
                self.next += 1;
                Ok((fiber, waker))
            }
            _ => Err(self.error(format!("a declared t0, c0 or p0, with a waker /0 to /{}", MAX_WAKERS - 1))),
        }
    }

    fn fiber(&mut self, letters: &str) -> Result<FiberId, ParseError> {
        match self.find(self.peek().text, letters) {
            Some(fiber) => {
                self.next += 1;
                Ok(fiber)
            }
            None => {
                let names: Vec<String> = letters.chars().map(|c| format!("{c}0")).collect();
                Err(self.error(format!("a name that is declared, such as {}", names.join(" or "))))
            }
        }
    }

    fn find(&self, name: &str, letters: &str) -> Option<FiberId> {
        let fits = name.chars().next().is_some_and(|c| letters.contains(c));
        let at = self.declared.iter().position(|declared| fits && *declared == name)?;
        u8::try_from(at).ok().map(FiberId)
    }

    /// One of the letters and a number up to `max`.
    fn name(&mut self, letters: &str, max: usize, what: &str) -> Result<(char, u8), ParseError> {
        let text = self.peek().text;
        let parsed = text.chars().next().filter(|c| letters.contains(*c)).and_then(|letter| {
            let digits = &text[letter.len_utf8()..];
            let canonical = digits == "0" || !digits.starts_with(['0', '+']);
            let number: u8 = digits.parse().ok()?;
            (canonical && usize::from(number) <= max).then_some((letter, number))
        });
        if let Some(name) = parsed {
            self.next += 1;
            return Ok(name);
        }
        let names: Vec<String> = letters.chars().map(|c| format!("{c}0 to {c}{max}")).collect();
        Err(self.error(format!("a {what} ({})", names.join(", "))))
    }
}

//! Inputs: what the fuzzer's bytes stand for.
//!
//! One byte a decision, so that a small change of the bytes is a small change of the program. `Debug` shows the program
//! as text, which is what `cargo fuzz fmt` prints.

use std::fmt;
use std::sync::Arc;

use arbitrary::{Arbitrary, Result, Unstructured};
use shieldable_model::Program;
use shieldable_proptests::inputs::Target;

/// More decisions than all but the largest programs take. What lies beyond decides nothing, and changing it is a waste.
const LONGEST: usize = 256;

/// A mutation like any other, but for the length.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize) -> usize {
    let longest = max_size.min(LONGEST);
    libfuzzer_sys::fuzzer_mutate(data, size.min(longest), longest)
}

macro_rules! programs {
    ($($(#[doc = $doc:literal])+ $target:ident)+) => {
        $(
            $(#[doc = $doc])+
            pub struct $target(pub Arc<Program>);

            impl<'a> Arbitrary<'a> for $target {
                fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
                    Ok(Self(Arc::new(Target::$target.program(bytes))))
                }
            }

            impl fmt::Debug for $target {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    fmt::Display::fmt(&self.0, f)
                }
            }
        )+
    };
}

programs! {
    /// A program of requests, nested scopes and shields.
    CancelSequences
    /// A program of locks and waiters.
    LockSequences
    /// A program of everything.
    Mixed
    /// A program whose tasks have threads of their own.
    Threads
}

/// Text for the parser.
#[derive(Clone, PartialEq, Eq)]
pub enum ProgramText {
    /// The text of a program, which must come back as the same program.
    Written(Arc<Program>),
    /// Words of the language in any order, or any text at all.
    Any(String),
}

/// What the text of programs consists of.
const WORDS: &[&str] = &[
    "task",
    "scope",
    "plain",
    "timeout",
    "shielded",
    "on_drop",
    "thread",
    "{",
    "}",
    ";",
    "\n",
    " ",
    "/",
    "/1",
    "let",
    "poll",
    "await",
    "drop",
    "put",
    "take",
    "run",
    "lock",
    "unlock",
    "try_lock",
    "wait",
    "notify",
    "join",
    "cancel",
    "uncancel",
    "cancel_on_drop",
    "enter",
    "exit",
    "suspend",
    "yield",
    "checkpoint",
    "panic",
    "deadline",
    "cancelling",
    "is_finished",
    "is_shielded",
    "was_torn",
    "cancel_pending",
    "current_task",
    "is_locked",
    "is_held",
    "t0",
    "t1",
    "t12",
    "c0",
    "p0",
    "d0",
    "h0",
    "l0",
    "l1",
    "r0",
    "r2",
    "w0",
    "s0",
    "s3",
    "s4",
    "0",
    "255",
    "256",
    "-1",
    "//",
    "é",
];

impl<'a> Arbitrary<'a> for ProgramText {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match u8::arbitrary(bytes)? % 4 {
            0 => {
                let targets = Target::ALL;
                let target = targets[usize::from(u8::arbitrary(bytes)?) % targets.len()];
                Self::Written(Arc::new(target.program(bytes)))
            }
            1 => {
                let words = bytes.bytes(bytes.len())?.iter().map(|byte| WORDS[usize::from(*byte) % WORDS.len()]);
                Self::Any(words.collect::<Vec<_>>().join(" "))
            }
            2 => {
                // A program that is right, but for a few words.
                let target = Target::ALL[usize::from(u8::arbitrary(bytes)?) % Target::ALL.len()];
                let edits = <[(u8, u8, u8); 3]>::arbitrary(bytes)?;
                Self::Any(edited(&target.program(bytes).to_string(), &edits))
            }
            _ => Self::Any(String::from_utf8_lossy(bytes.bytes(bytes.len())?).into_owned()),
        })
    }
}

/// Puts other words in some places of a text; the word that stood there goes or stays.
fn edited(text: &str, edits: &[(u8, u8, u8)]) -> String {
    let mut words: Vec<&str> = text.split_inclusive(|c: char| c.is_whitespace() || c == ';').collect();
    for (place, word, keep) in edits {
        let at = usize::from(*place) % words.len().max(1);
        let word = WORDS[usize::from(*word) % WORDS.len()];
        match keep % 4 {
            0 => {}
            1 if at < words.len() => words[at] = word,
            2 if at < words.len() => _ = words.remove(at),
            _ => words.insert(at, word),
        }
    }
    words.concat()
}

impl ProgramText {
    /// The text itself.
    pub fn text(&self) -> String {
        match self {
            Self::Written(program) => program.to_string(),
            Self::Any(text) => text.clone(),
        }
    }
}

impl fmt::Debug for ProgramText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

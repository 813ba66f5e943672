//! Programs whose tasks all end, however they are interleaved.
//!
//! Whoever waits for a notification does so without a shield, and the last that the first thread outside does is to
//! cancel every task, which nobody takes back. Locks are taken in one order, `l0` once and before `r0`, and held by
//! tasks only, which release them when they end.

use shieldable_model::{Choices, Program, Seed};

struct Maker {
    seed: Seed,
    tasks: usize,
    scopes: usize,
    /// No notification may be waited for.
    shields: usize,
    /// Of the task: `l0` may still be taken.
    plain_lock_left: bool,
}

pub fn program(seed: u64) -> Program {
    let mut make = Maker { seed: Seed(seed), tasks: 0, scopes: 0, shields: 0, plain_lock_left: true };
    make.tasks = 1 + make.pick(3);
    let mut text = String::new();
    for task in 0..make.tasks {
        make.plain_lock_left = true;
        let body = make.body(5, true);
        let destructor = ["", " on_drop { is_finished t0; cancelling t0 }", " on_drop { cancel t0 }"][make.pick(3)];
        text += &format!("task t{task} {{ {body} }}{destructor}\n");
    }
    for task in 0..make.tasks {
        text += &format!("thread {{ run t{task} }}\n");
    }
    for outside in 0..1 + make.pick(2) {
        let ops: Vec<String> = (0..make.pick(5)).map(|_| make.outside(outside == 0)).collect();
        let end: Vec<String> = (0..make.tasks).map(|task| format!("cancel t{task}")).collect();
        let end = if outside == 0 { end.join("; ") } else { String::new() };
        text += &format!("thread {{ {}; {end} }}\n", ops.join("; "));
    }
    text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"))
}

impl Maker {
    fn pick(&mut self, n: usize) -> usize {
        self.seed.pick(n)
    }

    fn task(&mut self) -> String {
        format!("t{}", self.seed.pick(self.tasks))
    }

    /// A cancel scope made so far, or else a task.
    fn scope(&mut self) -> String {
        if self.scopes == 0 { self.task() } else { format!("c{}", self.seed.pick(self.scopes)) }
    }

    fn body(&mut self, length: usize, nests: bool) -> String {
        let before = self.shields;
        let ops: Vec<String> = (0..1 + self.pick(length)).map(|_| self.op(nests)).collect();
        // Guards are closed at the end of the body at the latest.
        self.shields = before;
        ops.join("; ")
    }

    fn op(&mut self, nests: bool) -> String {
        match self.pick(24) {
            0..=3 => "yield".into(),
            4 | 5 => {
                self.shields += 1;
                "enter".into()
            }
            // A guard of a body further out is not this one's to close.
            6 => "exit".into(),
            7 | 8 if self.shields == 0 => "wait w0".into(),
            9 => "notify w0".into(),
            10 | 11 if std::mem::take(&mut self.plain_lock_left) => {
                ["lock l0", "lock l0", "try_lock l0"][self.pick(3)].into()
            }
            10..=12 | 20..=23 => {
                self.plain_lock_left = false;
                ["lock r0", "lock r0", "try_lock r0"][self.pick(3)].into()
            }
            13 => ["unlock l0", "unlock r0", "is_locked r0", "is_held r0"][self.pick(4)].into(),
            14 => format!("cancel {}", self.task()),
            15 => ["checkpoint", "is_shielded", "cancel_pending", "current"][self.pick(4)].into(),
            16 => format!("{} {}", ["cancelling", "is_finished", "is_shielded"][self.pick(3)], self.scope()),
            17 if nests => {
                self.shields += 1;
                let body = self.body(3, false);
                self.shields -= 1;
                format!("shielded {{ {body} }}")
            }
            18 | 19 if nests && self.scopes < 2 => {
                let name = self.scopes;
                let body = self.body(3, false);
                self.scopes += 1;
                format!("scope c{name} {{ {body} }}")
            }
            _ => "yield".into(),
        }
    }

    fn outside(&mut self, may_take_back: bool) -> String {
        match self.pick(8) {
            0 | 1 => format!("cancel {}", self.task()),
            2 => format!("cancel {}", self.scope()),
            3 if may_take_back => format!("uncancel {}", self.task()),
            4 => ["is_locked l0", "is_locked r0"][self.pick(2)].into(),
            5 => format!("{} {}", ["cancelling", "is_finished", "is_shielded"][self.pick(3)], self.scope()),
            _ => "notify w0".into(),
        }
    }
}

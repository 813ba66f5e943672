//! The judge: where "before" is not a matter of time, and where lanes end asleep.

use shieldable_model::{End, History, Judge, LaneId, Model, OpId, Order, Outcome, Program, Refusal, Ret, Trace};

/// Calls and returns in this order; an operation is named by its lane and its number there.
fn history(program: &Program, seen: &[(usize, usize, Ret)]) -> History {
    let lanes: Vec<_> = program.lanes().collect();
    let mut history = History::new();
    for (lane, index, ret) in seen {
        let op = program.lane(lanes[*lane]).nth(*index).expect("an operation of the lane");
        history.call(lanes[*lane], op);
        history.returned(lanes[*lane], op, *ret);
    }
    history
}

fn allows(program: &Program, order: Order, seen: &[(usize, usize, Ret)]) -> bool {
    Judge::new(program, order).allows(&history(program, seen)).is_ok()
}

const BUFFERED: &str = "task t0 { } thread { cancel t0; is_locked l0 } thread { try_lock l0; cancelling t0 }";

#[test]
fn queries_that_order_nothing_may_both_be_told_what_was_true_before() {
    let program: Program = BUFFERED.parse().unwrap();
    let seen = [(0, 0, Ret::Flag(true)), (0, 1, Ret::Flag(false)), (1, 0, Ret::Unit), (1, 1, Ret::Count(0))];
    assert!(allows(&program, Order::PerLane, &seen));
    assert!(!allows(&program, Order::RealTime, &seen));
}

#[test]
fn a_query_is_told_nothing_that_was_never_true() {
    let program: Program = BUFFERED.parse().unwrap();
    let seen = [(0, 0, Ret::Flag(true)), (0, 1, Ret::Flag(false)), (1, 0, Ret::Unit), (1, 1, Ret::Count(2))];
    assert!(!allows(&program, Order::PerLane, &seen));
}

#[test]
fn a_lane_is_told_nothing_older_than_it_knows() {
    let program: Program = "task t0 { } thread { cancel t0 } thread { cancelling t0; cancelling t0 }".parse().unwrap();
    let told = |first, second| {
        allows(
            &program,
            Order::PerLane,
            &[(0, 0, Ret::Flag(true)), (1, 0, Ret::Count(first)), (1, 1, Ret::Count(second))],
        )
    };
    assert!(told(0, 0) && told(0, 1) && told(1, 1));
    assert!(!told(1, 0), "the second look finds less than the first");
    let program: Program = "task t0 { } thread { cancel t0; cancelling t0 } thread { }".parse().unwrap();
    assert!(!allows(&program, Order::PerLane, &[(0, 0, Ret::Flag(true)), (0, 1, Ret::Count(0))]), "its own request");
}

#[test]
fn what_changes_something_acts_on_the_present() {
    let program: Program = "task t0 { } thread { cancel t0; uncancel t0 } thread { uncancel t0 }".parse().unwrap();
    let twice = [(0, 0, Ret::Flag(true)), (0, 1, Ret::Count(0)), (1, 0, Ret::Count(0))];
    assert!(allows(&program, Order::PerLane, &twice), "the second finds no request, or came before it");
    let seen = [(0, 0, Ret::Flag(true)), (0, 1, Ret::Count(1)), (1, 0, Ret::Count(1))];
    assert!(!allows(&program, Order::PerLane, &seen), "a live scope with one request has none left");
}

/// Two tasks that run to their ends, whose operations return that.
fn tasks_allow<const N: usize, const M: usize>(bodies: [&str; 2], seen: ([Ret; N], [Ret; M])) -> bool {
    let [first, second] = bodies;
    let text = format!("task t0 {{ {first} }} task t1 {{ {second} }} thread {{ run t0 }} thread {{ run t1 }}");
    let program: Program = text.parse().unwrap();
    let mut history = History::new();
    for ((lane, task), rets) in program.lanes().zip(program.fibers()).zip([&seen.0[..], &seen.1[..]]) {
        let run = program.lane(lane).next().expect("the lane runs its task");
        history.call(lane, run);
        for (op, ret) in program.body(task).zip(rets) {
            history.returned(lane, op, *ret);
        }
        history.returned(lane, run, Ret::Ready(Outcome::Value));
    }
    Judge::new(&program, Order::PerLane).allows(&history).is_ok()
}

const OK: Ret = Ret::Ready(Outcome::Value);
const REFUSED: Ret = Ret::Refused(Refusal::WouldBlock);

#[test]
fn a_call_that_finds_nothing_to_do_may_be_told_what_was_true_before() {
    // The second knows that the lock is taken, which orders nothing, and not of the request before that.
    let taken = ["cancel t1; lock l0", "try_lock l0; checkpoint"];
    assert!(tasks_allow(taken, ([Ret::Flag(true), OK], [REFUSED, Ret::Unit])));
    let asked = ["cancel t1; lock l0", "is_locked l0; cancel_pending"];
    assert!(tasks_allow(asked, ([Ret::Flag(true), OK], [Ret::Flag(true), Ret::Flag(false)])));
    // A wait that takes an old number of notifications for the present one is over at once.
    let notified = ["notify w0; lock l0", "is_locked l0; wait w0"];
    assert!(tasks_allow(notified, ([Ret::Unit, OK], [Ret::Flag(true), OK])));
}

#[test]
fn a_call_that_finds_nothing_to_do_is_told_nothing_that_was_never_true() {
    assert!(!tasks_allow(
        ["lock r0; try_lock r0", "is_locked r0; yield"],
        ([OK, REFUSED], [Ret::Flag(false), Ret::Unit])
    ));
    assert!(!tasks_allow(
        ["cancel t0; cancel_pending", "yield; yield"],
        ([Ret::Flag(true), Ret::Flag(false)], [Ret::Unit, Ret::Unit])
    ));
    assert!(!tasks_allow(
        ["enter; is_shielded", "yield; yield"],
        ([Ret::Unit, Ret::Flag(false)], [Ret::Unit, Ret::Unit])
    ));
    assert!(!tasks_allow(["notify w0; wait w0", "yield; yield"], ([Ret::Unit, OK], [Ret::Unit, Ret::Unit])));
    assert!(!tasks_allow(["yield; yield", "try_lock l0; wait w0"], ([Ret::Unit, Ret::Unit], [Ret::Unit, OK])));
}

const YES: Ret = Ret::Flag(true);
const NO: Ret = Ret::Flag(false);

#[test]
fn who_finds_a_request_knows_what_was_done_before_it() {
    let released = ["lock l0; unlock l0; cancel t1", "cancel_pending; try_lock l0"];
    assert!(!tasks_allow(released, ([OK, Ret::Unit, YES], [YES, REFUSED])));
    assert!(tasks_allow(released, ([OK, Ret::Unit, YES], [NO, REFUSED])));
    let counted = ["lock l0; unlock l0; cancel t1", "cancelling t1; is_locked l0"];
    assert!(!tasks_allow(counted, ([OK, Ret::Unit, YES], [Ret::Count(1), YES])));
    let asked = ["lock l0; unlock l0; cancel t1", "uncancel t1; cancelling t1; is_locked l0"];
    let told = |left, locked| tasks_allow(asked, ([OK, Ret::Unit, YES], [Ret::Count(0), Ret::Count(left), locked]));
    assert!(told(1, NO), "there was none to take back yet");
    assert!(!told(1, YES));
}

#[test]
fn who_takes_a_request_back_knows_what_was_done_before_it() {
    let revoked = ["lock l0; unlock l0; cancel t1", "uncancel t1; cancelling t1; is_locked l0"];
    let told = |left, locked| tasks_allow(revoked, ([OK, Ret::Unit, YES], [Ret::Count(0), Ret::Count(left), locked]));
    assert!(told(0, NO) && told(0, YES), "it took one back, or came before it and found none");
    let two = ["lock l0; unlock l0; cancel t1; cancel t1", "uncancel t1; is_locked l0"];
    assert!(!tasks_allow(two, ([OK, Ret::Unit, YES, YES], [Ret::Count(1), YES])), "it took one of two back");
}

#[test]
fn who_sees_a_scope_done_knows_what_its_body_did() {
    let body = ["lock l0; unlock l0", "is_finished t0; is_locked l0"];
    assert!(!tasks_allow(body, ([OK, Ret::Unit], [YES, YES])));
    assert!(tasks_allow(body, ([OK, Ret::Unit], [NO, YES])));
    let cancelled = ["lock l0; unlock l0", "cancel t0; is_locked l0"];
    assert!(!tasks_allow(cancelled, ([OK, Ret::Unit], [NO, YES])));
    let joined = ["lock l0; unlock l0", "join t0; is_finished t0"];
    assert!(!tasks_allow(joined, ([OK, Ret::Unit], [OK, NO])));
}

#[test]
fn who_has_waited_knows_what_was_done_before_the_notification() {
    let twice = ["notify w0; notify w1", "wait w1; wait w0"];
    assert!(!tasks_allow(twice, ([Ret::Unit, Ret::Unit], [OK, OK])), "the second wait began after its notification");
    let released = ["lock l0; unlock l0; notify w0", "wait w0; is_locked l0"];
    assert!(!tasks_allow(released, ([OK, Ret::Unit, Ret::Unit], [OK, YES])));
}

#[test]
fn the_beginning_of_a_wait_is_a_query() {
    let notified = ["notify w0; lock l0", "is_locked l0; let wait w0; poll"];
    assert!(tasks_allow(notified, ([Ret::Unit, OK], [YES, Ret::Unit, OK])));
    let known = ["cancel t1; notify w0; cancel t1", "cancelling t1; let wait w0; poll"];
    assert!(!tasks_allow(known, ([YES, Ret::Unit, YES], [Ret::Count(2), Ret::Unit, OK])));
}

#[test]
fn who_gets_a_lock_knows_what_the_former_holders_did() {
    let held = ["lock l0; is_locked l0", "try_lock l0; unlock l0"];
    assert!(!tasks_allow(held, ([OK, NO], [Ret::Unit, Ret::Unit])), "its own lock");
    let after = ["lock l0; cancelling t0", "try_lock l0; cancel t0; unlock l0; try_lock l0"];
    assert!(tasks_allow(after, ([OK, Ret::Count(1)], [Ret::Unit, YES, Ret::Unit, REFUSED])));
    assert!(!tasks_allow(after, ([OK, Ret::Count(0)], [Ret::Unit, YES, Ret::Unit, REFUSED])), "it came second");
}

#[test]
fn what_goes_through_a_slot_carries_what_its_owner_knew() {
    let program: Program =
        "task t0 { } thread { try_lock l0; cancel t0; put s0 } thread { take s0; cancelling t0 }".parse().unwrap();
    let told = |taken, count| {
        let first = [(0, 0, Ret::Unit), (0, 1, YES), (0, 2, Ret::Unit)];
        let second = [(1, 0, taken), (1, 1, Ret::Count(count))];
        allows(&program, Order::PerLane, &[&first[..], &second[..]].concat())
    };
    assert!(told(Ret::Unit, 1) && told(Ret::Absent, 0) && told(Ret::Absent, 1));
    assert!(!told(Ret::Unit, 0));
}

#[test]
fn a_body_that_moves_to_another_lane_knows_its_own_past() {
    let program: Program =
        "task t0 { enter; cancel t0; yield; exit; checkpoint } thread { poll t0 } thread { poll t0 }".parse().unwrap();
    let task = program.fibers().next().expect("a task");
    let body: Vec<_> = program.body(task).collect();
    let polled: Vec<_> = program.lanes().map(|lane| (lane, program.lane(lane).next().expect("a poll"))).collect();
    let told = |last: Option<Ret>, end| {
        let mut history = History::new();
        let [(first, poll), (second, again)] = polled[..] else { unreachable!("two lanes") };
        history.call(first, poll);
        history.returned(first, body[0], Ret::Unit);
        history.returned(first, body[1], YES);
        history.returned(first, poll, Ret::Pending);
        history.call(second, again);
        history.returned(second, body[2], Ret::Unit);
        history.returned(second, body[3], Ret::Unit);
        last.into_iter().for_each(|ret| history.returned(second, body[4], ret));
        history.returned(second, again, end);
        Judge::new(&program, Order::PerLane).allows(&history).is_ok()
    };
    assert!(told(None, Ret::Ready(Outcome::Cancelled)));
    assert!(!told(Some(Ret::Unit), OK), "its own request is pending");
}

#[test]
fn shields_that_are_closed_elsewhere_are_counted_by_themselves() {
    let allowed = |sync: &str, by: Ret, found: &str, known: Ret, shielded| {
        let text = format!(
            "task t0 {{ enter; put s0; enter; {found}; exit; is_shielded }} thread {{ run t0 }} thread {{ drop s0; {sync} }}"
        );
        let program: Program = text.parse().unwrap();
        let lanes: Vec<_> = program.lanes().collect();
        let mut history = History::new();
        let run = program.lane(lanes[0]).next().expect("the lane runs its task");
        history.call(lanes[0], run);
        let rets = [Ret::Unit, Ret::Unit, Ret::Unit, known, Ret::Unit, shielded];
        for (op, ret) in program.body(program.fibers().next().expect("a task")).zip(rets) {
            history.returned(lanes[0], op, ret);
        }
        history.returned(lanes[0], run, OK);
        for (op, ret) in program.lane(lanes[1]).zip([Ret::Unit, by]) {
            history.call(lanes[1], op);
            history.returned(lanes[1], op, ret);
        }
        Judge::new(&program, Order::PerLane).allows(&history).is_ok()
    };
    assert!(allowed("try_lock l0", Ret::Unit, "is_locked l0", YES, YES), "that it is locked orders nothing");
    assert!(allowed("try_lock l0", Ret::Unit, "is_locked l0", YES, NO));
    assert!(!allowed("notify w0", Ret::Unit, "wait w0", OK, YES), "the shield was closed before the notification");
    assert!(allowed("notify w0", Ret::Unit, "wait w0", OK, NO));
}

/// Writes down what the lanes of a program see.
struct Notes<'a> {
    program: &'a Program,
    history: History,
    begun: Vec<Option<OpId>>,
    over: Vec<OpId>,
}

impl<'a> Notes<'a> {
    fn new(program: &'a Program) -> Self {
        Self { program, history: History::new(), begun: vec![None; program.lanes().len()], over: Vec::new() }
    }

    /// An operation, named by its text, returns; one of a lane that ends in `..` is called, and returns later, the
    /// others are called and return at once.
    fn see(&mut self, lane: LaneId, text: &str, ret: Ret) {
        let program = self.program;
        let own: Vec<_> = program.lane(lane).collect();
        let name = text.trim_end_matches(" ..");
        let is_next = |op: &OpId| program.op_text(*op) == name && !self.over.contains(op);
        let bodies = program.fibers().flat_map(|fiber| program.body(fiber).chain(program.destructor(fiber)));
        let op = own.iter().copied().chain(bodies).find(is_next).expect("an operation with this text");
        let begun = &mut self.begun[lane.index()];
        if own.contains(&op) && *begun != Some(op) {
            self.history.call(lane, op);
        }
        if name != text {
            *begun = Some(op);
            return;
        }
        self.history.returned(lane, op, ret);
        *begun = begun.filter(|begun| *begun != op);
        if ret != Ret::Pending || !own.contains(&op) {
            self.over.push(op);
        }
    }
}

/// Whether the lanes may see that, in whatever order beside each other.
fn lanes_allow(text: &str, lanes: &[&[(&str, Ret)]]) -> bool {
    lanes_end(text, lanes, false)
}

/// And whoever has not ended be asleep then.
fn lanes_end(text: &str, lanes: &[&[(&str, Ret)]], stuck: bool) -> bool {
    let program: Program = text.parse().unwrap();
    let mut notes = Notes::new(&program);
    notes.history.stuck = stuck;
    for (lane, seen) in program.lanes().zip(lanes) {
        seen.iter().for_each(|(text, ret)| notes.see(lane, text, *ret));
    }
    Judge::new(&program, Order::PerLane).allows(&notes.history).is_ok()
}

/// Whether the lanes may see that in this order, and whoever has not ended then be asleep.
fn may_end_asleep_after(text: &str, seen: &[(u8, &str, Ret)]) -> bool {
    let program: Program = text.parse().unwrap();
    let mut notes = Notes::new(&program);
    for (lane, text, ret) in seen {
        notes.see(LaneId(*lane), text, *ret);
    }
    notes.history.stuck = true;
    Judge::new(&program, Order::RealTime).allows(&notes.history).is_ok()
}

const UNIT: Ret = Ret::Unit;
const PENDING: Ret = Ret::Pending;

/// The second lane takes a lock when it is through, which the first sees without knowing anything else by it.
#[test]
fn who_leaves_a_queue_tells_nobody_what_it_did() {
    let text = "task t0 { } task t1 { let lock l0; poll; cancel t0; drop; try_lock l1 }
        thread { try_lock l0; is_locked l1; unlock l0; try_lock l0; cancelling t0 } thread { run t1 }";
    let told = |count| {
        let holder = [("try_lock l0", UNIT), ("is_locked l1", YES), ("unlock l0", UNIT), ("try_lock l0", UNIT)];
        let holder = [&holder[..], &[("cancelling t0", Ret::Count(count))]].concat();
        let waiter =
            [("run t1 ..", UNIT), ("let lock l0", UNIT), ("poll", PENDING), ("cancel t0", YES), ("drop", UNIT)];
        let waiter = [&waiter[..], &[("try_lock l1", UNIT), ("run t1", OK)]].concat();
        lanes_allow(text, &[&holder, &waiter])
    };
    assert!(told(0) && told(1));
}

#[test]
fn whether_a_task_holds_a_lock_is_a_query() {
    let dropped =
        "task t0 { lock r0; put s0; is_locked l0; is_held r0 } thread { run t0 } thread { drop s0; try_lock l0 }";
    let told = |held| {
        let task =
            [("run t0 ..", UNIT), ("lock r0", OK), ("put s0", UNIT), ("is_locked l0", YES), ("is_held r0", held)];
        let task = [&task[..], &[("run t0", OK)]].concat();
        lanes_allow(dropped, &[&task, &[("drop s0", UNIT), ("try_lock l0", UNIT)]])
    };
    assert!(told(YES) && told(NO));
    let granted = |asks: &str, ret| {
        let text = format!(
            "task t0 {{ let lock r0; poll; is_locked l0; {asks} }} task t1 {{ lock r0; unlock r0; try_lock l0 }}
            thread {{ run t0 }} thread {{ run t1 }}"
        );
        let task = [("run t0 ..", UNIT), ("let lock r0", UNIT), ("poll", PENDING), ("is_locked l0", YES)];
        let task = [&task[..], &[(asks, ret), ("run t0", OK)]].concat();
        let holder = [("run t1 ..", UNIT), ("lock r0", OK), ("unlock r0", UNIT), ("try_lock l0", UNIT), ("run t1", OK)];
        lanes_allow(&text, &[&task, &holder])
    };
    assert!(granted("is_held r0", YES) && granted("is_held r0", NO));
    assert!(granted("try_lock r0", UNIT) && granted("try_lock r0", REFUSED));
}

#[test]
fn a_request_further_out_may_be_found_before_one_further_in() {
    let text = "task t0 { scope c0 { is_locked l1; cancel_pending; is_locked l0 } }
        thread { run t0 } thread { cancel t0; try_lock l0; unlock l0; cancel c0; try_lock l1 }";
    let told = |locked| {
        let task = [("run t0 ..", UNIT), ("is_locked l1", YES), ("cancel_pending", YES), ("is_locked l0", locked)];
        let task = [&task[..], &[("scope c0", OK), ("run t0", OK)]].concat();
        let other = [("cancel t0", YES), ("try_lock l0", UNIT), ("unlock l0", UNIT), ("cancel c0", YES)];
        lanes_allow(text, &[&task, &[&other[..], &[("try_lock l1", UNIT)]].concat()])
    };
    assert!(told(YES) && told(NO));
}

#[test]
fn who_was_refused_a_lock_or_waits_for_it_has_seen_it_held() {
    let refused = "thread { try_lock l0; is_locked l1 } thread { try_lock l0; is_locked l0; try_lock l1 }";
    let told = |locked| {
        let holder = [("try_lock l0", UNIT), ("is_locked l1", YES)];
        lanes_allow(refused, &[&holder, &[("try_lock l0", REFUSED), ("is_locked l0", locked), ("try_lock l1", UNIT)]])
    };
    assert!(told(YES) && !told(NO));
    let queued = "task t0 { let lock l0; poll; is_locked l0; try_lock l1 } thread { try_lock l0; is_locked l1 } thread { run t0 }";
    let told = |locked| {
        let task = [("run t0 ..", UNIT), ("let lock l0", UNIT), ("poll", PENDING), ("is_locked l0", locked)];
        let task = [&task[..], &[("try_lock l1", UNIT), ("run t0", OK)]].concat();
        lanes_allow(queued, &[&[("try_lock l0", UNIT), ("is_locked l1", YES)], &task])
    };
    assert!(told(YES) && !told(NO));
}

#[test]
fn who_registers_a_waker_or_takes_one_out_has_seen_the_requests_before() {
    let first =
        "task t0 { enter; is_locked l0; yield; cancelling t0 } thread { run t0 } thread { cancel t0; try_lock l0 }";
    let told = |count| {
        let task =
            [("run t0 ..", UNIT), ("enter", UNIT), ("is_locked l0", YES), ("run t0", PENDING), ("run t0 ..", UNIT)];
        let task = [&task[..], &[("yield", UNIT), ("cancelling t0", Ret::Count(count)), ("run t0", OK)]].concat();
        lanes_allow(first, &[&task, &[("cancel t0", YES), ("try_lock l0", UNIT)]])
    };
    assert!(told(1) && !told(0));
    let closed = "task t0 { enter; put s0; cancel t0; lock l0; is_locked l1 }
        thread { run t0 } thread { is_locked l0; drop s0; cancelling t0; try_lock l1 }";
    let told = |count| {
        let task = [("run t0 ..", UNIT), ("enter", UNIT), ("put s0", UNIT), ("cancel t0", YES), ("lock l0", OK)];
        let task = [&task[..], &[("is_locked l1", YES), ("run t0", OK)]].concat();
        let other = [("is_locked l0", YES), ("drop s0", UNIT), ("cancelling t0", Ret::Count(count))];
        lanes_allow(closed, &[&task, &[&other[..], &[("try_lock l1", UNIT)]].concat()])
    };
    assert!(told(1) && !told(0));
}

#[test]
fn a_delivery_knows_what_was_done_before_the_shield_further_in_was_closed() {
    let text = "task t0 { cancel t0; scope c0 { enter; put s0; yield; suspend } } on_drop { cancelling t1 } task t1 { }
        thread { run t0 } thread { cancel t1; drop s0 }";
    let told = |count| {
        let task = [("run t0 ..", UNIT), ("cancel t0", YES), ("enter", UNIT), ("put s0", UNIT), ("run t0", PENDING)];
        let ended = [("run t0 ..", UNIT), ("yield", UNIT), ("cancelling t1", Ret::Count(count))];
        let task = [&task[..], &ended, &[("run t0", Ret::Ready(Outcome::Cancelled))]].concat();
        lanes_allow(text, &[&task, &[("cancel t1", YES), ("drop s0", UNIT)]])
    };
    assert!(told(1) && !told(0));
}

#[test]
fn while_a_poll_puts_another_waker_in_its_place_a_request_finds_none_to_wake() {
    let text = "task t0 { enter; yield; suspend } thread { run t0 } thread { cancel t0 }";
    let begins = [(0, "run t0 ..", UNIT), (0, "enter", UNIT), (0, "run t0", PENDING), (0, "run t0 ..", UNIT)];
    let during = [(0, "yield", UNIT), (1, "cancel t0", YES), (0, "run t0", PENDING)];
    assert!(may_end_asleep_after(text, &[&begins[..], &during].concat()));
    let after = [(0, "yield", UNIT), (0, "run t0", PENDING), (1, "cancel t0", YES)];
    assert!(!may_end_asleep_after(text, &[&begins[..], &after].concat()), "the waker is registered");
    let unshielded = text.replace("enter; ", "");
    let polled = [(0, "run t0 ..", UNIT), (0, "run t0", PENDING), (0, "run t0 ..", UNIT)];
    assert!(!may_end_asleep_after(&unshielded, &[&polled[..], &during].concat()), "the poll looks for requests");
}

#[test]
fn a_fiber_that_has_suspended_may_still_be_found_taken() {
    let text = "plain p0 { join t0 } task t0 { } thread { run p0 } thread { run t0 } thread { poll p0; cancelling t0 }";
    let mut seen = vec![(0, "run p0 ..", UNIT), (1, "run t0 ..", UNIT), (1, "run t0", OK), (2, "poll p0 ..", UNIT)];
    seen.extend([(2, "poll p0", Ret::Absent), (0, "run p0", PENDING), (2, "cancelling t0", Ret::Count(0))]);
    assert!(!may_end_asleep_after(text, &seen), "what it waits for has happened");
    seen.extend([(0, "run p0 ..", UNIT), (0, "join t0", OK), (0, "run p0", OK)]);
    assert!(may_end_asleep_after(text, &seen));
}

/// The second finds the lock held, which the first took after it had made a request: that orders nothing.
#[test]
fn a_poll_may_overlook_a_request_that_wakes_the_task_meanwhile() {
    let text = "task t0 { cancel t1; lock l0 } task t1 { yield; lock l0 } thread { run t0 } thread { run t1 }";
    let canceller = [("run t0 ..", UNIT), ("cancel t1", YES), ("lock l0", OK), ("run t0", OK)];
    let begins = [("run t1 ..", UNIT), ("run t1", PENDING), ("run t1 ..", UNIT), ("yield", UNIT), ("run t1", PENDING)];
    let cancelled = [("run t1 ..", UNIT), ("run t1", Ret::Ready(Outcome::Cancelled))];
    assert!(lanes_end(text, &[&canceller, &[&begins[..], &cancelled].concat()], false));
    assert!(!lanes_end(text, &[&canceller, &begins], true), "it is polled again");
}

#[test]
fn a_poll_may_overlook_a_request_before_its_body_and_finds_it_afterwards() {
    let may = |body: &str, told: &[(&str, Ret)], polled| {
        let text = format!(
            "task t0 {{ {body} suspend }} thread {{ cancel t0; try_lock l0 }} thread {{ try_lock l0; poll t0 }}"
        );
        let begins = [("try_lock l0", REFUSED), ("poll t0 ..", UNIT)];
        let poller = [&begins[..], told, &[("poll t0", polled)]].concat();
        lanes_allow(&text, &[&[("cancel t0", YES), ("try_lock l0", UNIT)], &poller])
    };
    let cancelled = Ret::Ready(Outcome::Cancelled);
    assert!(may("enter;", &[("enter", UNIT)], PENDING), "shielded, when it finds it");
    assert!(may("is_shielded;", &[("is_shielded", NO)], cancelled));
    assert!(!may("is_shielded;", &[("is_shielded", NO)], PENDING));
}

#[test]
fn a_poll_overlooks_no_request_that_it_knows_of() {
    let text = "task t0 { cancel t1; notify w0 } task t1 { wait w0; suspend } thread { run t0 } thread { run t1 }";
    let canceller = [("run t0 ..", UNIT), ("cancel t1", YES), ("notify w0", UNIT), ("run t0", OK)];
    let begins = [("run t1 ..", UNIT), ("run t1", PENDING), ("run t1 ..", UNIT), ("wait w0", OK)];
    let again = [("run t1", PENDING), ("run t1 ..", UNIT)];
    let cancelled = [("run t1", Ret::Ready(Outcome::Cancelled))];
    assert!(lanes_allow(text, &[&canceller, &[&begins[..], &cancelled].concat()]));
    assert!(!lanes_allow(text, &[&canceller, &[&begins[..], &again, &cancelled].concat()]));
}

#[test]
fn a_lost_wake_up_is_none_less_since_another_has_polled_with_another_waker() {
    let program: Program =
        "task t0 { wait w0 } thread { run t0 } thread { poll t0/1; notify w0 }".parse().expect("a program");
    let mut notes = Notes::new(&program);
    notes.see(LaneId(0), "run t0 ..", UNIT);
    notes.see(LaneId(0), "run t0", PENDING);
    notes.see(LaneId(1), "poll t0/1", PENDING);
    notes.see(LaneId(1), "notify w0", UNIT);
    notes.history.stuck = true;
    let judge = || Judge::new(&program, Order::RealTime);
    assert!(judge().allows(&notes.history).is_ok(), "the other executor has to poll it");
    let refused = judge().roused_by_any_waker().allows(&notes.history).unwrap_err().to_string();
    assert!(refused.contains("\nlost wake-up of task t0\n"), "{refused}");
}

/// What the judge says of this end, after calls and returns of no interest: nothing, or the lines about the end.
fn of_the_end(text: &str, order: Order, seen: &[(usize, usize, Ret)], change: impl FnOnce(&mut End)) -> Option<String> {
    let program: Program = text.parse().unwrap();
    let model = Model::new(&program);
    let mut state = model.start();
    for lane in program.lanes() {
        while !model.is_over(&state, lane) {
            model.step(&mut state, lane, &mut Trace::new());
        }
    }
    let mut end = state.end(&program);
    change(&mut end);
    let history = History { end: Some(end), ..history(&program, seen) };
    let mismatch = Judge::new(&program, order).allows(&history).err()?.to_string();
    Some(mismatch[mismatch.find("in the end").expect("about the end")..].to_owned())
}

#[test]
fn a_grant_lost_by_the_last_drop_shows_in_the_end() {
    let text = "task t0 { } thread { try_lock l0 }";
    for order in [Order::RealTime, Order::PerLane] {
        assert_eq!(of_the_end(text, order, &[(0, 0, Ret::Unit)], |_| ()), None);
        let lost = of_the_end(text, order, &[(0, 0, Ret::Unit)], |end| end.locked[0] = true).unwrap();
        let expected = "\
in the end it cannot be that t0: 0 requests; l0: held
    the spec allows that t0: 0 requests
";
        assert_eq!(lost, expected);
    }
}

#[test]
fn a_request_lost_by_the_last_uncancel_shows_in_the_end() {
    let text = "task t0 { } thread { cancel t0; cancel t0; uncancel t0 }";
    let seen = [(0, 0, Ret::Flag(true)), (0, 1, Ret::Flag(true)), (0, 2, Ret::Count(1))];
    let requests = |requests| move |end: &mut End| end.handles[0].as_mut().unwrap().cancelling = requests;
    for order in [Order::RealTime, Order::PerLane] {
        assert_eq!(of_the_end(text, order, &seen, requests(1)), None);
        assert!(
            of_the_end(text, order, &seen, requests(0))
                .unwrap()
                .starts_with("in the end it cannot be that t0: 0 requests\n")
        );
    }
}

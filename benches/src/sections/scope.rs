//! Opening and closing a shield; one poll through a task and through a scope inside it.

use std::cell::Cell;
use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::time::{Duration, Instant};

use shieldable::{CancelScope, ShieldableTask, shield_scope};
use tokio_shield::Shield;
use tokio_util::sync::CancellationToken;

use super::{Outcome, current_thread, two_workers};
use crate::hand;
use crate::measure::{Plan, Side, in_turns};
use crate::report::{Bound, Figure, Line};

thread_local! {
    static PLAIN: Cell<u64> = const { Cell::new(0) };
}

pub(super) fn run(plan: &Plan) -> Outcome {
    let mut lines = shields(plan);
    lines.extend(polls(plan));
    lines.into()
}

fn open_and_close(times: u64) -> Duration {
    let start = Instant::now();
    for _ in 0..times {
        drop(black_box(shield_scope()));
    }
    start.elapsed()
}

fn shields(plan: &Plan) -> Vec<Line> {
    let (single, multi) = (current_thread(), two_workers());
    let by_spawning = |times| async move {
        let start = Instant::now();
        for _ in 0..times {
            async {}.shield().await;
        }
        start.elapsed()
    };
    let sides = [
        Side::timed("shield_scope", |times| hand::ready(ShieldableTask::new(async { open_and_close(times) })).unwrap()),
        Side::timed("shield_scope in a CancelScope", |times| {
            hand::ready(ShieldableTask::new(CancelScope::new(async { open_and_close(times) }))).unwrap().unwrap()
        }),
        Side::each("thread-local Cell + 1 - 1", || {
            PLAIN.with(|plain| plain.set(black_box(plain.get() + 1)));
            PLAIN.with(|plain| plain.set(black_box(plain.get() - 1)));
        }),
        Side::timed("tokio-shield", |times| single.block_on(by_spawning(times))),
        Side::timed("tokio-shield, 2 workers", |times| {
            multi.block_on(async { tokio::spawn(by_spawning(times)).await.unwrap() })
        }),
    ];
    let [ours, nested, plain, spawned, spawned_2] = in_turns(plan, "shield", sides);
    let what = "open and close a shield";
    let against = |what: &str, ours: &crate::measure::Times, peer, theirs: &crate::measure::Times, bound| {
        Line::times(what, ours.median(), peer, theirs.median(), ours.over(theirs), bound)
    };
    vec![
        against(what, &ours, "tokio-shield", &spawned, Bound::AtMost(1.0 / 15.0)),
        against(what, &ours, "tokio-shield, 2 workers", &spawned_2, Bound::Aim(1.0 / 150.0)),
        against(what, &ours, "thread-local Cell + 1 - 1", &plain, Bound::Aim(2.0)),
        against("the same in a CancelScope in the task", &nested, "in the task itself", &ours, Bound::None),
    ]
}

/// Polls a future that is never ready; the future is black-boxed, so that the poll is not optimised away.
fn poll_often(times: u64, future: impl Future) -> Duration {
    let mut future = pin!(future);
    assert!(hand::poll(future.as_mut()).is_pending());
    let start = Instant::now();
    for _ in 0..times {
        let _ = black_box(hand::poll(future.as_mut()).is_pending());
    }
    start.elapsed()
}

fn polls(plan: &Plan) -> Vec<Line> {
    let token = CancellationToken::new();
    let sides = [
        Side::timed("bare", |times| poll_often(times, hand::never())),
        Side::timed("ShieldableTask", |times| poll_often(times, ShieldableTask::new(hand::never()))),
        Side::timed("CancelScope in it", |times| {
            poll_often(times, ShieldableTask::new(CancelScope::new(hand::never())))
        }),
        Side::timed("run_until_cancelled", |times| poll_often(times, token.run_until_cancelled(hand::never()))),
        Side::timed("select! with cancelled()", |times| {
            let select = async {
                tokio::select! {
                    () = token.cancelled() => {}
                    () = hand::never() => {}
                }
            };
            poll_often(times, select)
        }),
    ];
    let [bare, task, nested, until, select] = in_turns(plan, "poll", sides);
    let above = task.with(&bare, |task, bare| task - bare);
    let further = nested.with(&task, |nested, task| nested - task);
    vec![
        Line::beside(
            "one poll of a ShieldableTask",
            Figure::Nanos(task.median()),
            "bare future, difference",
            Figure::Nanos(bare.median()),
            Figure::Nanos(above),
            Bound::AtMost(5.0),
        ),
        Line::times(
            "one poll of a ShieldableTask",
            task.median(),
            "run_until_cancelled",
            until.median(),
            task.over(&until),
            Bound::AtMost(0.2),
        ),
        Line::times(
            "one poll of a ShieldableTask",
            task.median(),
            "select! with cancelled()",
            select.median(),
            task.over(&select),
            Bound::None,
        ),
        Line::times(
            "a CancelScope in it adds",
            further,
            "what the task adds",
            above,
            further / above,
            Bound::AtMost(1.0),
        ),
    ]
}

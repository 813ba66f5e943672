#!/usr/bin/env python3
"""Records how `whatamithinking-aiotools` 1.0.2 behaves, as vectors for `tests/python_conformance/`.

    python3.11 -m venv VENV && VENV/bin/pip install whatamithinking-aiotools==1.0.2
    VENV/bin/python record.py > vectors.txt

The same on every run. A line is `family|program|steps`. A step is what one operation of the program's thread came to:
`[!]inner>result:tasks:locks`. `inner` are the results of the operations that bodies completed meanwhile; each task is
its state (`r`eady to run, `u`nheard, `s`leeping, `d`one; upper case inside a shield) and its `cancelling()`; each lock
(`l0`, `r0`) is `L`ocked, free (`-`), or `h`: free with somebody woken or queued. `!`: done by another thread. For the
letters of results see `world.py`.
"""

import inspect
import random
import sys

import language as lang
from language import Maker, Program
from world import World

MAX_STEPS = 26


class Driver:
    """Makes up what happens from outside while a program runs."""

    def __init__(self, random, program, outside, cancel_at=None, threads=False):
        self.random, self.program, self.menu = random, program, outside
        self.cancel_at, self.threads = cancel_at, threads
        # What often follows a cancellation at once.
        self.after_cancel = None
        self.steps = []

    def record(self):
        self.world = World(self.program)
        try:
            while len(self.steps) < MAX_STEPS and self.step():
                pass
        finally:
            self.world.close()
        return self

    def step(self):
        world, quiet = self.world, len(self.steps) > MAX_STEPS // 2
        if self.cancel_at and self.cancel_at[0] == len(self.steps):
            return self.act(("cancel", self.cancel_at[1]))
        last = self.program.lane[-1] if self.program.lane else ("",)
        if self.after_cancel and last[0] == "cancel" and not world.task(last[1]).done() and self.random.random() < 0.6:
            return self.act(("uncancel", last[1]) if self.after_cancel == "uncancel" else ("drop", "s0"))
        late = [index for index in range(len(world.tasks)) if world.is_about_to_be_cancelled(index)]
        if late and late[0] in world.due() and self.random.random() < 0.8:
            # Others may run before; mostly they do not.
            return self.poll(late[0])
        can_poll = world.can_poll()
        if self.menu and not quiet and self.random.random() < 0.35 or not can_poll:
            op = self.choose(bool(can_poll))
            if op:
                return self.act(op)
        if not can_poll:
            return False
        return self.poll(can_poll[0] if self.random.random() < 0.7 else self.random.choice(can_poll))

    def choose(self, anybody_due):
        """Something to do from outside; a notification if nobody can go on otherwise."""
        waiting = any(waiter._waiters for waiter in self.world.waiters.values())
        if not anybody_due and not (self.menu and self.random.random() < 0.4):
            return ("notify", "w0") if waiting else None
        return self.random.choice(self.menu)

    def act(self, op):
        world = self.world
        if op[0] == "deadline" and op[1] not in world.timeouts:
            op = ("notify", "w0")
        if op[0] in ("enter", "try_lock") and lang.locals_of([self.program.lane]) == lang.MAX_LOCALS:
            op = ("notify", "w0")
        if op[0] in ("cancel", "uncancel") and self.random.random() < 0.8 and self.is_dull(world.task(op[1])):
            op = ("notify", "w0")
        if op[0] == "cancel" and self.random.random() < 0.15:
            # The cancellation races with a wake-up that has not been heard yet.
            index = int(op[1][1:])
            if index in world.parked and not world.parked[index].done() and not world.shields(index):
                world.unpark(index)
        by_thread = self.threads and op[0] == "notify" and self.random.random() < 0.5
        return self.note(op, world.outside(op, by_thread), by_thread)

    def is_dull(self, task):
        """Before its first step or after its last there is little to see."""
        return task.done() or not inspect.getcoroutinelocals(task.get_coro())

    def poll(self, index):
        return self.note(("poll", self.program.name(index)), self.world.poll(index))

    def note(self, op, result, by_thread=False):
        inner = "".join(self.world.log)
        self.world.log.clear()
        self.program.lane.append(op)
        self.steps.append(f"{'!' if by_thread else ''}{inner}>{result}:{self.world.snapshot()}")
        return True

    def line(self, family):
        return f"{family}|{self.program.text()}|{' '.join(self.steps)}"


def cancels(program, *more):
    tasks = [program.name(index) for index, kind in enumerate(program.kinds) if kind == "t"]
    return [("cancel", task) for task in tasks] + [("notify", "w0")] * 2 + list(more)


def free(random, menu, *more, **options):
    program = Maker(random).program(menu, **options)
    return Driver(random, program, cancels(program, *more))


def scopes(random):
    return free(random, lang.SCOPES)


def locks(random):
    return free(random, lang.LOCKS, ("try_lock", "l0"), ("unlock", "l0"), tasks=(2, 4))


def uncancels(random):
    driver = free(random, lang.SCOPES + lang.UNCANCELS)
    driver.after_cancel = "uncancel"
    return driver


def moves(random):
    more = [("drop", "s0"), ("drop", "s1"), ("cancel", "t0")] * 2
    return free(random, lang.MOVES, *more, tasks=(1, 2))


def closed(random):
    """A shield that somebody else closes while its task sleeps, with a request pending or not."""
    make = Maker(random)
    waits = [(1, "suspend", ()), (9, "wait", ("w0",)), (1, "enter", ()), (1, "exit", ()), (1, "yield", ())]
    body = make.body(waits, 1, 2)[: random.randrange(2)] + [("enter",), ("put", "s0")] + make.body(waits, 1, 4)
    other = [("drop", "s0")] if random.random() < 0.4 else []
    program = Program(["t", "t"], [body, [("suspend",)] + other + [("suspend",)]])
    driver = Driver(random, program, [("cancel", "t0"), ("drop", "s0")])
    driver.after_cancel = "drop"
    return driver


def threads(random):
    driver = free(random, [(6, "wait", ("w0",)), (2, "suspend", ()), (2, "shielded", ())], ("notify", "w0"))
    driver.threads = True
    return driver


def catches(random):
    driver = free(random, lang.SCOPES + lang.CATCHES, tasks=(1, 2), length=5)
    driver.menu += [("cancel", "t0")] * 4
    return driver


def leaks(random):
    return free(random, lang.LOCKS, tasks=(2, 3), length=4, leaks=True)


def deadlines(random):
    """A timeout in a task, in front of and inside shields. What waits in it cannot go on by itself."""
    make = Maker(random)
    waits = [(6, "wait", ("w0",)), (3, "lock", ("l0",)), (1, "is_shielded", ()), (1, "cancelling", ("t0",))]
    shape = random.randrange(3)
    inner = make.body(waits, 1, 3, depth=0)
    if shape == 1:
        inner = [("enter",)] + inner + [("exit",)] + make.body(waits, 1, 2, depth=0)[: random.randrange(2)]
    body = [("timeout", "d0", inner)]
    if shape == 2:
        body = [("enter",)] + body + [("exit",)]
    body += make.body([(3, "suspend", ()), (1, "cancelling", ("t0",))], 1, 2)[: random.randrange(3)]
    other = make.body([(3, "suspend", ()), (3, "notify", ("w0",)), (4, "lock", ("l0",))], 1, 3)
    program = Program(["t", "t"], [body, other])
    return Driver(random, program, [("deadline", "d0"), ("deadline", "d0"), ("notify", "w0"), ("cancel", "t0")])


def joins(random):
    make = Maker(random)
    menu = [(4, "suspend", ()), (2, "yield", ()), (2, "wait", ("w0",)), (1, "is_finished", ("t1",))]
    body = make.body(menu, 2, 1) + [("join", "t1")] + make.body(menu, 2, 2)
    if random.random() < 0.3:
        body = [("shielded", body)]
    program = Program(["t", "t"], [body, make.body(menu, 2, 5)])
    return Driver(random, program, [("cancel", "t1"), ("cancel", "t0"), ("cancel", "t0"), ("notify", "w0")])


def nobody(random):
    """Plain tasks and callbacks, where there is nothing to shield and nobody to own a re-entrant lock."""
    make = Maker(random)
    plain = make.body([(3, "suspend", ()), (3, "enter", ()), (3, "lock", ("l0",)), (1, "wait", ("w0",))], 1, 5)
    task = make.body(lang.LOCKS, 1, 4)
    task = [op for op in task if op[0] not in ("cancel",)]
    bodies = [task, plain] if random.random() < 0.7 else [task, task]
    program = Maker(random).fitting(Program(["t", "p"] if bodies[1] is plain else ["t", "t"], bodies))
    outside = [("enter",), ("try_lock", "r0"), ("try_lock", "l0"), ("cancel", "t0"), ("notify", "w0")]
    return Driver(random, program, outside)


def everywhere(seed):
    """One program, undisturbed and then with every task cancelled at every step."""
    menu = lang.SCOPES if seed % 2 else lang.LOCKS
    menu = [entry for entry in menu if entry[1] != "cancel"]

    def driver(cancel_at):
        source = random.Random(f"everywhere {seed}")
        program = Maker(source).program(menu, tasks=(1, 3), length=5)
        return Driver(source, program, [], cancel_at=cancel_at)

    undisturbed = driver(None).record()
    yield undisturbed
    for step in range(len(undisturbed.steps)):
        for index in range(len(undisturbed.program.kinds)):
            yield driver((step, f"t{index}")).record()


FAMILIES = [
    (scopes, 1100),
    (locks, 1100),
    (uncancels, 150),
    (moves, 300),
    (closed, 100),
    (threads, 80),
    (catches, 100),
    (leaks, 100),
    (deadlines, 250),
    (joins, 200),
    (nobody, 150),
]
EVERYWHERE = 36


def main():
    seen = set()

    def write(driver, family):
        line = driver.line(family)
        if line.split("|")[1] not in seen and driver.steps:
            seen.add(line.split("|")[1])
            print(line)
            return True
        return False

    for family, wanted in FAMILIES:
        written = seed = 0
        while written < wanted:
            seed += 1
            written += write(family(random.Random(f"{family.__name__} {seed}")).record(), family.__name__)
    for seed in range(EVERYWHERE):
        for driver in everywhere(seed):
            write(driver, "everywhere")


if __name__ == "__main__":
    sys.exit(main())

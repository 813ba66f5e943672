"""Runs a program on the package `whatamithinking-aiotools` under asyncio, one callback of the loop at a time.

There is no clock and no selector: the driver says which callback runs next. Everything else is the real thing. What is
seen is written with one letter each:

    .  done             -  nothing there        T F  a truth           0-9  a number
    P  still pending    V  value                C    cancelled         E    timed out
    W  would block      X  RuntimeError of a shield      Y  RuntimeError of a lock
    K  caught a cancellation and went on                 H  unlocked, and somebody woken or queued
"""

import asyncio
import threading
from asyncio import events

from whatamithinking.aiotools import Lock, RLock, ShieldableTask, Waiter, shield_scope, shielded

FAR = 3600.0


class HandLoop(asyncio.BaseEventLoop):
    """An event loop whose callbacks are run by hand."""

    def __init__(self):
        super().__init__()
        self.owner = threading.get_ident()
        self.unheard = []
        self.failures = []

    def time(self):
        return 0.0

    def call_soon(self, callback, *args, context=None):
        handle = super().call_soon(callback, *args, context=context)
        if threading.get_ident() != self.owner:
            # Nobody has told a loop that sleeps in its selector.
            self.unheard.append(handle)
        return handle

    def call_exception_handler(self, context):
        self.failures.append(context)

    def _check_callback(self, callback, method):
        pass


class World:
    """A running program."""

    def __init__(self, program):
        self.program = program
        self.loop = HandLoop()
        self.locks = {"l0": Lock(), "r0": RLock()}
        self.waiters = {"w0": Waiter()}
        self.slots, self.parked, self.timeouts, self.lane_locals = {}, {}, {}, []
        self.log = []
        self.tasks = []
        events._set_running_loop(self.loop)
        for index, body in enumerate(program.bodies):
            make = ShieldableTask if program.kinds[index] == "t" else asyncio.Task
            self.tasks.append(make(self.run(index, body, program.leaks), loop=self.loop))

    def close(self):
        for task in self.tasks:
            task._log_destroy_pending = False
        for item in self.slots.values():
            self.drop(item)
        events._set_running_loop(None)
        assert not self.loop.failures, self.loop.failures

    # Bodies.

    async def run(self, me, ops, leaks=False):
        held = []
        try:
            for op in ops:
                answer = await self.op(me, op, held)
                self.log.append(answer)
        finally:
            while held:
                item = held.pop()
                if not (leaks and item[0] == "guard"):
                    self.drop(item)

    async def op(self, me, op, held):
        match op:
            case ("suspend",):
                self.parked[me] = self.loop.create_future()
                try:
                    await self.parked[me]
                finally:
                    del self.parked[me]
                return "."
            case ("yield",):
                await asyncio.sleep(0)
                return "."
            case ("lock", name):
                await self.locks[name].acquire()
                held.append(("guard", self.locks[name]))
                return "V"
            case ("wait", name):
                await self.waiters[name].wait()
                return "V"
            case ("join", name):
                return await self.join(me, self.task(name))
            case ("shielded", inner):
                await shielded(self.run)(me, inner)
                return "V"
            case ("catch", _, inner):
                try:
                    await self.run(me, inner)
                    return "V"
                except asyncio.CancelledError:
                    return "K"
            case ("timeout", name, inner):
                return await self.timeout(me, name, inner)
        return self.at_once(op, held)

    async def join(self, me, other):
        try:
            await other
            return "V"
        except asyncio.CancelledError:
            if other.cancelled() and (self.shields(me) or not self.tasks[me].cancelling()):
                return "C"
            raise

    async def timeout(self, me, name, inner):
        deadline = asyncio.timeout(FAR)
        self.timeouts[name] = (me, deadline)
        try:
            async with deadline:
                await self.run(me, inner)
            return "V"
        except TimeoutError:
            return "E"
        finally:
            del self.timeouts[name]

    def at_once(self, op, held):
        """What bodies and the world outside may do alike."""
        match op:
            case ("enter",):
                shield = shield_scope()
                shield.__enter__()
                held.append(("shield", shield))
                return "."
            case ("exit",):
                return self.drop_newest(held, lambda item: item[0] == "shield")
            case ("try_lock", name):
                lock = self.locks[name]
                if not lock.acquire_nowait():
                    return "W"
                held.append(("guard", lock))
                return "."
            case ("unlock", name):
                return self.drop_newest(held, lambda item: item == ("guard", self.locks[name]))
            case ("put", slot):
                if not held:
                    return "-"
                old = self.slots.pop(slot, None)
                self.slots[slot] = held.pop()
                return self.drop(old) if old else "."
            case ("drop", slot):
                return self.drop(self.slots.pop(slot)) if slot in self.slots else "-"
            case ("cancel", name):
                return "FT"[self.task(name).cancel()]
            case ("uncancel", name):
                return str(self.task(name).uncancel())
            case ("cancelling", name):
                return str(self.cancelling(name))
            case ("is_finished", name):
                return "FT"[self.task(name).done()]
            case ("is_shielded",):
                return "FT"[bool(getattr(asyncio.current_task(), "shields", None))]
            case ("is_locked", name):
                return {"L": "T", "-": "F", "h": "H"}[self.lock(self.locks[name])]
            case ("notify", name):
                self.waiters[name].notify()
                return "."
            case ("deadline", name):
                self.fire(name)
                return "."
        raise ValueError(op)

    def drop_newest(self, held, fits):
        for at in reversed(range(len(held))):
            if fits(held[at]):
                return self.drop(held.pop(at))
        return "-"

    def drop(self, item):
        kind, it = item
        try:
            if kind == "shield":
                it.__exit__(None, None, None)
            else:
                it.release()
            return "."
        except RuntimeError:
            return "X" if kind == "shield" else "Y"

    def fire(self, name):
        if name in self.timeouts:
            deadline = self.timeouts[name][1]
            for handle in self.loop._scheduled:
                if not handle.cancelled() and getattr(handle._callback, "__self__", None) is deadline:
                    self.loop._scheduled.remove(handle)
                    handle._run()
                    return

    # The world outside.

    def outside(self, op, from_a_thread=False):
        if from_a_thread:
            # In debug mode asyncio refuses this; a program in production is not told.
            thread = threading.Thread(target=self.at_once, args=(op, self.lane_locals))
            thread.start()
            thread.join()
            return "."
        return self.at_once(op, self.lane_locals)

    def poll(self, index):
        """Runs the step of a task that is due; lets it go on if it is parked."""
        if self.handle_of(index) is None:
            self.unpark(index)
        handle = self.handle_of(index)
        self.loop._ready.remove(handle)
        if handle in self.loop.unheard:
            self.loop.unheard.remove(handle)
        handle._run()
        task = self.tasks[index]
        if not task.done():
            return "P"
        if task.cancelled():
            return "C"
        task.result()
        return "V"

    def unpark(self, index):
        self.parked[index].set_result(None)

    # What can be seen.

    def task(self, name):
        return self.tasks[int(name[1:])]

    def handle_of(self, index):
        due = (handle for handle in self.loop._ready if handle._callback.__self__ is self.tasks[index])
        return next(due, None)

    def due(self):
        """The tasks that the loop would run, in its order."""
        return [self.tasks.index(handle._callback.__self__) for handle in self.loop._ready]

    def can_poll(self):
        parked = [index for index, future in self.parked.items() if not future.done()]
        return self.due() + parked

    def shields(self, index):
        return getattr(self.tasks[index], "shields", [])

    def is_about_to_be_cancelled(self, index):
        """Suspended with a request that its next step raises."""
        task = self.tasks[index]
        if task.done() or self.program.kinds[index] == "p" or self.shields(index):
            return False
        waits_for = task._fut_waiter
        return task._must_cancel or (waits_for is not None and waits_for.cancelled())

    def cancelling(self, name):
        """Requests to the task itself: those of its timeouts are theirs."""
        task = self.task(name)
        theirs = sum(deadline.expired() for me, deadline in self.timeouts.values() if self.tasks[me] is task)
        return task.cancelling() - theirs

    def snapshot(self):
        due = self.due()
        unheard = [handle._callback.__self__ for handle in self.loop.unheard]
        words = []
        for index, task in enumerate(self.tasks):
            name = self.program.name(index)
            if task.done():
                status = "d"
            elif index in due:
                status = "u" if task in unheard else "r"
            else:
                status = "s"
            words.append(status.upper() if self.shields(index) and not task.done() else status)
            words.append(str(self.cancelling(name)) if name[0] == "t" else "0")
        return "".join(words) + ":" + "".join(self.lock(lock) for lock in self.locks.values())

    def lock(self, lock):
        """Locked; unlocked; or unlocked with somebody still to take it."""
        return "L" if lock.locked() else "h" if lock._waiters else "-"

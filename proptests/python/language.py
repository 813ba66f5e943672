"""Programs in the language of the model, as far as the Python package can express it, and how to make them up.

An operation is a tuple: a word, then its argument, then the operations inside it if it has any. `text` writes it as the
model reads it. One word is Python's alone: `catch` swallows a cancellation, which no code that is dropped can do; the
model reads it as a plain block.
"""

from dataclasses import dataclass, field

# What the model has room for in one body.
MAX_LOCALS = 7


@dataclass
class Program:
    """Tasks (`t`) and plain asyncio tasks (`p`); what happens from outside is made up while the program runs."""

    kinds: list
    bodies: list
    # Guards of locks are not released when a body ends.
    leaks: bool = False
    lane: list = field(default_factory=list)

    def name(self, index):
        return f"{self.kinds[index]}{index}"

    def text(self):
        words = {"t": "task", "p": "plain"}
        items = [f"{words[kind]} {kind}{index} " for index, kind in enumerate(self.kinds)]
        items = [item + block(body) for item, body in zip(items, self.bodies)]
        return " ".join(items + [f"thread {block(self.lane)}"])


def block(ops):
    return "{ " + "; ".join(op_text(op) for op in ops) + " }" if ops else "{ }"


def op_text(op):
    match op:
        case ("shielded", inner):
            return f"shielded {block(inner)}"
        case ("timeout", name, inner):
            return f"timeout {name} {block(inner)}"
        case ("catch", name, inner):
            return f"plain {name} {block(inner)}"
        case _:
            return " ".join(op)


def every_op(ops):
    for op in ops:
        yield op
        if isinstance(op[-1], list):
            yield from every_op(op[-1])


# What a body is made of: (weight, word, arguments to choose from).
SCOPES = [
    (7, "suspend", ()),
    (2, "yield", ()),
    (5, "enter", ()),
    (4, "exit", ()),
    (3, "shielded", ()),
    (1, "cancel", "task"),
    (3, "wait", ("w0",)),
    (2, "notify", ("w0",)),
    (1, "is_shielded", ()),
    (1, "cancelling", "task"),
    (1, "is_finished", "task"),
]
LOCKS = [
    (4, "suspend", ()),
    (2, "yield", ()),
    (8, "lock", ("l0", "r0", "r0")),
    (4, "unlock", ("l0", "r0")),
    (3, "try_lock", ("l0", "r0")),
    (2, "enter", ()),
    (2, "exit", ()),
    (2, "shielded", ()),
    (1, "cancel", "task"),
    (1, "is_locked", ("l0", "r0")),
]
UNCANCELS = [(2, "uncancel", "task")]
MOVES = [
    (6, "suspend", ()),
    (5, "enter", ()),
    (4, "exit", ()),
    (2, "lock", ("l0", "r0")),
    (3, "cancel", "task"),
    (9, "hand over", ("enter", "enter", "lock r0", "try_lock r0", "try_lock l0")),
    (6, "drop", ("s0", "s1")),
]
CATCHES = [(14, "catch", ())]


class Maker:
    """Makes programs up from a source of random numbers."""

    def __init__(self, random):
        self.random = random

    def body(self, menu, tasks, length, depth=1):
        ops, weights = [], [weight for weight, _, _ in menu]
        for _ in range(self.random.randint((length + 1) // 2, length)):
            _, word, arguments = self.random.choices(menu, weights)[0]
            if word in ("shielded", "catch"):
                if depth == 0:
                    continue
                inner = self.body(menu, tasks, 3, depth - 1)
                ops.append((word, inner) if word == "shielded" else (word, "", inner))
            elif word == "hand over":
                # What is opened or taken here is another's to close or release.
                ops += [tuple(self.random.choice(arguments).split()), ("put", self.random.choice(("s0", "s1")))]
            elif arguments == "task":
                ops.append((word, f"t{self.random.randrange(tasks)}"))
            else:
                ops.append((word, self.random.choice(arguments)) if arguments else (word,))
        return ops

    def program(self, menu, tasks=(1, 3), length=7, **options):
        count = self.random.randint(*tasks)
        bodies = [self.body(menu, count, length) for _ in range(count)]
        return self.fitting(Program(["t"] * count, bodies, **options))

    def fitting(self, program):
        """Cut down to what the model has room for, and with a name for every plain block."""
        plain = len(program.bodies)
        for index, body in enumerate(program.bodies):
            for at, op in enumerate(body):
                if op[0] == "catch":
                    body[at] = ("catch", f"p{plain}", op[2])
                    plain += 1
        bodies = program.bodies
        while nodes(bodies) > 14 or locals_of(bodies) > MAX_LOCALS or plain > 10:
            self.random.choice([body for body in bodies if body]).pop()
            plain = len(bodies) + sum(op[0] == "catch" for body in bodies for op in every_op(body))
        return program


def nodes(bodies):
    return sum(op[0] in ("lock", "wait", "join") for body in bodies for op in every_op(body))


def locals_of(bodies):
    return max(sum(op[0] in ("enter", "lock", "try_lock") for op in every_op(body)) for body in bodies)

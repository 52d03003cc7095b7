"""Pickles of arrays that are not what they say, and pickles that ask for much memory, time or depth in few bytes."""

from __future__ import annotations

import struct
from random import Random

from hostile_pickles import data, group, name, number, text

CORES = ("numpy.core", "numpy._core")


def dtype(kind: str, state: bytes | None = None) -> bytes:
    """A dtype, with a state of its own choice."""
    plain = group(number(3), text("<"), b"NNN", number(-1), number(-1), number(0))
    return name("numpy.dtype") + group(text(kind), b"\x89", b"\x88") + b"R" + (plain if state is None else state) + b"b"


def array(random: Random, shape: bytes, kind: bytes, content: bytes, order: bytes = b"\x89") -> bytes:
    """An array, in one of the ways that NumPy writes it."""
    core = random.choice(CORES)
    if random.random() < 0.3:
        return name(f"{core}.numeric._frombuffer") + group(content, kind, shape, text("C")) + b"R"
    made = name(f"{core}.multiarray._reconstruct") + group(name("numpy.ndarray"), group(b"K\0"), data(b"b")) + b"R"
    return made + group(number(1), shape, kind, order, content) + b"b"


def false_array(random: Random, _: str) -> bytes:
    """An array that is not what it says: pointers, other sizes, other lengths, other classes."""
    pointers = struct.pack("<4Q", *(random.getrandbits(47) for _ in range(4)))
    lying = [
        group(number(3), text("<"), b"NNN", number(size), number(align), number(flags))
        for size, align, flags in ((8, 8, 63), (1 << 30, 1, 0), (-1, -1, 1), (1, 1, 63), (0, 0, 0), (-8, 8, 0))
    ]
    fields = group(number(3), text("|"), b"N", group(text("a")), b"}", number(8), number(1), number(0))
    subarray = group(
        number(3), text("<"), group(dtype("f4"), group(number(1 << 40))), b"NN", number(4), number(4), b"K\0"
    )
    shape = group(number(4))
    core = random.choice(CORES)
    scalar = name(f"{core}.multiarray.scalar")
    ways = (
        array(
            random,
            shape,
            dtype(random.choice(("O8", "O", "|O", "V8", "M8", "m8", "V0", "P", "f16", "g"))),
            data(pointers),
        ),
        array(random, shape, dtype("f8", random.choice(lying)), data(pointers)),
        array(random, shape, dtype("O8", lying[0]), b"](NNNNe"),
        array(random, shape, dtype("f8", random.choice((fields, subarray))), data(pointers)),
        array(
            random, shape, dtype(f"{random.choice('SU')}{random.choice((0, 7, 1 << 28, 999999999))}"), data(pointers)
        ),
        array(random, group(number(random.choice((5, 3, 1 << 40, -4, 1 << 62)))), dtype("f8"), data(pointers)),
        array(random, group(number(1 << 31), number(1 << 31), number(4)), dtype("f8"), data(pointers)),
        array(random, group(*[number(1 << 62)] * 3, b"K\0"), dtype("f8"), data(b"")),
        array(random, group(*[b"K\1"] * random.choice((33, 65, 300))), dtype("f8"), data(pointers[:8])),
        array(
            random,
            random.choice((b"N", b"]", number(4), group(b"G" + bytes(8)), group(text("4")))),
            dtype("f8"),
            data(pointers),
        ),
        array(
            random, shape, random.choice((text("O"), b"N", name("numpy.dtype"), name("torch.float32"))), data(pointers)
        ),
        array(
            random,
            shape,
            dtype("f8"),
            random.choice((b"N", b"]", number(7), text("\u1234" * 32), group(data(pointers)))),
        ),
        array(random, group(number(32)), dtype("b1"), data(bytes(range(32)))),
        array(random, group(number(2)), dtype("U4"), data(b"\xff" * 32)),
        name(f"{core}.multiarray._reconstruct")
        + group(name("numpy.ndarray"), group(number(1 << 40)), data(b"f"))
        + b"R",
        name(f"{core}.multiarray._reconstruct")
        + group(name("collections.OrderedDict"), group(b"K\0"), data(b"b"))
        + b"R",
        scalar + group(dtype("f8"), data(pointers[: random.choice((0, 1, 7, 9))])) + b"R",
        scalar + group(dtype("O8"), data(pointers[:8])) + b"R",
        scalar + group(random.choice((b"N", text("f8"), name("numpy.dtype"))), data(pointers[:8])) + b"R",
        dtype("f8", random.choice((b"N", b")", group(number(3)), group(*[b"]"] * 8), group(*[number(1)] * 8)))),
    )
    return random.choice(ways)


def bomb(random: Random, _: str) -> bytes:
    """Asks for much memory, much time or much depth in few bytes."""
    many = random.choice((20_000, 200_000))
    size = random.choice((1 << 31, 1 << 40, (1 << 63) - 1, (1 << 64) - 1))
    laughs = b"(" + text("ha") * 10 + b"lq\0" + b"".join(
        b"(" + b"h" + bytes([n]) * 1 + (b"h" + bytes([n])) * 9 + b"lq" + bytes([n + 1]) for n in range(60)
    )  # fmt: skip
    block = data(bytes(1 << 18)) + b"q\0" + b"0"
    again = array(Random(random.getrandbits(32)), group(number(1 << 18)), dtype("u1"), b"h\0")
    core = random.choice(CORES)
    ways = (
        random.choice((b"\x8e", b"\x96", b"\x8d")) + struct.pack("<Q", size) + b"abc",
        random.choice((b"B", b"X", b"T", b"\x8b")) + struct.pack("<I", 0x7FFFFFFF) + b"abc",
        b"\x95" + struct.pack("<Q", size) + b"N",
        b"Nr\xff\xff\xff\xff",
        b"Np" + str(1 << 62).encode() + b"\n",
        random.choice((b"I", b"L")) + b"9" * many + b"\n",
        b"\x8b" + struct.pack("<I", many) + b"\x7f" * many,
        b")" + b"\x85" * many,
        b"}" + b")" + b"\x85" * many + b"Ns",
        b"\x8f(" + b")" + b"\x85" * many + b"\x90",
        b"]" * many + b"a" * (many - 1),
        (b"}" + text("a")) * many + b"N" + b"s" * many,
        (b"(" * many) + (b"l" * many),
        (name("collections.OrderedDict") + b")R}" + text("_metadata")) * 5000 + b"}" + b"sb" * 5000,
        laughs,
        b"](" + laughs + b"e",
        b"]q\0h\0a",
        b"}q\0" + text("a") + b"h\0s",
        name("collections.OrderedDict") + b")Rq\0}" + text("_metadata") + b"h\0sb",
        b"(" + block + again * 4000 + b"l",
        b"(" + block + (name("builtins.bytearray") + b"h\0\x85R") * 8000 + b"l",
        b"("
        + text("x" * (1 << 18))
        + b"q\0"
        + (name("_codecs.encode") + b"h\0" + text("latin1") + b"\x86R") * 8000
        + b"l",
        b"(("
        + b"".join(b"M" + struct.pack("<H", n) for n in range(60_000))
        + b"lq\0"
        + (name("builtins.set") + b"h\0\x85R") * 2000
        + b"l",
        b"(" + random.choice((b"\x8f", b"}", b"]")) * 1_000_000 + b"l",
        b"(" + (name("collections.OrderedDict") + b")R") * 100_000 + b"l",
        b"}(" + b"".join(number(n * ((1 << 61) - 1)) + b"N" for n in range(many // 10)) + b"u",
        b"}(" + b"".join(group(number(n), number(-n)) + b"N" for n in range(many // 10)) + b"u",
        b"}(" + (b"(" + b"N" * many + b"tq\0N" + b"h\0N" * 20_000) + b"u",
        b"(" + b"N" * many + b"t" + b"q\0" * many,
        name(f"{core}.numeric._frombuffer")
        + group(b"\x96" + struct.pack("<Q", size), dtype("f4"), group(number(9)), text("C"))
        + b"R",
        b"0" * many,
        b"2" * 5,
        b"h\7",
        b"(((",
        b"e",
        b"s",
        b"R",
        b"b",
        b"\x93",
        b"N" * many,
    )
    return random.choice(ways)

"""Files of torch.save that do harm: tensors outside their storage, archives that lie about their members."""

from __future__ import annotations

import io
import pickle
import struct
import warnings
import zipfile
from random import Random

from checkpoint_values import to_torch
from hostile_pickles import group, name, number, text, whole

NBYTES = 64  # of the one storage in these files
HOOKS = name("collections.OrderedDict") + b")R"


def write_archive(members: list[tuple[str, bytes]]) -> bytes:
    """An archive of members, which may have the same name."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore")
        for member, content in members:
            archive.writestr(member, content)
    return buffer.getvalue()


def zipped(pickled: bytes, storage: bytes = bytes(NBYTES), **options: bytes) -> bytes:
    """An archive of a pickle and one storage."""
    members = {"data.pkl": pickled, "byteorder": b"little", "data/0": storage, "version": b"3\n"} | options
    return write_archive([(f"archive/{member}", content) for member, content in members.items()])


def legacy(pickled: bytes, storage: bytes = bytes(NBYTES), keys: bytes = b"", count: int | None = None) -> bytes:
    """The older format, with one storage of float32."""
    heads = to_torch({}, legacy=True)
    stream = io.BytesIO(heads)
    for _ in range(3):
        pickle.load(stream)
    keys = keys or pickle.dumps(["0"], 2)
    count = len(storage) // 4 if count is None else count
    return heads[: stream.tell()] + pickled + keys + struct.pack("<q", count) + storage


def identity(
    kind: bytes = name("torch.FloatStorage"),
    key: bytes = text("0"),
    location: bytes = text("cpu"),
    count: bytes = number(NBYTES // 4),
    what: bytes = text("storage"),
) -> list[bytes]:
    """What a pickle says about a storage."""
    return [what, kind, key, location, count]


def tensor(parts: list[bytes], older: bool, offset: bytes, size: bytes, stride: bytes, *rest: bytes) -> bytes:
    """A tensor of a storage."""
    storage = group(*parts, *([b"N"] if older else [])) + b"Q"
    rest = rest or (b"\x89", HOOKS)
    return name("torch._utils._rebuild_tensor_v2") + group(storage, offset, size, stride, *rest) + b"R"


def false_tensor(random: Random, older: bool) -> bytes:
    """A tensor that is not inside its storage, or a storage that is not in the file."""
    big = random.choice((17, 1 << 28, 1 << 40, 1 << 61, (1 << 63) - 1, 1 << 70))
    one, four, sixteen = group(b"K\1"), group(b"K\4"), group(b"K\x10")
    kinds = "torch.DoubleStorage torch.QInt8Storage torch.float32 torch.FloatTensor os.system"
    ok, ok_layout = identity(), (b"K\0", sixteen, one)
    repeated = b"(" + tensor(ok, older, *ok_layout) + b"q\0" + (
        name("torch._utils._rebuild_tensor_v2") + b"(" + group(*ok, *([b"N"] if older else [])) + b"QK\0"
        + group(number(1 << 22)) + group(b"K\0") + b"\x89" + HOOKS + b"tR"
    ) * 200 + b"l"  # fmt: skip
    untyped = identity(kind=name("torch.storage.UntypedStorage"), count=number(NBYTES))
    view_of_dtype = name("torch._utils._rebuild_tensor_v3") + group(
        group(*untyped, *([b"N"] if older else [])) + b"Q",
        b"K\0", group(number(random.choice((9, 64, 65)))), one, b"\x89", HOOKS,
        name(random.choice(("torch.float64", "torch.bool", "torch.qint8", "torch.quint4x2", "torch.complex128"))),
    ) + b"R"  # fmt: skip
    ways = (
        tensor(identity(count=number(big)), older, b"K\0", group(number(big)), one),
        tensor(ok, older, b"K\0", group(number(big)), one),
        tensor(ok, older, number(big), four, one),
        tensor(ok, older, b"K\0", four, group(number(big))),
        tensor(ok, older, b"K\0", group(number(max(big, 1 << 28))), group(b"K\0")),
        tensor(ok, older, b"K\0", group(*[number(1 << 32)] * 2), group(b"K\0", b"K\0")),
        tensor(ok, older, number(-1), four, one),
        tensor(ok, older, b"K\3", group(number(-4)), group(number(-1))),
        tensor(ok, older, b"K\x0f", four, group(number(-1))),
        tensor(ok, older, b"K\0", four, group(b"K\1", b"K\1")),
        tensor(ok, older, b"K\0", random.choice((b"N", b"]", text("a"), four + b"0N")), one),
        tensor(identity(kind=name(random.choice(kinds.split()))), older, *ok_layout),
        tensor(
            identity(key=random.choice((text("1"), text("../data.pkl"), text("0\0"), number(0), b"N", b"]"))),
            older,
            *ok_layout,
        ),
        tensor(
            identity(location=text(random.choice(("cpu\n", "/etc/passwd", "x:" * 999, "cuda:", "")))), older, *ok_layout
        ),
        tensor(
            identity(count=random.choice((number(15), number(0), number(-16), text("16"), b"\x88"))), older, *ok_layout
        ),
        tensor(identity(what=text(random.choice(("module", "file", "")))), older, *ok_layout),
        tensor(ok, older, *ok_layout, random.choice((b"N", number(1), b"]")), HOOKS),
        tensor(ok, older, *ok_layout, b"\x89", b"}" + text("a") + b"]s"),
        tensor(ok, older, *ok_layout, b"\x89", HOOKS + b"(" + text("a") + b"Nu"),
        tensor(ok, older, *ok_layout, b"\x89", HOOKS, b"}" + text("conj") + b"\x88s"),
        tensor(ok, older, *ok_layout) + b"}" + text("requires_grad") + b"\x88sb",
        tensor(ok, older, *ok_layout) + b"(" + text("a") + b"\x90",
        tensor(ok, older, *ok_layout) + b"(K\0K\1u",
        name("torch._utils._rebuild_parameter") + group(random.choice((b"N", HOOKS, number(1))), b"\x88", HOOKS) + b"R",
        name("torch._utils._rebuild_tensor")
        + group(random.choice((b"N", name("torch.FloatStorage"))), *ok_layout)
        + b"R",
        name("torch.Size")
        + group(random.choice((four + b"0" + group(number(-1)), b"]", group(*[b"K\1"] * 70))))
        + b"R",
        name("torch.device") + group(text(random.choice(("cpu:0", "nowhere", "meta\0"))), number(1 << 40)) + b"R",
        group(*ok) + b"Q",
        b"NQ",
        group(text("storage")) + b"Q",
        number(7) + b"Q",
        repeated,
        view_of_dtype,
    )
    return whole(random.choice(ways), 2)


def false_archive(random: Random) -> bytes:
    """An archive whose directory does not describe its members, or describes others than torch.save's."""
    good = whole(tensor(identity(), False, b"K\0", group(b"K\x10"), group(b"K\1")), 2)
    buffer = io.BytesIO()
    way = random.randrange(11)
    if way == 0:  # compressed: 1000 times the memory of the file
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data.pkl", random.choice((good, b"\x80\2" + b"N" * (64 << 20) + b".")))
            archive.writestr("archive/data/0", bytes(32 << 20))
        return buffer.getvalue()
    if way == 1:  # twice the same name
        names = ("data.pkl", "data/0", random.choice(("data.pkl", "data/0")))
        return write_archive([(f"archive/{member}", good if "pkl" in member else bytes(NBYTES)) for member in names])
    if way == 2:
        return zipped(good, bytes(NBYTES + random.choice((-1, 1, -NBYTES, 1000))))
    if way == 3:
        names = random.sample(("a/data.pkl", "b/data.pkl", "data.pkl", "a/b/data.pkl", "a/data/0"), 3)
        return write_archive([(member, good) for member in names])
    if way == 4:
        return zipped(good, **{random.choice(("constants.pkl", "code/x.py")): b"", "constants.pkl": b""})
    whole_file = bytearray(zipped(good))
    entries = [at for at in range(len(whole_file) - 4) if whole_file[at : at + 4] == b"PK\1\2"]
    entry, end = random.choice(entries), whole_file.rindex(b"PK\5\6")
    lie = random.choice((0, 1, 255, NBYTES + 1, 1 << 20, 0x7FFFFFFF, 0xFFFFFFFF))
    if way == 5:  # both sizes
        struct.pack_into("<II", whole_file, entry + 20, lie, lie)
    elif way == 6:  # one of them
        struct.pack_into("<I", whole_file, entry + random.choice((20, 24)), lie)
    elif way == 7:  # where it begins: at another member
        other = struct.unpack_from("<I", whole_file, random.choice(entries) + 42)[0]
        struct.pack_into("<I", whole_file, entry + 42, random.choice((other, other + 1, lie)))
    elif way == 8:  # flags and method
        struct.pack_into(
            "<HH", whole_file, entry + 8, random.choice((0, 1, 9, 0x41)), random.choice((0, 8, 12, 14, 99))
        )
    elif way == 9:  # the end of the directory
        struct.pack_into("<I", whole_file, end + random.choice((8, 12, 16)), lie)
    else:  # the names' lengths, there and before the member
        struct.pack_into("<H", whole_file, random.choice((entry + 28, 26, 28)), lie & 0xFFFF)
    return bytes(whole_file)


def false_end(random: Random) -> bytes:
    """An older file whose storages are not what its pickle says."""
    good = whole(tensor(identity(), True, b"K\0", group(b"K\x10"), group(b"K\1")), 2)
    keys = random.choice(([], ["0", "0"], ["1"], ["0", "1"], [0], "0", None, {"0": 1}))
    count = random.choice((0, 15, 17, -1, 1 << 40, (1 << 63) - 1))
    return random.choice(
        (
            legacy(good, keys=pickle.dumps(keys, 2)),
            legacy(good, count=count),
            legacy(good, bytes(random.choice((0, 4, 63)))),
            legacy(whole(tensor(identity(count=number(1 << 33)), True, b"K\0", group(b"K\4"), group(b"K\1")), 2)),
            legacy(good, keys=whole(name("os.system") + group(text("true")) + b"R", 2)),
        )
    )

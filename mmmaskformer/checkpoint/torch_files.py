"""Files of ``torch.save``, the zip archives as well as the older format, read without running them."""

from __future__ import annotations

import os
import re
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from io import BytesIO
from typing import Any, BinaryIO, NamedTuple

import torch
from torch.serialization import default_restore_location

from mmmaskformer.errors import UserError

from .pickled_arrays import ARRAYS
from .pickled_logs import LOGS
from .pickled_tensors import TENSORS, Storage, StorageKind, is_size
from .plain import PLAIN, Budget, Refused, printable
from .unpickling import BoundedFile, PlainUnpickler

NAMES = {**ARRAYS, **TENSORS, **LOGS}
MAGIC = 0x1950A86A20F9469CFC6C  # what torch wrote first before it wrote zips
LEGACY = re.compile(rb"\x80[\x02-\x05](\x95.{8})?\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19", re.DOTALL)  # a pickle of it
BEGINNING = 32  # bytes of a file that tell its format
LEGACY_PROTOCOL = 1001
LOCAL_HEADER = struct.Struct("<4s22xHH")
ENCRYPTED = 1
SMALL = 64  # bytes of a member that tells whether the archive has sums
MapLocation = str | torch.device | Mapping[str, str] | Callable[[Any, str], Any] | None


class _Member(NamedTuple):
    """Where a member of an archive begins in the file, its bytes, and their CRC-32."""

    start: int
    length: int
    crc: int


NO_MEMBER = _Member(0, -1, 0)


class Damaged(Exception):
    """The file is not what was saved."""


class _TorchScript(Exception):
    """The archive is a program, not a checkpoint."""


def is_torch_file(start: bytes) -> bool:
    """Whether a file that begins like this was written by ``torch.save``."""
    return start[:2] == b"PK" or LEGACY.match(start) is not None


def load_torch(file: str | os.PathLike | BinaryIO, map_location: MapLocation = None) -> Any:
    """Load what ``torch.load`` loads, for files of plain data.

    Args:
        file: a path, or an open file.
        map_location: as for ``torch.load``: where the tensors go; by default to the devices that they were saved from.

    Raises:
        UserError: the file holds anything but plain data, is damaged, or a device is missing.
    """
    name = file if isinstance(file, str | os.PathLike) else getattr(file, "name", "a checkpoint in memory")
    try:
        with ExitStack() as stack:
            opened = stack.enter_context(open(file, "rb")) if isinstance(file, str | os.PathLike) else file
            size = opened.seek(0, os.SEEK_END)
            opened.seek(0)
            zipped = opened.read(2) == b"PK"
            opened.seek(0)
            return (_load_zip if zipped else _load_legacy)(opened, size, _mover(map_location))
    except _TorchScript as error:
        raise UserError(f"{name} is a TorchScript program: convert the checkpoint that it was made from") from error
    except Damaged as error:
        raise UserError(f"checkpoint {name} is damaged: {error}; use another copy or an earlier checkpoint") from error
    except Refused as error:
        raise UserError(f"{name} is refused: {error}, and {PLAIN}") from error
    except (MemoryError, UserError):
        raise
    except Exception as error:  # a damaged file can make the readers raise anything
        reason = printable(str(error).strip().partition(". ")[0] or type(error).__name__)
        raise UserError(f"checkpoint {name} cannot be read, is the file whole? {reason}") from error


def _load_zip(file: BinaryIO, size: int, move: Callable) -> Any:
    prefix, members = _members(file)

    def read(name: str) -> bytes:
        member = members[name]
        file.seek(member.start)
        return file.read(member.length)

    # Without sums, as after torch.serialization.set_crc32_options(False), those of all members are wrong.
    small = [name for name, member in members.items() if member.length <= SMALL]
    has_sums = any(zlib.crc32(read(name)) == members[name].crc for name in small)

    def check_sum(name: str, content: bytes | memoryview) -> None:
        if has_sums and zlib.crc32(content) != members[name].crc:
            raise Damaged(f"its member {printable(name)} is not what was saved")

    def checked(name: str) -> bytes:
        content = read(name)
        check_sum(name, content)
        return content

    byte_order = f"{prefix}/byteorder"
    swapped = byte_order in members and checked(byte_order) != sys.byteorder.encode()

    storages: dict[str, Storage] = {}

    def storage(identity: Any) -> Storage:
        kind, key, location, nbytes = _parse_identity(identity)
        name = f"{prefix}/data/{key}"
        member = members.get(name, NO_MEMBER)
        if member.length != nbytes:
            raise Refused(f"its storage {printable(key)} of {nbytes} bytes has {max(member.length, 0)} in the file")
        if key not in storages:
            untyped = torch.UntypedStorage(nbytes, device="cpu")
            file.seek(member.start)
            check_sum(name, _fill(file, untyped, kind.dtype))
            if swapped:
                untyped.byteswap(kind.dtype)
            storages[key] = Storage(move(untyped, location), kind.dtype)
        elif storages[key].dtype != kind.dtype:
            raise Refused(f"its storage {printable(key)} has two dtypes")
        return storages[key]

    return PlainUnpickler(BytesIO(checked(f"{prefix}/data.pkl")), NAMES, Budget(size), storage).load()


def _members(file: BinaryIO) -> tuple[str, dict[str, _Member]]:
    """Return the folder in the archive, and its members.

    Raises:
        Refused: members are compressed, lie outside the file or over one another, or have the same name.
        _TorchScript: it is a program.
    """
    members: dict[str, _Member] = {}
    end = 0
    with zipfile.ZipFile(file) as archive:
        if any(re.fullmatch(r"[^/]+/constants\.pkl", name) for name in archive.namelist()):
            raise _TorchScript
        for member in sorted(archive.infolist(), key=lambda member: member.header_offset):
            what = f"its member {printable(member.filename)}"
            if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & ENCRYPTED:
                raise Refused(f"{what} is compressed or encrypted, which torch.save does not do")
            file.seek(member.header_offset)
            signature, name_length, extra_length = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
            start = member.header_offset + LOCAL_HEADER.size + name_length + extra_length
            if member.header_offset < end or signature != b"PK\3\4" or member.file_size != member.compress_size:
                raise Refused(f"{what} lies over another one, or its sizes differ")
            if member.filename in members:
                raise Refused(f"{what} is there twice")
            end = start + member.file_size
            members[member.filename] = _Member(start, member.file_size, member.CRC)
        if end > archive.start_dir:
            raise Refused("its members reach over their end")
    found = [name.removesuffix("/data.pkl") for name in members if re.fullmatch(r"[^/]+/data\.pkl", name)]
    if len(found) != 1:
        raise Refused("it is a zip archive, but not one of torch.save")
    return found[0], members


def _load_legacy(file: BinaryIO, size: int, move: Callable) -> Any:
    stream, budget = BoundedFile(file, size), Budget(size)
    if PlainUnpickler(stream, {}, budget).load() != MAGIC:
        raise Refused("it was not written by torch.save")
    if PlainUnpickler(stream, {}, budget).load() != LEGACY_PROTOCOL:
        raise Refused("it is of an unknown version of torch.save")
    machine = PlainUnpickler(stream, {}, budget).load()
    if type(machine) is not dict or machine.get("little_endian") is not (sys.byteorder == "little"):
        raise Refused("it was written on a machine with another byte order")
    storages: dict[str, tuple[torch.UntypedStorage, Storage]] = {}
    claimed = 0

    def storage(identity: Any) -> Storage:
        if type(identity) is tuple and len(identity) == 6 and identity[5] is None:  # a view: never since PyTorch 0.4
            identity = identity[:5]
        kind, key, location, nbytes = _parse_identity(identity)
        nonlocal claimed
        if key not in storages:
            claimed += nbytes
            if claimed > stream.left:
                raise Refused(f"its storages are larger than the file, up to storage {printable(key)}")
            budget.charge(1024)
            untyped = torch.UntypedStorage(nbytes, device="cpu")
            storages[key] = untyped, Storage(move(untyped, location), kind.dtype)
        elif storages[key][1].dtype != kind.dtype or storages[key][0].nbytes() != nbytes:
            raise Refused(f"its storage {printable(key)} has two dtypes or sizes")
        return storages[key][1]

    content = PlainUnpickler(stream, NAMES, budget, storage).load()
    keys = PlainUnpickler(stream, {}, budget).load()
    if type(keys) is not list or sorted(keys) != sorted(storages):
        raise Refused("it lists other storages than its tensors have")
    for key in keys:
        untyped, stored = storages[key]
        (count,) = struct.unpack("<q", file.read(8))
        if count * stored.dtype.itemsize != untyped.nbytes():
            raise Refused(f"its storage {printable(key)} has another size than its tensors say")
        _fill(file, untyped, stored.dtype)
        if stored.untyped is not untyped and stored.untyped.device.type != "meta":
            stored.untyped.copy_(untyped)
    return content


def _parse_identity(identity: Any) -> tuple[StorageKind, str, str, int]:
    """Return what a pickle says about a storage: kind, key, device, and how many bytes it has."""
    if type(identity) is not tuple or len(identity) != 5 or identity[0] != "storage":
        raise Refused("it asks for something else than storages, such as the modules of a network")
    _, kind, key, location, count = identity
    if not isinstance(kind, StorageKind) or type(key) is not str or not is_size(count):
        raise Refused("it describes a storage in another way than torch.save")
    if type(location) is not str or not re.fullmatch(r"[a-z]+(:\d{1,4})?", location):
        raise Refused(f"it has a storage on {printable(location)}, which is no device")
    return kind, key, location, count * kind.dtype.itemsize


def _fill(file: BinaryIO, untyped: torch.UntypedStorage, dtype: torch.dtype) -> memoryview:
    """Read a storage from the file's position; the result is its bytes."""
    view = torch.empty(0, dtype=torch.uint8, device="cpu").set_(untyped).numpy()
    rest = memoryview(view)
    while rest:
        count = file.readinto(rest)
        if not count:
            raise EOFError("it ends within a tensor")
        rest = rest[count:]
    if dtype is torch.bool and view.size and view.max() > 1:
        raise Refused("it holds a boolean that is neither 0 nor 1")
    return memoryview(view)


def _mover(map_location: MapLocation) -> Callable[[Any, str], Any]:
    """Return what brings a storage to its device, in ``torch.load``'s four ways to say so."""

    def move(storage: torch.UntypedStorage, location: str) -> Any:
        if isinstance(map_location, Mapping):
            location = map_location.get(location, location)
        elif isinstance(map_location, str | torch.device):
            location = str(map_location)
        elif map_location is not None and (moved := map_location(storage, location)) is not None:
            return moved
        try:
            return default_restore_location(storage, location)
        except RuntimeError as error:
            reason = str(error).partition(". ")[0]
            raise UserError(f"a tensor was saved from {location}: {reason}; say map_location='cpu'") from error

    return move

"""Pickles that ask for calls and attributes, and the parts that hostile pickles are made of."""

from __future__ import annotations

import struct
from random import Random

_NAMES = """
os.system posix.system nt.system subprocess.check_call subprocess.Popen builtins.eval builtins.exec
builtins.__import__ builtins.open builtins.print builtins.getattr builtins.setattr builtins.globals builtins.map
builtins.type builtins.object builtins.list builtins.range builtins.memoryview builtins.compile __builtin__.eval
__builtin__.getattr io.open io.FileIO pickle.loads pickle._loads marshal.loads shelve.open types.FunctionType
types.CodeType functools.partial functools.reduce operator.attrgetter operator.methodcaller copyreg._reconstructor
copyreg.__newobj__ importlib.import_module runpy.run_path code.interact pdb.run timeit.timeit webbrowser.open
collections.namedtuple collections.defaultdict collections.OrderedDict.__init__ argparse.ArgumentParser numpy.load
numpy.fromfile numpy.memmap numpy.save numpy.frombuffer numpy.empty numpy.zeros numpy.matrix numpy.recarray
numpy.record numpy.ma.core._mareconstruct numpy.core.multiarray.fromstring numpy._core.multiarray.frombuffer
numpy.core.multiarray.empty numpy.core.records.recarray numpy.random._pickle numpy.lib.stride_tricks.as_strided
numpy.ctypeslib.as_array numpy.testing._private.utils.runstring torch.load torch.save torch.hub.load torch.jit.load
torch.empty torch.zeros torch.Tensor torch.FloatTensor torch.as_strided torch.storage._load_from_bytes
torch.storage.TypedStorage torch.UntypedStorage torch.QInt8Storage torch.quint8 torch.serialization._get_layout
torch.nn.parameter.Parameter torch.nn.modules.linear.Linear torch._utils._rebuild_sparse_tensor
torch._utils._rebuild_qtensor torch._utils._rebuild_nested_tensor torch._utils._rebuild_wrapper_subclass
torch._tensor._rebuild_from_type_v2 torch._utils._rebuild_meta_tensor_no_storage
torch._utils._rebuild_device_tensor_from_numpy torch._utils._rebuild_device_tensor_from_cpu_tensor
torch._utils._rebuild_parameter_with_state torch._utils._set_obj_state torch.utils.cpp_extension.load_inline
torch.distributed.rpc.rpc_sync mmengine.config.config.Config.fromfile mmengine.config.config.Config
mmengine.registry.MODELS.build mmengine.fileio.load mmengine.logging.history_buffer.np.load
mmmaskformer.checkpoint.pickles.load_pickle mmmaskformer.checkpoint.pickled_arrays.make_array
"""
CALLS = _NAMES.split()


def text(value: str) -> bytes:
    """A text, as BINUNICODE."""
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    """An integer, as LONG1."""
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def data(value: bytes) -> bytes:
    """Bytes, as BINBYTES."""
    return b"B" + struct.pack("<I", len(value)) + value


def group(*values: bytes) -> bytes:
    """A tuple."""
    return b"(" + b"".join(values) + b"t"


def name(dotted: str, random: Random | None = None) -> bytes:
    """A name, in one of the ways to ask for it."""
    module, _, last = dotted.rpartition(".")
    if random is not None and random.random() < 0.5:
        return text(module) + text(last) + b"\x93"
    return f"c{module}\n{last}\n".encode()


def whole(body: bytes, protocol: int = 4) -> bytes:
    """A pickle of a dict with a body as the value of "model"."""
    return b"\x80" + bytes([protocol]) + b"}" + text("model") + body + b"s."


def call(random: Random, canary: str) -> bytes:
    """Asks for a function that does harm, in one of the ways to call it."""
    dotted = random.choice(CALLS)
    command = f"touch {canary}" if "system" in dotted or "call" in dotted else f"open({canary!r}, 'w')"
    arguments = random.choice((group(text(command)), group(text(canary), text("w")), b")", group(number(1 << 40))))
    module, _, last = dotted.rpartition(".")
    spelled = name(dotted, random)
    ways = (
        spelled + arguments + b"R",
        spelled + arguments + b"\x81",
        spelled + arguments + b"}\x92",
        b"(" + text(command) + f"i{module}\n{last}\n".encode(),
        b"(" + spelled + text(command) + b"o",
        name("collections.OrderedDict") + b")R" + spelled + b"b",
        name("numpy.dtype") + group(spelled, b"\x89", b"\x88") + b"R",
        name("builtins.getattr") + group(spelled, text("__call__")) + b"R",
        name("collections.OrderedDict") + group(b"]", spelled) + b"R",
        spelled,
    )
    return random.choice(ways)


def attributes(random: Random, _: str) -> bytes:
    """Sets attributes of what the reader hands out, or puts values into it."""
    targets = "numpy.ndarray numpy.dtype collections.OrderedDict torch.float32 torch.FloatStorage builtins.set"
    targets += " torch._utils._rebuild_tensor_v2 _codecs.encode mmengine.logging.history_buffer.HistoryBuffer"
    target = random.choice((*map(name, targets.split()), name("collections.OrderedDict") + b")R", b"]", b"}", b")"))
    state = b"}" + text(random.choice(("make", "__class__", "items", "__dict__", "_metadata", "name"))) + b"]s"
    return random.choice(
        (
            target + state + b"b",
            target + b"N" + state + b"\x86b",
            target + b"]" + text("x") + b"aa",
            target + b"(" + text("x") + text("y") + b"u",
            target + b"(" + text("x") + b"\x90",
            target + b"Q",
            b"P7\n",
            random.choice((b"\x82\x01", b"\x83\x01\x00", b"\x84\x01\x00\x00\x00", b"\x97", b"]\x98")),
        )
    )

"""Files of torch.save are read as torch.load reads them, but for what lies about itself."""

import io
import pickle
import struct
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.runner import save_checkpoint

from mmmaskformer.checkpoint.torch_files import load_torch
from mmmaskformer.errors import UserError

FORMATS = ("zip", "legacy")
TENSORS = {
    "whole": torch.arange(6.0).view(2, 3),
    "part": torch.arange(6)[2:4],
    "turned": torch.arange(6, dtype=torch.int16).view(2, 3).T,
    "expanded": torch.ones(1).expand(150),
    "empty": torch.zeros(0, 3, dtype=torch.bool),
    "scalar": torch.tensor(2, dtype=torch.bfloat16),
    "mask": torch.tensor([True, False]),
    "complex": torch.tensor([1 + 2j]),
    "eight bits": torch.ones(3).to(torch.float8_e4m3fn),
    "unsigned": torch.tensor([1, 65535], dtype=torch.uint16),
    "gradient": torch.ones(2, requires_grad=True),
    "parameter": torch.nn.Parameter(torch.ones(2)),
    "frozen": torch.nn.Parameter(torch.ones(2), requires_grad=False),
}


def saved(folder: Path, content: object, kind: str = "zip", **options) -> Path:
    path = folder / "model.pth"
    torch.save(content, path, _use_new_zipfile_serialization=kind == "zip", **options)
    return path


def rebuilt(function, *arguments) -> object:
    """What a file says: a tensor is made by this function of that."""

    class Tensor:
        def __reduce__(self):
            return function, arguments

    return Tensor()


class Storage:
    """A storage that the file may describe as it likes."""

    def __init__(self, *identity) -> None:
        self.identity = identity


def crafted(folder: Path, content: object, kind: str, storage: bytes = bytes(64)) -> Path:
    """A file with one storage and a pickle that describes it with :class:`Storage`."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            return value.identity + (None,) * (kind == "legacy") if isinstance(value, Storage) else None

    pickled = io.BytesIO()
    Pickler(pickled, protocol=2).dump(content)
    path = folder / "model.pth"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in (("data.pkl", pickled.getvalue()), ("data/0", storage), ("version", b"3\n")):
                archive.writestr(f"archive/{name}", data)
        return path
    saved(folder, {}, "legacy")
    with open(path, "rb") as file:
        for _ in range(3):
            pickle.load(file)
        heads = path.read_bytes()[: file.tell()]
    path.write_bytes(
        heads + pickled.getvalue() + pickle.dumps(["0"], 2) + struct.pack("<q", len(storage) // 4) + storage
    )
    return path


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("kind", FORMATS)
def test_tensors_come_back_as_torch_loads_them(kind: str, protocol: int, tmp_path: Path) -> None:
    tied = torch.rand(4)
    tied = torch.rand(4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the protocol
        path = saved(tmp_path, {**TENSORS, "tied": [tied, tied[1:]]}, kind, pickle_protocol=protocol)
    found = load_torch(path)
    for name, tensor in TENSORS.items():
        read = found[name]
        assert (type(read), read.dtype, read.shape) == (type(tensor), tensor.dtype, tensor.shape)
        assert (read.stride(), read.requires_grad) == (tensor.stride(), tensor.requires_grad)
        assert read.tolist() == tensor.tolist()
    found["tied"][0][1] = 7
    assert found["tied"][1][0] == 7


@pytest.mark.parametrize("kind", FORMATS)
def test_what_mmengine_saves_comes_back(kind: str, tmp_path: Path) -> None:
    hub = MessageHub.get_instance(f"test_torch_files_{kind}")
    for value in (1.0, 0.5):
        hub.update_scalar("train/loss", value)
    hub.update_scalar("train/lr", np.float32(0.25))
    infos = {"float": np.float64(0.1), "int": np.int64(7), "flag": np.bool_(True), "array": np.arange(3)}
    for name, value in infos.items():
        hub.update_info(name, value)
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(4, 2)).sum().backward()
    optimizer.step()
    content = {
        "meta": {"dataset_meta": ConfigDict(classes=("a", "b"), palette=[[1, 2, 3]], map=dict(a=1)), "epoch": 0},
        "state_dict": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "message_hub": hub.state_dict(),
        "others": [torch.Size([1, 2]), torch.float16, torch.device("cuda", 1), np.dtype(">f4")],
    }
    path = tmp_path / "iter_1.pth"
    save_checkpoint(content, str(path)) if kind == "zip" else saved(tmp_path, content, kind).rename(path)

    found = load_torch(path)

    assert found["meta"] == {"dataset_meta": dict(classes=("a", "b"), palette=[[1, 2, 3]], map={"a": 1}), "epoch": 0}
    assert type(found["state_dict"]) is OrderedDict
    assert found["state_dict"]._metadata == content["state_dict"]._metadata
    assert all(torch.equal(found["state_dict"][key], value) for key, value in content["state_dict"].items())
    assert found["optimizer"]["param_groups"] == content["optimizer"]["param_groups"]
    assert torch.equal(found["optimizer"]["state"][0]["exp_avg"], content["optimizer"]["state"][0]["exp_avg"])
    loss = found["message_hub"]["log_scalars"]["train/loss"]
    assert type(loss) is HistoryBuffer and loss.data[0].tolist() == [1.0, 0.5] and loss.statistics("mean") == 0.75
    loss.update(3.0)
    for name, value in infos.items():
        assert np.array_equal(found["message_hub"]["runtime_info"][name], value)
    assert found["others"] == content["others"]


def test_an_archive_of_the_other_byte_order_is_turned(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    torch.save({"a": torch.tensor([1, 256], dtype=torch.int16)}, path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (members | {"model/byteorder": b"big", "model/data/0": b"\0\1\1\0"}).items():
            archive.writestr(name, data)
    assert load_torch(path)["a"].tolist() == [1, 256]


def test_map_location_is_that_of_torch_load(tmp_path: Path) -> None:
    path = saved(tmp_path, {"a": torch.ones(2)})
    seen = []
    for where in (
        "cpu",
        torch.device("cpu"),
        {"cpu": "cpu"},
        {"cuda:0": "cpu"},
        None,
        lambda storage, tag: seen.append(tag),
    ):
        assert load_torch(path, where)["a"].device.type == "cpu"
    assert seen == ["cpu"]
    for where in ("meta", torch.device("meta"), {"cpu": "meta"}):
        assert load_torch(path, where)["a"].device.type == "meta"
    with torch.device("meta"):  # where new tensors go has no say
        assert load_torch(path)["a"].tolist() == [1, 1]
    twice = load_torch(path, lambda storage, _: storage.clone().fill_(0))
    assert twice["a"].tolist() == [0, 0]
    with open(path, "rb") as file:
        assert load_torch(io.BytesIO(file.read()))["a"].tolist() == [1, 1]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("kind", FORMATS)
def test_a_tensor_of_a_device_that_is_missing_says_what_to_do(kind: str, tmp_path: Path) -> None:
    storage = Storage("storage", torch.FloatStorage, "0", "cuda:0", 16)
    tensor = rebuilt(torch._utils._rebuild_tensor_v2, storage, 0, (4,), (1,), False, OrderedDict())
    path = crafted(tmp_path, {"a": tensor}, kind)
    with pytest.raises(UserError, match=r"saved from cuda:0: .*CUDA.*map_location='cpu'"):
        load_torch(path)
    assert load_torch(path, "cpu")["a"].shape == (4,)


@pytest.mark.parametrize(
    ("storage", "layout", "message"),
    [
        ({"count": 1 << 28}, {}, "torage"),
        ({"count": 15}, {}, "size|15|60"),
        ({"count": -16}, {}, "describes a storage"),
        ({"kind": torch.DoubleStorage}, {}, "torage|ends within a tensor"),
        ({"kind": torch.QInt8Storage}, {}, "asks for torch.QInt8Storage"),
        ({"key": "1"}, {}, "torage"),
        ({"key": 0}, {}, "describes a storage"),
        ({"location": "cpu\n"}, {}, "which is no device"),
        ({"what": "module"}, {}, "modules of a network"),
        ({}, {"size": (17,)}, r"a tensor of size \(17,\) that reaches over the end"),
        ({}, {"size": (1 << 40,)}, "reaches over the end"),
        ({}, {"stride": (6,)}, "reaches over the end"),
        ({}, {"offset": 13}, "reaches over the end"),
        ({}, {"offset": -1}, "are not sizes"),
        ({}, {"stride": (-1,)}, "are not sizes"),
        ({}, {"size": (2, 2)}, "are not sizes"),
        ({}, {"size": (1 << 28,), "stride": (0,)}, "asks for much more memory"),
        ({}, {"gradient": 1}, "whether it has gradients"),
        ({}, {"hooks": OrderedDict(a=1)}, "a tensor with hooks"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", FORMATS)
def test_a_tensor_outside_its_storage_is_refused(storage, layout, message: str, kind: str, tmp_path: Path) -> None:
    described = {"what": "storage", "kind": torch.FloatStorage, "key": "0", "location": "cpu", "count": 16} | storage
    rest = {"offset": 0, "size": (4,), "stride": (1,), "gradient": False, "hooks": OrderedDict()} | layout
    tensor = rebuilt(torch._utils._rebuild_tensor_v2, Storage(*described.values()), *rest.values())
    path = crafted(tmp_path, {"a": tensor}, kind)
    with pytest.raises(UserError, match=f"model.pth (is refused|cannot be read).*({message})") as caught:
        load_torch(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_boolean_that_is_neither_0_nor_1_is_refused(kind: str, tmp_path: Path) -> None:
    path = saved(tmp_path, {"a": torch.tensor([True, False] * 20)}, kind)
    path.write_bytes(path.read_bytes().replace(b"\1\0" * 20, b"\2\0" * 20))
    with pytest.raises(UserError, match="neither 0 nor 1"):
        load_torch(path)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (torch.nn.Linear(2, 2), "torch.nn.modules.linear.Linear"),
        (torch.eye(2).to_sparse(), "torch.(_utils._rebuild_sparse_tensor|serialization._get_layout)"),
        (
            rebuilt(torch._utils._rebuild_wrapper_subclass, torch.Tensor, torch.float32),
            "torch._utils._rebuild_wrapper_subclass",
        ),
        (
            rebuilt(torch._utils._rebuild_meta_tensor_no_storage, torch.float32, (1 << 40,), (1,), False),
            "torch._utils._rebuild_meta",
        ),
        (rebuilt(getattr, np.ndarray, "tofile"), "builtins.getattr of tofile"),
        (rebuilt(getattr, HistoryBuffer, "__init__"), "builtins.getattr of __init__"),
        (rebuilt(torch.storage._load_from_bytes, b""), "torch.storage._load_from_bytes"),
        (Path("x"), "pathlib"),
    ],
)
@pytest.mark.parametrize("kind", FORMATS)
def test_other_classes_are_named(content: object, named: str, kind: str, tmp_path: Path) -> None:
    path = saved(tmp_path, {"state_dict": {"a": torch.ones(2)}, "other": content}, kind)
    with pytest.raises(UserError, match=rf"model.pth is refused: it asks for {named}.*save its state_dict alone"):
        load_torch(path)


@pytest.mark.parametrize(
    "state",
    [
        {"max_length": 9, "_log_history": np.ones(2), "_count_history": np.ones(3)},
        {"max_length": 1, "_log_history": np.ones(2), "_count_history": np.ones(2)},
        {"max_length": 9, "_log_history": np.ones((2, 2)), "_count_history": np.ones(2)},
        {"max_length": 9, "_log_history": np.array(["a"]), "_count_history": np.ones(1)},
        {"max_length": 9, "_log_history": np.ones(2), "_count_history": np.ones(2), "update": 1},
        {"max_length": 9, "_log_history": np.ones(2), "_count_history": np.ones(2), "statistics_methods": {"a": 1}},
    ],
)
def test_a_history_buffer_is_what_mmengine_makes(state: dict, tmp_path: Path) -> None:
    class Buffer:
        def __reduce__(self):
            return HistoryBuffer, (), state

    with pytest.raises(UserError, match="refused: it holds a HistoryBuffer"):
        load_torch(saved(tmp_path, {"loss": Buffer()}))
    assert HistoryBuffer._statistics_methods.keys() <= {"min", "max", "current", "mean"}


def test_members_that_lie_are_refused(tmp_path: Path) -> None:
    def write(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
        path = tmp_path / "model.pth"
        with warnings.catch_warnings(), zipfile.ZipFile(path, "w", method) as archive:
            warnings.simplefilter("ignore")
            for name, data in members:
                archive.writestr(name, data)
        return path

    pickled = pickle.dumps({"a": 1}, 2)
    assert load_torch(write(("x/data.pkl", pickled))) == {"a": 1}
    for members, method, message in (
        ([("x/data.pkl", pickled)], zipfile.ZIP_DEFLATED, "data.pkl is compressed"),
        ([("x/data.pkl", pickled), ("x/data.pkl", pickled)], zipfile.ZIP_STORED, "data.pkl is there twice"),
        ([("x/data.pkl", pickled), ("y/data.pkl", pickled)], zipfile.ZIP_STORED, "not one of torch.save"),
        ([("data.pkl", pickled)], zipfile.ZIP_STORED, "not one of torch.save"),
    ):
        with pytest.raises(UserError, match=f"model.pth is refused: .*{message}"):
            load_torch(write(*members, method=method))
    path = write(("x/data.pkl", pickled), ("x/data/0", bytes(64)))
    data = bytearray(path.read_bytes())
    entries = [at for at in range(len(data)) if data[at : at + 4] == b"PK\1\2"]
    for at, value, message in (
        (entries[1] + 20, struct.pack("<II", 4096, 4096), "reach over their end"),
        (entries[0] + 20, struct.pack("<II", 80, 80), "lies over another one"),
        (entries[1] + 42, data[entries[0] + 42 :][:4], "lies over another one"),
        (entries[1] + 24, struct.pack("<I", 1 << 30), "its sizes differ"),
        (entries[1] + 8, struct.pack("<H", 1), "encrypted"),
    ):
        path.write_bytes(data[:at] + value + data[at + len(value) :])
        with pytest.raises(UserError, match=f"model.pth is refused: .*{message}"):
            load_torch(path)


def test_a_torchscript_program_is_told_apart(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), tmp_path / "model.pth")
    with pytest.raises(UserError, match="model.pth is a TorchScript program: convert the checkpoint"):
        load_torch(tmp_path / "model.pth")


def test_an_older_file_must_list_the_storages_that_its_tensors_have(tmp_path: Path) -> None:
    storage = Storage("storage", torch.FloatStorage, "0", "cpu", 16)
    tensor = rebuilt(torch._utils._rebuild_tensor_v2, storage, 0, (4,), (1,), False, OrderedDict())
    path = crafted(tmp_path, {"a": tensor}, "legacy")
    assert load_torch(path)["a"].tolist() == [0, 0, 0, 0]
    keys, count, content = pickle.dumps(["0"], 2), struct.pack("<q", 16), bytes(64)
    start = path.read_bytes().removesuffix(keys + count + content)
    for end, message in (
        (pickle.dumps([], 2) + count + content, "lists other storages than its tensors have"),
        (pickle.dumps(["0", "0"], 2) + 2 * (count + content), "lists other storages than its tensors have"),
        (keys + struct.pack("<q", 1 << 40) + content, "another size than its tensors say"),
        (keys + count + content[:-8], "is the file whole. it ends within a tensor"),
    ):
        path.write_bytes(start + end)
        with pytest.raises(UserError, match=message):
            load_torch(path)


def test_a_changed_byte_is_found_or_changes_nothing(tmp_path: Path) -> None:
    path = saved(tmp_path, dict(weights=torch.arange(40.0), meta=dict(iter=3, names=["a", "b"])))
    whole = path.read_bytes()
    found = 0
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            content = load_torch(path)
        except UserError:
            found += 1
        else:
            assert content["weights"].equal(torch.arange(40.0)) and content["meta"] == dict(iter=3, names=["a", "b"])
    assert found > 20
    place = whole.index(torch.arange(40.0).numpy().tobytes())
    path.write_bytes(whole[:place] + b"\1" + whole[place + 1 :])
    with pytest.raises(UserError, match=r"is damaged: its member '?model/data/0'? is not what was saved; use another"):
        load_torch(path)


def test_an_archive_without_sums_is_read(tmp_path: Path) -> None:
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        path = saved(tmp_path, TENSORS["whole"])
    finally:
        torch.serialization.set_crc32_options(before)
    assert load_torch(path).equal(TENSORS["whole"])

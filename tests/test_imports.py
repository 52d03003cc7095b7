"""Imports go one way: down the floors of the package, and never in a circle."""

import ast
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from launching import environment

PACKAGE = "mmmaskformer"
ROOT = Path(__file__).resolve().parents[1]

# From the ground up. A floor's rooms are separated by commas: a module imports what is in its own room or on floors
# below. Rooms of one floor do not know each other, which holds seg and det apart. docs/design.md says it in words.
FLOORS = (
    "errors files import_watch",
    "foreign, labels, categories, precision pixels structures, stages, registry, pairs, segments numbering",
    "batches, coco, core, checkpoint",
    "backbones, seg, det",
    "sample_results",
    "visualization",
    "engine",
    "datasets, runner_checks safeguards compat",
    "evaluation, runs",
    "zoo",
    "analysis, apis",
    "export",
)
# Against the floors, but only inside a function: rooms, and why.
CALLED_LATER = {
    ("runner_checks", "runs"): "checks of data sections, when a Runner builds its loops",
    ("engine", "safeguards"): "the hook turns them on when it is built",
}
# All but torch, scipy, mmengine and what these need.
REST = (
    "mmcv mmseg mmdet timm torchvision cv2 PIL matplotlib pycocotools safetensors transformers prettytable tqdm "
    "filelock onnx onnxruntime pandas ftfy regex"
)


def place(room: str) -> tuple[int, int]:
    """Floor of a room, and its number there."""
    for height, floor in enumerate(FLOORS):
        for number, members in enumerate(floor.split(",")):
            if room in members.split():
                return height, number
    raise AssertionError(f"{PACKAGE}.{room} is on no floor: add it to FLOORS, and to docs/design.md")


def modules() -> dict[str, Path]:
    """Every module of the package and its file."""
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        found[".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")] = path
    return found


def imports(module: str, path: Path, known: set[str]) -> Iterator[tuple[str, bool]]:
    """Modules of the package that a module imports, and whether only when one of its functions is called."""
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]

    def visit(node: ast.AST, later: bool) -> Iterator[tuple[str, bool]]:
        for child in ast.iter_child_nodes(node):
            names = []
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            if isinstance(child, ast.Import):
                names = [alias.name for alias in child.names]
            elif isinstance(child, ast.ImportFrom):
                above = package[: len(package) - child.level + 1] if child.level else []
                source = ".".join([*above, *([child.module] if child.module else [])])
                names = [f"{source}.{alias.name}" for alias in child.names]
                names = [name if name in known else source for name in names]
            yield from ((name, later) for name in names if name in known and name != PACKAGE)
            inner = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from visit(child, later or inner)

    return visit(ast.parse(path.read_text()), False)


def room(module: str) -> str:
    return module.split(".")[1]


def test_imports_go_down_the_floors() -> None:
    files = modules()
    wrong = []
    for module, path in files.items():
        if module == PACKAGE:
            continue
        for other, later in imports(module, path, set(files)):
            (own_floor, own_number), (floor, number) = place(room(module)), place(room(other))
            below = floor < own_floor or (floor, number) == (own_floor, own_number)
            if not below and not (later and (room(module), room(other)) in CALLED_LATER):
                wrong.append(f"{module} imports {other}{' (in a function)' if later else ''}")
    assert not wrong, "\n".join(wrong)


def test_no_modules_import_each_other_in_a_circle() -> None:
    files = modules()
    graph: dict[str, set[str]] = {}
    for module, path in files.items():
        names = {other for other, later in imports(module, path, set(files)) if not later and other != module}
        # A package is imported before its modules, except by these themselves.
        parents = {".".join(name.split(".")[:depth]) for name in names for depth in range(2, name.count(".") + 1)}
        graph[module] = names | {parent for parent in parents if not f"{module}.".startswith(f"{parent}.")}
    finished: set[str] = set()

    def follow(module: str, way: list[str]) -> None:
        assert module not in way, " -> ".join([*way[way.index(module) :], module])
        if module not in finished:
            for other in sorted(graph[module]):
                follow(other, [*way, module])
            finished.add(module)

    for module in files:
        follow(module, [])


CORE_ALONE = """
    import sys
    for name in REST.split():
        sys.modules[name] = None  # an import of it fails
    import torch
    from mmmaskformer.core import MaskCriterion, MaskTransformer
    from mmmaskformer.core.inference import label_map
    from mmmaskformer.core.tiles import OutputGeometry
    from mmmaskformer.structures import SegmentTargets

    torch.manual_seed(0)
    fast = dict(
        transformer_decoder=dict(type="mmmaskformer.MaskedAttentionDecoder", num_layers=2, num_heads=2),
        class_head=dict(type="mmmaskformer.PooledClassHead"),
    )
    encoder = dict(type="mmmaskformer.TransformerEncoder", num_layers=1, num_heads=2)
    paper = dict(
        pixel_decoder=dict(type="mmmaskformer.TransformerEncoderPixelDecoder", norm_groups=4, encoder=encoder),
        transformer_decoder=dict(num_layers=2, num_heads=2),
    )
    features = [torch.randn(1, 8, 64 // stride, 64 // stride) for stride in (4, 8, 16, 32)]
    targets = SegmentTargets.from_semantic_maps(torch.randint(0, 3, (1, 64, 64)), 3, 255)
    for parts in (paper, {"pixel_decoder": dict(norm_groups=4), **fast}):
        model = MaskTransformer([8] * 4, num_classes=3, num_queries=5, channels=16, **parts)
        predictions = model(features)
        losses = MaskCriterion(3)(predictions, targets)
        sum(losses.values()).backward()
        assert label_map(predictions, 0, OutputGeometry.plain((64, 64))).shape == (64, 64)
        print(sorted(losses))
"""


def test_the_core_runs_with_torch_scipy_and_mmengine_alone() -> None:
    code = textwrap.dedent(CORE_ALONE).replace("REST", repr(REST))
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True)
    assert done.stdout.count("\n") == 2, done.stdout + done.stderr

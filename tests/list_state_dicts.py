"""Writes ``state_dicts.json``: a digest of the parameters' names and shapes of every config's model.

    python tests/list_state_dicts.py          # adds configs that are not listed yet
    python tests/list_state_dicts.py --all    # replaces every entry

A checkpoint loads as long as the digest of its config stays what it is.
"""

import hashlib
import json
import sys
from pathlib import Path

from torch import nn

LIST = Path(__file__).with_name("state_dicts.json")


def digest(model: nn.Module) -> str:
    """Number of tensors, and a hash of their names and shapes in the model's order."""
    lines = [f"{name} {tuple(tensor.shape)}" for name, tensor in model.state_dict().items()]
    return f"{len(lines)} {hashlib.sha256(chr(10).join(lines).encode()).hexdigest()[:16]}"


def main() -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from paper_configs import ALL, built

    listed = {} if "--all" in sys.argv or not LIST.exists() else json.loads(LIST.read_text())
    listed.update({name: digest(built(name)) for name in ALL if name not in listed})
    LIST.write_text(json.dumps(dict(sorted(listed.items())), indent=0) + "\n")
    print(f"{len(listed)} configs in {LIST}")


if __name__ == "__main__":
    main()

"""The public names of the package, imported when they are first used."""

import subprocess
import sys

import pytest
from launching import environment

import mmmaskformer


def test_every_public_name_is_there_and_listed() -> None:
    for name in mmmaskformer.__all__:
        assert getattr(mmmaskformer, name) is not None and name in dir(mmmaskformer)
    assert mmmaskformer.MaskFormerHead.__module__ == "mmmaskformer.seg.heads"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'MaskFormerHed'"):
        _ = mmmaskformer.MaskFormerHed


def test_public_names_are_known_before_anything_is_imported() -> None:
    code = "import sys, mmmaskformer; print('MaskFormerInferencer' in dir(mmmaskformer), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True)
    assert done.stdout.split() == ["True", "False"], done.stderr

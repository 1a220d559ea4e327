"""The drawing of the method names functions that exist, and is the one in the repository."""

import importlib.util
import sys
from pathlib import Path

import torch

REPOSITORY = Path(__file__).parents[2]
sys.path.insert(0, str(REPOSITORY / "model"))

from clip import attributes  # noqa: E402
from dsva.network import DSVA  # noqa: E402


def drawing():
    spec = importlib.util.spec_from_file_location("draw_method", REPOSITORY / "script" / "draw_method.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_arrow_names_a_function():
    names = ", ".join(name for _, name, _ in drawing().ARROWS if name).split(", ")
    places = {"similarities": attributes, "max": torch.Tensor}
    for name in names:
        assert callable(getattr(places.get(name, DSVA), name))


def test_the_drawing_is_up_to_date():
    file = REPOSITORY / "RSSDIVCS" / "method.svg"
    assert file.read_text(encoding="utf-8") == drawing().drawing()

"""Runs and CLIPs as a notebook loads them: their sizes, and how what they say is compared."""

import numpy as np
import pytest

from support.errors import InputError

SIDE, GRID = 32, 4  # of the run: pixels of a square, cells of a map
ARRAYS = ("probabilities", "scores", "attributes", "maps", "windows")


def same(one, other):
    """All that was told of some pictures, to the last bit."""
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.class_names == other.class_names and one.classes == other.classes


def refused(message, function, *arguments, **options):
    """One line, which says this."""
    with pytest.raises(InputError, match=message) as error:
        function(*arguments, **options)
    assert len(str(error.value).splitlines()) == 1

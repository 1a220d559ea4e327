"""Labelling all masks together, as on a GPU, gives exactly what scipy gives one by one."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from dsva.windows import bounding_boxes, largest_boxes, largest_components, largest_components_batched

BOTH = pytest.mark.parametrize("largest", [largest_components, largest_components_batched])


def masks(*drawings: str) -> torch.Tensor:
    return torch.tensor([[[cell == "#" for cell in row] for row in drawing.split()] for drawing in drawings])


@BOTH
@pytest.mark.parametrize(
    "drawing, box",
    [
        (".... .... .... ....", (0, 0, 4, 4)),  # no pixel kept: the whole image
        ("#### #### #### ####", (0, 0, 4, 4)),
        (".... .#.. .##. ....", (1, 1, 2, 2)),
        ("##.. ##.. ...# ..##", (0, 0, 2, 2)),  # four against three
        ("##.. .... .... ..##", (0, 0, 1, 2)),  # two equal components: the first
        (".... ..## #... #...", (1, 2, 1, 2)),  # the first in reading order is not the leftmost
        ("#... .#.. ..#. ...#", (0, 0, 4, 4)),  # diagonal neighbours belong together
        ("#.## .... ...# ..#.", (0, 2, 1, 2)),  # a tie of pairs, after a single
        ("#..# #..# #### ....", (0, 0, 3, 4)),  # two starts that meet later
        (".... .... ...# ....", (2, 3, 1, 1)),
    ],
)
def test_box_of_a_mask(largest, drawing, box):
    assert tuple(bounding_boxes(largest(masks(drawing)))[0].tolist()) == box


@BOTH
def test_each_mask_of_a_batch_has_its_own(largest):
    several = masks("##. ... ...", "... ... ...", "... ... .##", "#.# ... ###")
    assert bounding_boxes(largest(several)).tolist() == [
        [0, 0, 1, 2],
        [0, 0, 3, 3],
        [2, 1, 1, 2],
        [2, 0, 1, 3],
    ]


def test_boxes_of_oblong_masks():
    assert largest_boxes(masks("..... .###.", "..... .....")).tolist() == [[1, 1, 1, 3], [0, 0, 2, 5]]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 3, 8, 17, 40]), st.floats(0, 1))
def test_random_masks(seed, size, share):
    random = torch.from_numpy(np.random.default_rng(seed).random((5, size, size)) < share)
    assert torch.equal(largest_components_batched(random), largest_components(random))


def winding_lines(size: int) -> torch.Tensor:
    """[n, S, S]: a spiral, a comb, lines that run to and fro, a labyrinth; in all eight views. And a
    chessboard."""
    spiral, to_and_fro, comb, chess = np.zeros((4, size, size), bool)
    for k in range(0, size // 2, 2):
        end = size - 1 - k
        spiral[k, max(k - 2, 0) : end + 1] = spiral[k : end + 1, end] = spiral[end, k : end + 1] = spiral[
            k + 2 : end + 1, k
        ] = True
    to_and_fro[::2] = to_and_fro[1::4, -1] = to_and_fro[3::4, 0] = True
    comb[:, ::2] = comb[-1] = True
    chess[::2, ::2] = chess[1::2, 1::2] = True
    views = [
        np.rot90(view, turns)
        for line in (spiral, to_and_fro, comb, labyrinth(size))
        for view in (line, line.T)
        for turns in range(4)
    ]
    return torch.from_numpy(np.stack([*views, chess, ~chess]))


def labyrinth(size: int) -> np.ndarray:
    """[S, S]: one way from anywhere to anywhere, made by a walk that steps back from dead ends."""
    chance, way, ahead = np.random.default_rng(0), np.zeros((size, size), bool), [(0, 0)]
    way[0, 0] = True
    while ahead:
        row, column = ahead[-1]
        steps = [
            (r, c)
            for r, c in ((1, 0), (-1, 0), (0, 1), (0, -1))
            if 0 <= row + 2 * r < size and 0 <= column + 2 * c < size and not way[row + 2 * r, column + 2 * c]
        ]
        if not steps:
            ahead.pop()
            continue
        r, c = steps[chance.integers(len(steps))]
        way[row + r, column + c] = way[row + 2 * r, column + 2 * c] = True
        ahead.append((row + 2 * r, column + 2 * c))
    return way


def test_winding_lines_in_few_rounds(monkeypatch):
    lines, pool, rounds = winding_lines(112), F.max_pool2d, []
    monkeypatch.setattr(F, "max_pool2d", lambda *args, **kwargs: rounds.append(1) or pool(*args, **kwargs))
    assert torch.equal(largest_components_batched(lines), largest_components(lines))
    assert len(rounds) <= 9


def test_lines_that_are_cut_in_two():
    lines = winding_lines(48)
    lines[:, 20:22] &= torch.rand(len(lines), 2, 48, generator=torch.Generator().manual_seed(0)) < 0.5
    assert torch.equal(largest_components_batched(lines), largest_components(lines))

"""Our network, losses and updates give the numbers of the original implementation."""

import json
from pathlib import Path

import numpy as np
import pytest

from parity import run_case

DATA = Path(__file__).parent / "data"
CLOSE = dict(rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module", params=["case_a", "case_b"])
def case(request):
    path = DATA / f"{request.param}.json"
    return run_case(path), np.load(path.with_suffix(".npz")), json.loads(path.read_text())["trajectory"]


def test_every_array_agrees(case):
    ours, original, _ = case
    for name in original:
        assert ours[name].shape == original[name].shape, name
        np.testing.assert_allclose(ours[name], original[name], err_msg=name, **CLOSE)


def test_windows_agree_exactly(case):
    ours, original, _ = case
    np.testing.assert_array_equal(ours["proposal.box_hw"], original["proposal.box_hw"])


def test_six_updates_agree(case):
    ours, _, original = case
    assert len(ours["trajectory"]) == len(original) == 6
    for mine, theirs in zip(ours["trajectory"], original):
        assert mine.keys() == theirs.keys()
        for name, value in theirs.items():
            where = f"{name} at {theirs['stage']} step {theirs['step']}"
            if isinstance(value, float):
                np.testing.assert_allclose(mine[name], value, err_msg=where, **CLOSE)
            else:
                assert mine[name] == value, where

"""Which divisions and seeds are run, and the mean and deviation of their results."""

import json
import math

import pytest

from runs.command_line import get_options
from runs.folder import write_summary
from runs.settings import benchmark_files, clip_folder, divisions_and_seeds


def test_a_summary_holds_the_branches_that_all_runs_have(tmp_path):
    with_window, without = (
        {"last": {"scores": {branch: {"H": h} for branch in branches}}}
        for h, *branches in ((40.0, "projection", "window"), (50.0, "projection"))
    )
    summary = write_summary(tmp_path, {"a": with_window, "b": without}, "projection", {})
    assert summary["last"] == {"projection": {"H": [45.0, pytest.approx(math.sqrt(50))]}}


def test_one_run_has_no_deviation(tmp_path):
    write_summary(tmp_path, {"a": {"last": {"scores": {"projection": {"H": 40.0}}}}}, "projection", {})
    written = (tmp_path / "results.json").read_text()
    assert "NaN" not in written
    assert json.loads(written)["mean_and_deviation"]["last"]["projection"]["H"] == [40, 0]


@pytest.mark.parametrize(
    "words, parts",
    [
        ("", []),
        ("--random_id 3", []),
        ("--seeds 2", ["division-0_seed-1", "division-0_seed-2"]),
        ("--random_id 3 --manualSeed 8 --seeds 2", ["division-3_seed-8", "division-3_seed-9"]),
        ("--random_id 2,0", ["division-2_seed-1", "division-0_seed-1"]),
        ("--random_id all", ["division-0_seed-1", "division-1_seed-1"]),
    ],
)
def test_divisions_and_seeds(root, words, parts):
    found = divisions_and_seeds(get_options(["--root", str(root), *words.split()]))
    assert list(found) == parts
    assert [f"division-{one.random_id}_seed-{one.manualSeed}" for one in found.values()] == parts
    assert all(one.seeds == 1 for one in found.values())


def test_braces_stand_for_the_division(tmp_path):
    (tmp_path / "RSSDIVCS" / "files").mkdir(parents=True)
    for k in (0, 1):
        (tmp_path / "RSSDIVCS" / "files" / f"mine_{k}_splits.mat").touch()
    places = ["--root", str(tmp_path), "--clip", str(tmp_path / "clip-{}")]
    opt = get_options([*places, "--class_embedding", "mine_{}", "--random_id", "0,1"])
    for k, one in enumerate(divisions_and_seeds(opt).values()):
        assert benchmark_files(one).splits_mat.name == f"mine_{k}_splits.mat"
        assert clip_folder(one) == tmp_path / f"clip-{k}"

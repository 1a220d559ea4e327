"""Several divisions and seeds in one run of main.py."""

import json
import shutil
import statistics

import pytest

import main as program
from helpers import QUICK, fails, log, run

SEVERAL = f"{QUICK} --nepoch 2 --gzsl --random_id 0,1 --seeds 2 --manualSeed 5"


@pytest.fixture(scope="module")
def several(places, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "several"
    run(SEVERAL, output=folder, **places)
    return folder


def test_each_division_and_seed_has_the_run_that_it_would_have_alone(several, places, tmp_path):
    assert {folder.name for folder in several.iterdir() if folder.is_dir()} == {
        f"division-{k}_seed-{seed}" for k in (0, 1) for seed in (5, 6)
    }
    run(f"{QUICK} --nepoch 2 --gzsl --random_id 1 --manualSeed 6", output=tmp_path / "alone", **places)
    assert log(several / "division-1_seed-6") == log(tmp_path / "alone")


@pytest.mark.parametrize("epoch", ["best", "last"])
def test_the_summary_is_the_mean_and_deviation_of_the_runs(several, epoch):
    summary = json.loads((several / "results.json").read_text())
    runs = [json.loads((several / name / "results.json").read_text()) for name in summary["runs"]]
    assert (
        len(runs) == 4
        and list(summary["runs"].values()) == runs
        and summary["mean_and_deviation"].keys() == {"best", "last"}
    )
    for branch, scores in summary["mean_and_deviation"][epoch].items():
        for score, found in scores.items():
            values = [one[epoch]["scores"][branch][score] for one in runs]
            assert found == pytest.approx([statistics.mean(values), statistics.stdev(values)])


def test_clean_runs_have_a_summary_of_their_clean_epochs(places, tmp_path, capsys):
    clean = "--protocol clean --validation_classes 2"
    run(f"{QUICK} {clean} --nepoch 1 --random_id all", output=tmp_path / "run", **places)
    summary = json.loads((tmp_path / "run" / "results.json").read_text())
    values = [one["clean"]["scores"]["attention"]["accuracy"] for one in summary["runs"].values()]
    assert list(summary["runs"]) == ["division-0_seed-1", "division-1_seed-1"]
    assert summary["mean_and_deviation"]["clean"]["attention"]["accuracy"] == pytest.approx(
        [statistics.mean(values), statistics.stdev(values)]
    )
    assert (
        f"clean attention accuracy {statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}"
        in " ".join(capsys.readouterr().out.split())
    )


def test_finished_runs_of_several_are_not_run_again(several, places, monkeypatch):
    shutil.rmtree(several / "division-1_seed-5")
    kept = (several / "division-0_seed-5" / "last.safetensors").stat().st_mtime_ns
    before = json.loads((several / "results.json").read_text())["mean_and_deviation"]
    trained = []
    train = program.train_one_epoch
    monkeypatch.setattr(
        program, "train_one_epoch", lambda *words, **more: trained.append(words) or train(*words, **more)
    )
    run(SEVERAL, output=several, **places)
    assert (
        len(trained) == 2 and (several / "division-0_seed-5" / "last.safetensors").stat().st_mtime_ns == kept
    )
    assert json.loads((several / "results.json").read_text())["mean_and_deviation"] == before


@pytest.mark.parametrize(
    "words, message",
    [
        ("--random_id 0,0", "--random_id: expected different divisions, found '0,0'"),
        ("--random_id 0,x", "--random_id: expected a whole number at least 0, found 'x'"),
        ("--random_id 0,7", "has no train_zsl_loc_7"),
        ("--seeds 0", "--seeds: expected a whole number at least 1"),
    ],
)
def test_divisions_that_are_none_are_one_line_and_nothing_is_trained(
    places, tmp_path, capsys, words, message
):
    assert message in fails(capsys, f"{QUICK} {words}", output=tmp_path / "run", **places)
    assert not (tmp_path / "run").exists()


def test_a_saved_model_is_of_one_division(several, capsys):
    last = several / "division-0_seed-5" / "last.safetensors"
    assert "--resume is for one division" in fails(capsys, f"--eval --resume {last} --random_id 0,1")


def test_the_folder_of_a_run_takes_no_others(several, places, capsys):
    assert "holds a run of one division and seed" in fails(
        capsys, f"{QUICK} --seeds 2", output=several / "division-0_seed-5", **places
    )

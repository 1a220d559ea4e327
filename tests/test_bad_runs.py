"""What runs and predictions leave, nearly right."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import strategies as st

import main
import predict
import report
import tables
from fuzzing import COMMON, QUICK, cases, ends_well, folder
from helpers import start
from nearly_right import nearly_json, spoil

pytestmark = pytest.mark.usefixtures("quick")


@cases(0.08)
def test_the_report_of_a_run(sound_files, data):
    with folder() as here:
        weights = shutil.ignore_patterns("*.safetensors")
        target = Path(shutil.copytree(sound_files / "run", here / "run", ignore=weights))
        spoil(target, data)
        words = [target, "--output", here / "out" / "page.html", "--device", "cpu"]
        ends_well(start, report, *words, output=here / "out")


@cases(0.06)
def test_the_report_of_a_prediction(sound_files, data):
    with folder() as here:
        target = Path(shutil.copytree(sound_files / "predictions", here / "predictions"))
        spoil(target, data)
        words = [target, "--output", here / "out" / "page.html", "--images", 2, "--device", "cpu"]
        ends_well(start, report, *words, output=here / "out")


@cases(0.05)
def test_tables_of_a_run(sound_files, data):
    with folder() as here:
        weights = shutil.ignore_patterns("*.safetensors")
        target = Path(shutil.copytree(sound_files / "run", here / "run", ignore=weights))
        spoil(target, data)
        ends_well(start, tables, "--row", "a", target, "--scores", "H", "U", "ZSL")


@cases(0.03)
def test_comparing_runs(sound_files, data):
    scores = {"names": {"accuracy": 1.0, "U": 1.0, "S": 2.0, "H": 1.3, "AUSUC": 0.5}}
    baseline = {"scores": {"names": scores["names"], "attributes": scores["names"]}}
    training = {
        "chance": 50.0,
        "last": {"scores": {branch: {**scores["names"], "ZSL": 1.0} for branch in ("final", "attention")}},
    }
    results = dict.fromkeys(["baseline_zsl", "baseline_gzsl"], baseline)
    results.update(dict.fromkeys(["zsl", "gzsl", "words"], training))
    spoilt = data.draw(st.sampled_from(sorted(results)))
    with folder() as here:
        for name, value in results.items():
            (here / name).mkdir()
            content = data.draw(nearly_json(value)) if name == spoilt else json.dumps(value).encode()
            (here / name / "results.json").write_bytes(content)
        ends_well(start, tables, "--quickstart", here)


@cases(0.05)
def test_going_on_with_a_run(sound_files, data):
    words = ["--root", sound_files, "--clip", sound_files / "clip", *QUICK, *COMMON]
    words += ["--class_embedding", "mine", "--group_file", "mine"]
    with folder() as here:
        target = Path(shutil.copytree(sound_files / "run", here / "run"))
        spoil(target, data)
        epochs = data.draw(st.sampled_from([2, 3]))
        ends_well(start, main, *words, "--output", target, "--nepoch", epochs)


@cases(0.04)
def test_repeating_a_run(sound_files, data):
    with folder() as here:
        results = json.loads((sound_files / "run" / "results.json").read_text())
        (here / "results.json").write_bytes(data.draw(nearly_json(results)))
        words = ["--repeat", here / "results.json", "--output", here / "out", *COMMON]
        ends_well(start, main, *words, output=here / "out")


@cases(0.03)
def test_going_on_with_a_prediction(sound_files, data):
    with folder() as here:
        target = Path(shutil.copytree(sound_files / "predictions", here / "predictions"))
        spoil(target, data)
        words = ["--resume", sound_files / "run" / "last.safetensors", sound_files / "RSSDIVCS"]
        ends_well(start, predict, *words, "--output", target, *COMMON)

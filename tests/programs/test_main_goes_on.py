"""A training of main.py that was interrupted, or is finished, or has a name that is taken."""

import pytest
import torch
from safetensors.torch import load_file

from helpers import QUICK, interrupt, log, run


def test_the_same_command_goes_on_as_if_never_interrupted(places, tmp_path, monkeypatch):
    run(QUICK, output=tmp_path / "whole", **places)

    interrupt(monkeypatch, "epoch 1")
    with pytest.raises(SystemExit) as stop:
        run(QUICK, output=tmp_path / "parts", **places)
    assert stop.value.code == 130 and len(log(tmp_path / "parts")) == 1
    with (tmp_path / "parts" / "log.jsonl").open("a") as file:
        file.write('{"epoch": 1, "half a li')  # killed while it wrote
    monkeypatch.undo()
    run(QUICK, output=tmp_path / "parts", **places)

    assert log(tmp_path / "parts") == log(tmp_path / "whole")
    for name in ("best", "last"):
        whole, parts = (load_file(tmp_path / folder / f"{name}.safetensors") for folder in ("whole", "parts"))
        assert all(torch.equal(value, parts[key]) for key, value in whole.items())


def test_a_finished_run_is_not_run_again_and_may_grow(places, tmp_path, capsys):
    run(f"{QUICK} --nepoch 1", output=tmp_path / "run", **places)
    before = (tmp_path / "run" / "last.safetensors").stat().st_mtime_ns
    run(f"{QUICK} --nepoch 1", output=tmp_path / "run", **places)
    assert (tmp_path / "run" / "last.safetensors").stat().st_mtime_ns == before
    run(f"{QUICK} --nepoch 2", output=tmp_path / "run", **places)
    assert [line["epoch"] for line in log(tmp_path / "run")] == [0, 1]


def test_resume_goes_on_in_another_folder(places, tmp_path):
    run(QUICK, output=tmp_path / "whole", **places)
    run(f"{QUICK} --nepoch 1", output=tmp_path / "start", **places)
    run(
        f"--resume {tmp_path / 'start' / 'last.safetensors'} --nepoch 3 --device cpu",
        output=tmp_path / "rest",
    )
    assert log(tmp_path / "rest") == log(tmp_path / "whole")[1:]


def test_a_name_gets_a_number_when_a_run_with_other_options_has_it(places, tmp_path, monkeypatch):
    monkeypatch.setattr("runs.folder.REPOSITORY", tmp_path)
    for more in ("", "", "--xe 2", "--xe 2"):
        run(f"{QUICK} --nepoch 1 --name mine {more}", **places)
    assert sorted(folder.name for folder in (tmp_path / "runs").iterdir()) == ["mine", "mine-2"]

"""What a run records is enough to repeat it, and to notice that a file has changed since."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from helpers import QUICK, fails, run
from inference.saved import load_saved
from runs.checkpoint import checkpoint_metadata
from runs.fingerprints import file_fingerprint
from support.errors import InputError
from tiny_data import write_clip, write_dataset

SPLITS = "ann_attr_finetune_61_splits.mat"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A dataset, a CLIP, and run/ and several/ on them. Not to be written to: `copy` gives one."""
    place = write_dataset(tmp_path_factory.mktemp("repeat"))
    write_clip(place / "clip")
    run(f"{QUICK} --nepoch 2 --gzsl --protocol clean", root=place, clip=place / "clip", output=place / "run")
    run(
        f"{QUICK} --nepoch 1 --random_id 0,1 --seeds 2",
        root=place,
        clip=place / "clip",
        output=place / "several",
    )
    return place


@pytest.fixture
def copy(place, tmp_path):
    """The same, to be written to: its runs know its files."""
    shutil.copytree(place, tmp_path / "copy")
    for file in (tmp_path / "copy").rglob("*.json"):
        file.write_text(file.read_text().replace(str(place), str(tmp_path / "copy")))
    for file in (tmp_path / "copy" / "run").glob("*.safetensors"):
        rewrite(
            file,
            lambda metadata: {
                key: value.replace(str(place), str(tmp_path / "copy")) for key, value in metadata.items()
            },
        )
    return tmp_path / "copy"


def rewrite(file: Path, change):
    with safe_open(file, framework="pt") as opened:
        metadata = opened.metadata()
    save_file(load_file(file), file, metadata=change(metadata))


def annotate_anew(place: Path):
    """Other attributes for the same classes."""
    file = place / "RSSDIVCS" / "files" / SPLITS
    table = {key: value for key, value in scipy.io.loadmat(file).items() if key[0] != "_"}
    scipy.io.savemat(file, {**table, "att": table["att"] + 1})


def repeat(results: Path, *words) -> int:
    """The exit code."""
    try:
        run(" ".join(["--device cpu --workers 0", *map(str, words)]), repeat=results)
    except SystemExit as stop:
        return stop.code
    return 0


# ---- what is recorded ------------------------------------------------------------------------------


def test_results_options_and_checkpoints_know_the_files(place):
    results, options = (
        json.loads((place / "run" / file).read_text()) for file in ("results.json", "options.json")
    )
    files = place / "RSSDIVCS" / "files"
    assert set(results["files"]) == {"images_mat", "splits_mat", "groups_json", "clip/model.safetensors"}
    assert (
        results["files"]["groups_json"]
        == hashlib.sha256((files / "attri_group_3.json").read_bytes()).hexdigest()
    )
    assert results["files"]["splits_mat"] == hashlib.sha256((files / SPLITS).read_bytes()[116:]).hexdigest()
    assert (
        results["files"]["clip/model.safetensors"]
        == hashlib.sha256((place / "clip" / "model.safetensors").read_bytes()).hexdigest()
    )
    assert (
        results["files"]
        == options["files"]
        == checkpoint_metadata(place / "run" / "best.safetensors")["files"]
    )


def test_results_know_the_circumstances(place):
    results = json.loads((place / "run" / "results.json").read_text())
    assert {"command", "git", "versions", "machine", "device", "seconds", "options"} <= results.keys()
    assert f"{torch.get_num_threads()} threads" in results["device"]
    assert 50 < results["peak_memory"]["process"] < 50_000  # MiB


def test_the_same_content_written_at_another_time_is_the_same_file(tmp_path):
    table = {"att": np.arange(6.0).reshape(2, 3)}
    for name in "ab":
        scipy.io.savemat(tmp_path / f"{name}.mat", table)
    content = bytearray((tmp_path / "b.mat").read_bytes())
    content[60:80] = b"Mon Jan  1 00:00:00 "
    (tmp_path / "b.mat").write_bytes(content)
    assert file_fingerprint(tmp_path / "a.mat") == file_fingerprint(tmp_path / "b.mat")
    scipy.io.savemat(tmp_path / "b.mat", {"att": table["att"] + 1e-9})
    assert file_fingerprint(tmp_path / "a.mat") != file_fingerprint(tmp_path / "b.mat")


# ---- a file that has changed -----------------------------------------------------------------------


def test_a_saved_model_whose_classes_were_described_anew_is_refused(copy):
    load_saved(copy / "run" / "last.safetensors", torch.device("cpu"))
    annotate_anew(copy)
    words = (
        f"last.safetensors was trained with another .*{SPLITS}: .*has changed since. "
        "Put the former file back, or train anew"
    )
    kept = load_saved(copy / "run" / "last.safetensors", torch.device("cpu"))  # what it was trained with
    with pytest.raises(InputError, match=words):
        kept.dataset.load()
    rewrite(
        copy / "run" / "last.safetensors",
        lambda metadata: {key: value for key, value in metadata.items() if key != "classes"},
    )
    with pytest.raises(InputError, match=words):
        load_saved(copy / "run" / "last.safetensors", torch.device("cpu"))


def test_a_saved_model_of_before_that_knows_no_files_still_loads(copy):
    annotate_anew(copy)
    rewrite(
        copy / "run" / "last.safetensors",
        lambda metadata: {key: value for key, value in metadata.items() if key not in ("files", "classes")},
    )
    assert load_saved(copy / "run" / "last.safetensors", torch.device("cpu")).epoch == 1


def test_evaluation_on_a_changed_file_says_so(copy, capsys):
    run("--eval --device cpu", resume=copy / "run" / "last.safetensors")
    assert "note:" not in capsys.readouterr().out
    annotate_anew(copy)
    run("--eval --device cpu", resume=copy / "run" / "last.safetensors")
    assert f"{SPLITS} is not the one that this model was trained with" in capsys.readouterr().out


def test_a_run_does_not_go_on_with_changed_files_but_on_another_machine(copy, tmp_path, capsys):
    words = f"{QUICK} --nepoch 2 --gzsl --protocol clean"
    options = json.loads((copy / "run" / "options.json").read_text())
    (copy / "run" / "options.json").write_text(
        json.dumps({**options, "device": "another", "machine": "another"})
    )
    run(words, root=copy, clip=copy / "clip", output=copy / "run")
    annotate_anew(copy)
    assert "(splits_mat has changed): name another --output" in fails(
        capsys, words, root=copy, clip=copy / "clip", output=copy / "run"
    )


# ---- --repeat --------------------------------------------------------------------------------------


def test_a_run_is_repeated_in_a_new_folder_and_agrees(copy, capsys):
    assert repeat(copy / "run" / "results.json") == 0
    said = capsys.readouterr().out
    last = json.loads((copy / "run" / "results.json").read_text())["last"]["scores"]["attention"]
    assert said.splitlines()[-1].startswith("all ") and said.splitlines()[-1].endswith(
        "numbers agree exactly"
    )
    assert f"attention H {last['H']}" in said and all(
        f"\n{epoch}" in said for epoch in ("best ", "clean", "last ")
    )
    assert "note: not as recorded" not in said
    first, again = ((copy / name / "last.safetensors") for name in ("run", "run-repeat"))
    assert {name: value.tolist() for name, value in load_file(first).items()} == {
        name: value.tolist() for name, value in load_file(again).items()
    }
    assert repeat(copy / "run" / "results.json") == 0 and (copy / "run-repeat-2" / "results.json").is_file()


def test_numbers_that_do_not_agree_end_with_code_1(copy, capsys):
    results = json.loads((copy / "run" / "results.json").read_text())
    scores = results["clean"]["scores"]["projection"]
    scores["S"] += 0.25
    (copy / "run" / "results.json").write_text(json.dumps(results))
    assert repeat(copy / "run" / "results.json") == 1
    said = capsys.readouterr().out
    assert said.splitlines()[-1].startswith("1 of ") and said.splitlines()[-1].endswith(
        "differ, by 0.25 at most"
    )
    assert f"projection S {scores['S']}, now {scores['S'] - 0.25}" in said


def test_a_run_of_before_is_repeated_under_the_names_of_today(copy, capsys):
    """It called the projection branch "final", with windows or without."""
    file = copy / "run" / "results.json"
    results = json.loads(file.read_text())
    for epoch in ("best", "clean", "last"):
        scores = results[epoch]["scores"]
        results[epoch]["scores"] = {"final": scores.pop("projection"), **scores}
    results["branch"] = "final"
    file.write_text(json.dumps(results))
    assert repeat(file) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[-1].endswith("numbers agree exactly") and "projection H" in said


def test_an_interrupted_repetition_goes_on(copy, monkeypatch):
    import main as program

    monkeypatch.setattr(program, "agrees", lambda *results: pytest.fail("not finished"))
    monkeypatch.setattr(
        "runs.folder.Run.finish", lambda *arguments, **more: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    assert repeat(copy / "run" / "results.json") == 130
    monkeypatch.undo()
    assert repeat(copy / "run" / "results.json") == 0
    assert not (copy / "run-repeat-2").exists()


def test_several_divisions_and_seeds_are_repeated(copy, capsys):
    assert repeat(copy / "several" / "results.json", "--output", copy / "again") == 0
    said = capsys.readouterr().out
    assert (
        all(f"division-{d}_seed-{s} last " in said for d in (0, 1) for s in (1, 2))
        and "numbers agree exactly" in said
    )
    assert (copy / "again" / "division-1_seed-2" / "last.safetensors").is_file()


def test_what_is_different_is_said_in_one_line(copy, capsys):
    file = copy / "run" / "results.json"
    results = json.loads(file.read_text())
    results.update(device="abacus", versions={**results["versions"], "torch": "0.1"})
    file.write_text(json.dumps(results))
    annotate_anew(copy)
    repeat(file, "--xe 2")
    notes = [
        line for line in capsys.readouterr().out.splitlines() if line.startswith("note: not as recorded")
    ]
    assert len(notes) == 1
    assert all(
        words in notes[0]
        for words in (
            "--xe",
            "splits_mat",
            f"torch {torch.__version__.split('+')[0]}",
            "instead of 0.1",
            "instead of abacus",
        )
    )


def test_old_results_without_files_and_device_are_repeated_too(copy):
    file = copy / "run" / "results.json"
    file.write_text(
        json.dumps(
            {
                key: value
                for key, value in json.loads(file.read_text()).items()
                if key not in ("files", "device", "resume", "peak_memory")
            }
        )
    )
    assert repeat(file) == 0


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        "[]",
        "no json",
        '{"scores": {}, "options": {}}',
        '{"runs": {"a": 1}, "options": {}}',
        '{"runs": {}, "options": {}}',
        '{"options": {}, "last": {"epoch": 2, "losses": {}, "seconds": {}, "scores": {}}}',
    ],
)
def test_a_file_that_is_no_result_is_refused(tmp_path, capsys, content):
    (tmp_path / "results.json").write_text(content)
    assert "results.json" in fails(capsys, "--device cpu", repeat=tmp_path / "results.json")


def test_what_cannot_be_repeated_is_refused(copy, capsys):
    file = copy / "run" / "results.json"
    assert "holds a finished run: nothing would be repeated" in fails(
        capsys, "--device cpu", repeat=file, output=copy / "run"
    )
    assert "leave --resume and --eval out" in fails(
        capsys, "--device cpu", repeat=file, resume=copy / "run" / "last.safetensors"
    )
    assert "leave out --random_id" in fails(
        capsys, "--device cpu --random_id 0", repeat=copy / "several" / "results.json"
    )
    assert "no such file" in fails(capsys, "--device cpu --root nowhere", repeat=file)
    run(
        "--device cpu --workers 0 --protocol paper --nepoch 3",
        resume=copy / "run" / "last.safetensors",
        output=copy / "rest",
    )
    assert "went on from" in fails(capsys, "--device cpu", repeat=copy / "rest" / "results.json")

"""A run folder stands for the checkpoint that its protocol chose."""

import json
import shutil

import pytest

import held_out
import predict
import visualize
from runs.chosen import chosen_checkpoint
from runs.command_line import get_options
from support.errors import InputError


def write_run(folder, *names, **options):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    if options:
        (folder / "options.json").write_text(json.dumps({"options": options}))
    return folder


@pytest.mark.parametrize(
    "names, options, chosen",
    [
        (["best", "last"], {"protocol": "paper"}, "best"),
        (["best", "last", "clean"], {"protocol": "clean"}, "clean"),
        (["best", "last"], {}, "best"),
        (["best", "last", "clean"], {}, "clean"),
    ],
)
def test_it_is_clean_under_the_clean_protocol_and_otherwise_best(tmp_path, capsys, names, options, chosen):
    write_run(tmp_path, *(f"{name}.safetensors" for name in names), **options)
    (tmp_path / "results.json").write_text("{}")
    assert chosen_checkpoint(tmp_path) == str(tmp_path / f"{chosen}.safetensors")
    assert capsys.readouterr().out == f"note: {tmp_path} stands for its {chosen}.safetensors\n"


def test_a_file_and_what_is_not_there_are_left_as_they_are(tmp_path, capsys):
    for place in (tmp_path / "nowhere", write_run(tmp_path, "x.safetensors") / "x.safetensors"):
        assert chosen_checkpoint(place) == str(place)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "names, message",
    [
        ([], "is no run folder: expected best.safetensors in it, .*; it holds nothing"),
        (["thesis.tex", ".lock"], "is no run folder: .*; it holds thesis.tex$"),
        (["config.json", "model.safetensors"], "it holds config.json, model.safetensors$"),
        ([f"{n}.jpg" for n in range(10)], "it holds 0.jpg, .* 7.jpg and 2 more"),
        (["last.safetensors"], "expected best.safetensors in it, .*; it holds last.safetensors"),
    ],
)
def test_what_is_there_is_named_where_there_is_none(tmp_path, names, message):
    with pytest.raises(InputError, match=message):
        chosen_checkpoint(write_run(tmp_path, *names))


def test_a_folder_of_several_runs_names_them(tmp_path):
    for name in ("division-0_seed-1", "division-1_seed-1"):
        write_run(tmp_path / name, "best.safetensors", protocol="paper")
    with pytest.raises(InputError, match="several runs: name one of division-0_seed-1, division-1_seed-1"):
        chosen_checkpoint(tmp_path)


def test_a_folder_of_my_images_names_the_runs_two_levels_below(tmp_path):
    for name in ("dsva/division-0_seed-1/best", "dsva/division-0_seed-1/validation/best"):
        file = tmp_path / f"{name}.safetensors"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    with pytest.raises(InputError, match="holds several runs: name one of dsva/division-0_seed-1 in it"):
        chosen_checkpoint(tmp_path)


def test_a_run_without_a_checkpoint_and_an_unfinished_one_are_called_so(tmp_path, capsys):
    (tmp_path / "options.json").write_text(json.dumps({"options": {"protocol": "paper"}}))
    with pytest.raises(InputError, match="has no checkpoint yet: the same command of main.py goes on"):
        chosen_checkpoint(tmp_path)
    (tmp_path / "best.safetensors").touch()
    chosen_checkpoint(tmp_path)
    assert "best.safetensors; the run is unfinished" in capsys.readouterr().out


def test_a_clean_run_that_has_not_come_to_its_epoch_is_not_replaced_by_the_best_on_test_images(tmp_path):
    write_run(tmp_path / "validation", "best.safetensors", "last.safetensors")
    write_run(tmp_path, "best.safetensors", "last.safetensors", protocol="clean")
    with pytest.raises(InputError, match="no clean.safetensors yet, .* one of best.safetensors, last.saf"):
        chosen_checkpoint(tmp_path)


@pytest.mark.parametrize(
    "protocol, which",
    [("paper", "best.* is the best of the tested"), ("clean", "clean.* the clean protocol")],
)
def test_a_run_of_which_no_epoch_was_tested_yet(tmp_path, protocol, which):
    write_run(tmp_path, "last.safetensors", protocol=protocol)
    with pytest.raises(InputError, match=f"no {which}.*: let the run end, or name one of last.safetensors"):
        chosen_checkpoint(tmp_path)


def test_every_program_that_asks_for_a_checkpoint_takes_a_run_folder(place, tmp_path, capsys):
    folder = place / "run"
    shutil.copy(place / "RSSDIVCS" / "Class3" / "image_9.png", tmp_path / "photo.png")
    for program in (predict, visualize, held_out):
        words = ["--resume", str(folder), "--device", "cpu"]
        if program is predict:
            words += [
                str(tmp_path / "photo.png"),
                "--workers",
                "0",
                "--output",
                str(tmp_path / "predictions"),
            ]
        elif program is visualize:
            words += ["--images", str(tmp_path / "photo.png"), "--output", str(tmp_path / "maps")]
        else:
            words += ["--workers", "0", "--pictures", "1"]
        program.main(words)
        assert f"note: {folder} stands for its best.safetensors" in capsys.readouterr().out
    recorded = json.loads((tmp_path / "predictions" / "options.json").read_text())
    assert recorded["options"]["resume"] == str(folder / "best.safetensors")
    opt = get_options(["--eval", "--resume", str(folder)])
    assert opt.resume == str(folder / "best.safetensors") and opt.dataset == "RSSDIVCS"


def test_no_note_is_printed_where_a_checkpoint_is_named(place, capsys):
    get_options(["--eval", "--resume", str(place / "run" / "last.safetensors")])
    assert "stands for" not in capsys.readouterr().out

"""Defaults that a small dataset does not allow are lowered, and said so; what the user gave is an error."""

import json

import pytest

from helpers import QUICK, fails, run
from runs.command_line import get_options
from tiny_data import write_dataset

DEFAULTS = QUICK.replace("--ways 3 --shots 2 ", "").replace("--nepoch 3", "--nepoch 1")


@pytest.fixture(scope="module")
def places(clip, tmp_path_factory) -> dict:
    """Five seen classes, of which each has two images that train and are not tested."""
    root = write_dataset(tmp_path_factory.mktemp("small"), seen=5, unseen=2, per_class=3)
    return {"root": root, "clip": clip}


def options(folder) -> dict:
    return json.loads((folder / "options.json").read_text())["options"]


def test_the_given_options_are_known():
    given = get_options(["--ways=8", "--gzsl", "--no-additional_loss", "--cuda", "--nepoch", "30"]).given
    assert given == ["additional_loss", "gzsl", "nepoch", "no_effect", "ways"]
    assert get_options([]).given == [] and get_options([]).ways == 8


def test_defaults_are_lowered_with_a_line_each(places, tmp_path, capsys):
    run(f"{DEFAULTS} --gzsl --protocol clean", output=tmp_path / "run", **places)
    notes = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: --")]
    there = " in the validation training of --protocol clean, where 1 of 5 plays an unseen one"
    assert notes == [
        "note: --ways 8 is larger than the number of seen classes, 5: it is 5",
        "note: --shots 3 is larger than the class Class2, which has 2 training images: it is 2",
        f"note: --ways 5 is larger than the number of seen classes, 4{there}: it is 4 there",
        f"note: --shots 2 is larger than the class Class2, which has 1 training image{there}: it is 1 there",
    ]
    trained, chosen = options(tmp_path / "run"), options(tmp_path / "run" / "validation")
    assert (trained["ways"], trained["shots"], chosen["ways"], chosen["shots"]) == (5, 2, 4, 1)
    assert "given" not in trained


def test_the_same_command_goes_on_and_a_repetition_agrees(places, tmp_path, capsys):
    words = f"{DEFAULTS} --gzsl --protocol clean"
    run(words, output=tmp_path / "run", **places)
    run(words, output=tmp_path / "run", **places)
    run(f"{words} --ways 5 --shots 3".replace("--protocol clean", ""), output=tmp_path / "given", **places)
    run(words.replace("--protocol clean", ""), output=tmp_path / "given", **places)  # the same run
    capsys.readouterr()
    run("--device cpu", repeat=tmp_path / "run" / "results.json", **places)
    printed = capsys.readouterr().out
    assert "numbers agree exactly" in printed and "not as recorded" not in printed


def test_several_divisions_are_lowered_each_and_repeated(places, tmp_path, capsys):
    run(f"{DEFAULTS} --random_id all", output=tmp_path / "run", **places)
    assert capsys.readouterr().out.count("note: --ways 8") == 1
    run("--device cpu", repeat=tmp_path / "run" / "results.json", **places)
    printed = capsys.readouterr().out
    assert "numbers agree exactly" in printed and "not as recorded" not in printed


def test_a_saved_model_goes_on_with_what_it_was_trained_with(places, tmp_path):
    run(DEFAULTS, output=tmp_path / "run", **places)
    run("--nepoch 2", resume=tmp_path / "run" / "last.safetensors", output=tmp_path / "more", **places)
    assert options(tmp_path / "more")["ways"] == 5


@pytest.mark.parametrize(
    "words, message",
    [
        ("--ways 8", "--ways 8 is larger than the number of seen classes, 5: expected at most 5"),
        ("--shots 6", "--shots 6 is larger than the class Class2, which has 3 training images: expected"),
        (
            "--ways 5 --protocol clean --gzsl",
            "--ways 5 is larger than the number of seen classes, 4 in the validation training of "
            "--protocol clean, where 1 of 5 plays an unseen one: expected at most 4",
        ),
        (
            "--ways 4 --protocol clean",
            "--ways 4 is larger than the number of seen classes, 3 in the validation training of "
            "--protocol clean, where 2 of 5 play unseen ones: expected at most 3",
        ),
    ],
)
def test_what_the_user_gave_is_an_error(places, tmp_path, capsys, words, message):
    assert message in fails(capsys, f"{DEFAULTS} {words}", output=tmp_path / "run", **places)
    assert not (tmp_path / "run").exists()


def test_shuffled_batches_ask_nothing_of_a_class(places, tmp_path, capsys):
    run(f"{DEFAULTS} --train_mode random", output=tmp_path / "run", **places)
    assert "--ways" not in capsys.readouterr().out and options(tmp_path / "run")["ways"] == 8

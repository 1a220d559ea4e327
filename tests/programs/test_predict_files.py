"""The files that predict.py leaves, and how it goes on with them."""

import csv
import os
import shutil
from pathlib import Path

import pytest

from data.pipeline import load_image
from helpers import contents, predicted, refusal, write_lines
from helpers import predict_with as run
from inference import predictions


@pytest.fixture(scope="module")
def finished(place, photos, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("finished") / "predictions"
    run(place, photos, "--output", output)
    return output


# ---- the files -------------------------------------------------------------------------------------


def test_images_keep_the_order_of_their_names_with_any_number_of_workers(place, photos, finished, tmp_path):
    images = [Path(line["image"]) for line in predicted(finished)]
    assert images == sorted(photos.rglob("[!.]*.png")) and len(images) == 9
    run(place, photos, "--workers", 2, "--batch_size", 2, "--output", tmp_path / "two")
    run(place, photos, "--workers", 0, "--batch_size", 2, "--output", tmp_path / "none")
    assert contents(tmp_path / "two") == contents(tmp_path / "none")
    assert [line["image"] for line in predicted(tmp_path / "two")] == [str(image) for image in images]


def test_the_table_holds_what_the_lines_hold(finished):
    with open(finished / "predictions.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row, line in zip(rows, predicted(finished)):
        assert row["image"] == line["image"] and row["error"] == line.get("error", "")
        for place, entry in enumerate(line.get("classes", []), 1):
            for key in ("calibrated_score", "probability"):
                assert float(row[f"{key}_{place}"]) == entry[key]
            assert row[f"class_{place}"] == entry["class"]
        for place, entry in enumerate(line.get("attributes", []), 1):
            assert row[f"attribute_{place}"] == entry["attribute"]
            for key in ("score", "contribution"):
                assert float(row[f"{key}_{place}"]) == entry[key]
    assert len(rows) == len(predicted(finished)) and list(rows[0]) == [
        "image",
        *("class_1", "calibrated_score_1", "probability_1"),
        *("class_2", "calibrated_score_2", "probability_2"),
        *("class_3", "calibrated_score_3", "probability_3"),
        *("attribute_1", "score_1", "contribution_1"),
        *("attribute_2", "score_2", "contribution_2"),
        *("attribute_3", "score_3", "contribution_3"),
        *("rest", "logit_difference"),
        "error",
    ]


def test_unreadable_images_are_listed_and_counted(place, photos, tmp_path, capsys):
    run(place, photos, "--output", tmp_path / "out")
    printed = capsys.readouterr().out
    assert (
        "9 images, 1 of them unreadable" in printed
        and f"cannot read the image {photos / 'broken.png'}" in printed
    )
    (broken,) = (line for line in predicted(tmp_path / "out") if "error" in line)
    assert broken["image"] == str(photos / "broken.png") and "classes" not in broken


def test_strict_makes_an_error_of_them_once_all_others_are_done(place, photos, finished, tmp_path, capsys):
    assert "1 of 9 images could not be read" in refusal(
        capsys, run, place, photos, "--strict", "--output", tmp_path
    )
    assert contents(tmp_path) == contents(finished)


def test_no_readable_image_is_an_error(place, photos, tmp_path, capsys):
    assert "1 of 1 image could not be read" in refusal(
        capsys, run, place, photos / "broken.png", "--output", tmp_path
    )


def test_any_bytes_are_a_file_name(place, photos, tmp_path):
    name = os.fsencode(tmp_path / "in") + b'/\xff, \n"\xc3\xa9.png'
    (tmp_path / "in").mkdir()
    shutil.copy(photos / "b" / "1.png", name)
    run(place, tmp_path / "in", "--output", tmp_path / "out")
    run(place, tmp_path / "in", "--output", tmp_path / "out")
    assert (
        os.fsencode(predicted(tmp_path / "out")[0]["image"]) == name
        and name.replace(b'"', b'""') in contents(tmp_path / "out")[1]
    )


# ---- going on --------------------------------------------------------------------------------------


@pytest.mark.parametrize("torn_off", [1, 300, 1100, 1800, 0.9999, 1.0])
def test_a_torn_output_is_gone_on_with_to_the_same_bytes(
    place, photos, finished, tmp_path, torn_off, monkeypatch
):
    shutil.copytree(finished, tmp_path / "out")
    size = len(contents(finished)[0])
    os.truncate(
        tmp_path / "out" / "predictions.jsonl",
        int(size * (1 - torn_off)) if isinstance(torn_off, float) else size - torn_off,
    )
    os.truncate(tmp_path / "out" / "predictions.csv", 77)
    decoded = []

    def load_and_count(file, how):
        decoded.append(file)
        return load_image(file, how)

    monkeypatch.setattr(predictions, "load_image", load_and_count)
    run(place, photos, "--output", tmp_path / "out")
    assert contents(tmp_path / "out") == contents(finished)
    assert len(decoded) in (3, 6, 9)  # whole batches, of what was not there


def test_interrupted_it_leaves_whole_files_and_goes_on(
    place, photos, finished, tmp_path, capsys, monkeypatch
):
    write = predictions.Predictions.write

    def write_one_batch(self, batch):
        write(self, batch)
        raise KeyboardInterrupt

    monkeypatch.setattr(predictions.Predictions, "write", write_one_batch)
    with pytest.raises(SystemExit) as stop:
        run(place, photos, "--output", tmp_path)
    assert stop.value.code == 130 and "interrupted" in capsys.readouterr().err
    assert [len(content.splitlines()) for content in contents(tmp_path)] == [3, 4]
    monkeypatch.undo()
    run(place, photos, "--output", tmp_path)
    assert "3 of 9 images are there already" in capsys.readouterr().out
    assert contents(tmp_path) == contents(finished)


def test_a_finished_one_says_so_and_takes_new_images_at_its_end(place, photos, tmp_path, capsys):
    shutil.copytree(photos, tmp_path / "in")
    run(place, tmp_path / "in", "--output", tmp_path / "out")
    before = contents(tmp_path / "out")
    run(place, tmp_path / "in", "--output", tmp_path / "out")
    assert (
        "note: 9 of 9 images are there already" in capsys.readouterr().out
        and contents(tmp_path / "out") == before
    )
    shutil.copy(photos / "b" / "1.png", tmp_path / "in" / "z.png")
    run(place, tmp_path / "in", "--output", tmp_path / "out")
    assert contents(tmp_path / "out")[0].startswith(before[0]) and len(predicted(tmp_path / "out")) == 10


def test_images_that_are_no_longer_the_first_ones_are_refused(place, photos, finished, tmp_path, capsys):
    shutil.copytree(finished, tmp_path / "out")
    error = refusal(capsys, run, place, photos / "b", "--output", tmp_path / "out")
    assert "line 1 is" in error and str(photos / "b" / "1.png") in error
    assert contents(tmp_path / "out") == contents(finished)


@pytest.mark.parametrize(
    "words, message",
    [(["--top", "1"], "--top 3, now 1"), (["--classes", "unseen"], "--classes all, now unseen")],
)
def test_another_prediction_in_the_folder_is_refused_with_the_difference(
    place, photos, finished, capsys, words, message
):
    before = contents(finished)
    assert message in refusal(capsys, run, place, photos, "--output", finished, *words)
    assert contents(finished) == before


def test_lines_of_an_earlier_version_without_scores_are_not_mixed_with_others(
    place, photos, tmp_path, capsys
):
    run(place, photos / "b", "--output", tmp_path)
    file = tmp_path / "predictions.jsonl"
    former = predicted(tmp_path)
    for line in former:
        for entry in line["classes"]:
            del entry["calibrated_score"]
    write_lines(file, former)
    assert "line 1 has no calibrated_score" in refusal(capsys, run, place, photos / "b", "--output", tmp_path)


def test_values_that_have_changed_are_another_prediction(place, photos, tmp_path, capsys):
    words = photos / "b", "--class_values", tmp_path / "values.json", "--output", tmp_path / "out"
    (tmp_path / "values.json").write_text('{"dunes": {"sand": 2, "ships": 1}}')
    run(place, *words)
    (tmp_path / "values.json").write_text('{"dunes": {"sand": 2, "ships": 0}}')
    assert "the classes' attributes have changed" in refusal(capsys, run, place, *words)

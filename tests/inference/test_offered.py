"""What a page can choose from, and that what is loaded is kept, and shared, and never out of date."""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from inference import NewClass, load_clip, load_run, parse
from inference.offered import MOST_LOADED, Kept, Models, Offer, find_clips, find_finished_runs, named_offer
from support.errors import InputError


def finished(folder: Path, time: int) -> Path:
    folder.mkdir(parents=True)
    (folder / "best.safetensors").touch()
    (folder / "results.json").write_text(json.dumps({"last": {}}))
    os.utime(folder / "results.json", (time, time))
    return folder


# ---- what is found ---------------------------------------------------------------------------------


def test_finished_runs_are_found_the_newest_first(tmp_path):
    old = finished(tmp_path / "old", 1000)
    finished(tmp_path / "photos" / "division-0_seed-1", 3000)
    finished(tmp_path / "new", 2000)
    finished(old / "validation", 4000)  # is part of its run
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "log.jsonl").touch()
    baseline = tmp_path / "baseline"
    baseline.mkdir()
    (baseline / "results.json").write_text(json.dumps({"scores": {}}))
    found = find_finished_runs(tmp_path)
    assert [offer.name for offer in found] == ["photos/division-0_seed-1", "new", "old"]
    assert all(offer.is_run for offer in found)
    assert find_finished_runs(tmp_path / "nothing") == []


def test_runs_of_a_check_of_the_gpu_are_not_offered_wherever_it_was_written(tmp_path):
    """They are of random pictures, and the newest: they would be what the page begins with."""
    finished(tmp_path / "mine", 1000)
    finished(tmp_path / "in_full" / "01_zsl", 500)
    for name in ("gpu_check", "by/hand"):
        finished(tmp_path / name / "in_full" / "03_zsl_60_10", 2000)
        (tmp_path / name / "gpu.json").write_text("{}")
    assert [offer.name for offer in find_finished_runs(tmp_path)] == ["mine", "in_full/01_zsl"]
    assert find_finished_runs(tmp_path / "gpu_check") == []


def test_a_run_itself_may_be_the_folder(tmp_path):
    assert [offer.name for offer in find_finished_runs(finished(tmp_path / "run", 1))] == ["run"]


def test_clips_are_found_and_the_one_of_drawn_scenes_is_the_last(tmp_path, place):
    for name in ("clip-demo", "mine", "zoo"):
        shutil.copytree(place / "clip", tmp_path / name)
    (tmp_path / "no_weights").mkdir()
    (tmp_path / "no_weights" / "config.json").touch()
    assert [offer.name for offer in find_clips(tmp_path)] == ["mine", "zoo", "clip-demo"]
    assert find_clips(tmp_path / "nothing") == []


# ---- what is loaded --------------------------------------------------------------------------------


def test_the_numbers_are_those_of_load_run(models, run_offer, place, pictures):
    alone = load_run(place / "run", "cpu")
    for own in ("all", "unseen"):
        expected = alone.among(own).with_classes("wind farm", "quay: long walls").predict(pictures)
        added = [parse("wind farm"), parse("quay: long walls")]
        found = models.classifier(run_offer, own, added).predict(pictures)
        assert found.class_names == expected.class_names
        np.testing.assert_array_equal(found.scores, expected.scores)
        np.testing.assert_array_equal(found.contributions, expected.contributions)


def test_by_default_the_candidates_are_those_of_the_runs_own_test(models, run_offer, place):
    found = models.classifier(run_offer).candidates
    assert found.names == load_run(place / "run", "cpu").candidates.names


def test_the_numbers_are_those_of_load_clip(models, clip_offer, place, pictures):
    expected = load_clip(place / "clip", ["airport", "port: ships, piers"], device="cpu").predict(pictures)
    found = models.classifier(clip_offer, None, [parse("airport"), parse("port: ships, piers")])
    np.testing.assert_array_equal(found.predict(pictures).probabilities, expected.probabilities)


def test_a_class_by_pictures(models, run_offer, place, pictures):
    new = NewClass("port", "port", tuple(map(str, pictures[:5])))
    expected = load_run(place / "run", "cpu").with_classes(new).predict(pictures)
    np.testing.assert_array_equal(
        models.classifier(run_offer, None, [new]).predict(pictures).scores, expected.scores
    )


def test_weights_are_loaded_once_and_the_same_choice_is_made_once(models, run_offer, clip_offer):
    port, quay = [parse("port")], [parse("quay")]
    assert models.run(run_offer) is models.run(run_offer)
    assert models.classifier(run_offer, "all", port) is models.classifier(run_offer, "all", port)
    with_port, with_quay = (
        models.classifier(run_offer, "all", port),
        models.classifier(run_offer, "all", quay),
    )
    assert with_port is not with_quay and with_port.run is with_quay.run
    alone = models.classifier(clip_offer, None, port), models.classifier(clip_offer, None, quay)
    assert alone[0] is not alone[1] and alone[0].clip is alone[1].clip


def test_only_the_last_few_are_kept():
    kept, made = Kept(2), []
    for name in "aabcaba":
        kept.get(name, lambda name=name: made.append(name))
    assert made == list("abcab") and MOST_LOADED > 1


def test_a_run_that_has_changed_is_loaded_anew_and_one_that_is_gone_is_said_to_be(place, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(place / "run", folder)
    offer, models = Offer("my run", folder, is_run=True), Models("cpu")
    before = models.run(offer)
    for file in folder.glob("*.safetensors"):
        os.utime(file, (1, 1))
    assert models.run(offer) is not before
    shutil.rmtree(folder)
    with pytest.raises(InputError, match="my run is not there any more"):
        models.classifier(offer, "all", [])


def test_a_clip_that_is_gone(tmp_path):
    with pytest.raises(InputError, match="x is not there any more"):
        Models("cpu").classifier(Offer("x", tmp_path / "x", is_run=False), None, [parse("port")])


def test_one_that_is_named_and_was_never_there(tmp_path):
    for is_run in (True, False):
        with pytest.raises(InputError, match="x is not there: check its name"):
            named_offer(tmp_path / "x", is_run)
    assert named_offer(tmp_path, is_run=True).name == "/".join(tmp_path.parts[-2:])


def test_another_clip_reads_added_classes_if_the_runs_own_is_gone(place, tmp_path, run_offer):
    models = Models("cpu", clip=tmp_path / "clip")
    models.run(run_offer).run.data.provenance["clip"] = str(tmp_path / "nowhere")
    with pytest.raises(InputError):
        models.classifier(run_offer, "all", [parse("wind farm")])
    shutil.copytree(place / "clip", tmp_path / "clip")
    assert "wind farm" in models.classifier(run_offer, "all", [parse("wind farm")]).candidates.names


@pytest.mark.parametrize(
    "own, added, message",
    [
        ("none", [], "no class is left to choose from"),
        ("all", ["Class1"], "Class1 is a class of the run"),
        ("all", ["port", "Port"], "is named twice"),
    ],
)
def test_classes_that_cannot_be(models, run_offer, own, added, message):
    with pytest.raises(InputError, match=message):
        models.classifier(run_offer, own, [parse(name) for name in added])


def test_a_clip_alone_needs_classes(models, clip_offer):
    with pytest.raises(InputError, match="type some, one a line"):
        models.classifier(clip_offer)


def test_visitors_at_once_do_not_mix(models, run_offer, clip_offer, pictures):
    """Each thread asks for classes of its own, with a run and with a CLIP alone."""

    def ask(number):
        offer, own = (run_offer, "none") if number % 2 else (clip_offer, None)
        added = [parse(f"kind {number}"), parse(f"other {number}: piers, ships")]
        with models.busy:
            found = models.classifier(offer, own, added).predict(pictures[:2])
        return found.class_names

    with ThreadPoolExecutor(8) as threads:
        names = list(threads.map(ask, range(16)))
    assert names == [[f"kind {number}", f"other {number}"] for number in range(16)]

"""What the page of app.py says of a run and of its dataset, and the pictures that it offers."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from app_reader import words_of
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from inference.offered import Models, Offer
from pages import app_dataset, app_page
from pages.app_dataset import find_examples
from pages.app_page import Asked, name_picture


def test_a_run_is_described_and_its_own_classes_can_be_chosen(models, run_offer, clip_offer):
    about, own, first = app_page.describe_offer(models, run_offer)
    assert words_of(about) == (
        "A run trained on 9 images (RSSDIVCS): 3 classes seen in training, 2 never seen, 5 attributes."
    )
    assert [value for _, value in own] == ["all", "unseen", "none"] and first == "all"
    about, own, _ = app_page.describe_offer(models, clip_offer)
    assert "classes that you type" in about and "drawn" not in about and own == []


def drawn_run(place, folder) -> Path:
    """A run on a dataset of make_demo.py."""
    shutil.copytree(place / "RSSDIVCS", folder / "my_demo")
    (folder / "my_demo" / "make_demo.json").touch()
    shutil.copytree(place / "run", folder / "run")
    for file in (folder / "run").glob("*.safetensors"):
        weights = load_file(file)
        with safe_open(file, "pt") as stored:
            facts = stored.metadata()
        options = {**json.loads(facts["options"]), "root": str(folder), "dataset": "my_demo"}
        save_file(weights, file, {**facts, "options": json.dumps(options)})
    return folder / "run"


def test_who_has_a_photograph_is_told_that_a_run_knows_drawn_scenes_alone(models, place, tmp_path, pictures):
    drawn = Offer("a run", drawn_run(place, tmp_path), is_run=True)
    about, _, _ = app_page.describe_offer(models, drawn)
    assert words_of(about).startswith(
        "A run trained on 9 drawn scenes (my_demo), and no photograph: 3 classes"
    )
    doubt = "has never seen a photograph: of one, its answer means little."
    assert doubt in name_picture(models, Asked(drawn, pictures[0]))
    assert doubt not in name_picture(models, Asked(drawn, pictures[0], "Class1"))  # an example


def test_so_is_who_chooses_the_clip_of_drawn_scenes(models, place, tmp_path, pictures):
    shutil.copytree(place / "clip", tmp_path / "clip-demo")
    demo = Offer("clip-demo", tmp_path / "clip-demo", is_run=False)
    assert "drawn scenes, and no photograph" in app_page.describe_offer(models, demo)[0]
    assert "has never seen a photograph" in name_picture(models, Asked(demo, pictures[0], typed="a\nb"))


def test_a_run_whose_dataset_is_gone_says_what_it_still_knows(place, tmp_path, pictures):
    drawn = Offer("a run", drawn_run(place, tmp_path), is_run=True)
    shutil.rmtree(tmp_path / "my_demo")
    models = Models("cpu")
    about, _, _ = app_page.describe_offer(models, drawn)
    assert "A run trained on images (my_demo): 3 classes" in words_of(about)


@pytest.mark.parametrize("name, is_drawn", [("demo_images.mat", True), ("61_images.mat", False)])
def test_if_the_dataset_is_gone_the_name_of_its_list_tells_whether_it_was_drawn(tmp_path, name, is_drawn):
    files = SimpleNamespace(images_mat=tmp_path / "gone" / "files" / name)
    run = SimpleNamespace(dataset=SimpleNamespace(settings=SimpleNamespace(files=files)))
    assert app_dataset.is_demo(run) == is_drawn and app_dataset.name_of_dataset(run) == "gone"


def test_examples_are_test_images_the_unseen_classes_first(models, run_offer, clip_offer, place):
    found = find_examples(models, [clip_offer, run_offer], run_offer)
    assert [example.label for example in found] == [f"Class{c}" for c in range(5)]
    assert all(example.file.parent.name == example.label for example in found)
    data = models.run(run_offer).run.dataset.load()
    tested = {data.image_paths[n] for n in [*data.splits["test_seen_loc"], *data.splits["test_unseen_loc"]]}
    assert {example.file for example in found} <= tested
    assert find_examples(models, [clip_offer, run_offer], clip_offer) == found
    assert find_examples(models, [clip_offer], clip_offer) == []
    sizes = {image.size for image in app_dataset.thumbnails(found)}
    assert sizes == {(48, 40)}


def test_an_example_that_is_gone_has_an_empty_thumbnail(tmp_path):
    (image,) = app_dataset.thumbnails([app_dataset.Example(tmp_path / "gone.png", "port")])
    assert image.getpixel((0, 0)) == (128, 128, 128)

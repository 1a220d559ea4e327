"""The demo generator: deterministic, exact about its attributes, in the published format, naming no class."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat

ROOT = Path(__file__).resolve().parents[2] / "RSSDIVCS"
sys.path.insert(0, str(ROOT))

from demo.attributes import ATTRIBUTES, GROUPS, INDEX, NOTABLE, pack_masks, read_masks  # noqa: E402
from demo.classes import CLASSES  # noqa: E402
from demo.published import COMMON, DESCRIBED  # noqa: E402
from demo.scene import Scene  # noqa: E402

PER_CLASS, UNSEEN, DIVISIONS = 6, 6, 3


def make(*args):
    """Run the program; its exit code and what it said on stderr."""
    command = [sys.executable, str(ROOT / "make_demo.py"), *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stderr


def content(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def read_lines(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def indices(splits, name, k):
    """The 1-based images of a part of division k."""
    return set(splits[f"{name}_{k}"].ravel().tolist())


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "out"
    counts = ["--per_class", PER_CLASS, "--divisions", DIVISIONS, "--unseen", UNSEEN]
    assert make("--out", out, "--size", 112, *counts) == (0, "")
    return out


@pytest.fixture(scope="module")
def images(demo):
    return loadmat(demo / "files" / "demo_images.mat")


@pytest.fixture(scope="module")
def splits(demo):
    return loadmat(demo / "files" / "ann_attr_demo_splits.mat")


@pytest.fixture(scope="module")
def paths(demo, images):
    """Image paths as the published readers find them."""
    return [demo / str(name).strip().split("RSSDIVCS/")[1] for name in images["image_files"]]


@pytest.fixture(scope="module")
def masks(demo, paths):
    return [read_masks(demo / "masks" / path.parent.name / f"{path.stem}.npz") for path in paths]


@pytest.fixture(scope="module")
def compositions(tmp_path_factory):
    """Random compositions: the folder, and the captions of every image."""
    out = tmp_path_factory.mktemp("random") / "out"
    assert make("--random", 60, "--out", out, "--size", 112) == (0, "")
    return out, [read_lines(out / f"captions_{part}.jsonl") for part in ("train", "test")]


# determinism and resuming


def test_files_are_the_same_on_any_number_of_workers_and_after_an_interruption(tmp_path):
    for name, workers in (("one", 1), ("two", 2)):
        assert make("--out", tmp_path / name, "--per_class", 1, "--size", 64, "--workers", workers) == (0, "")
    expected = content(tmp_path / "one")
    assert expected == content(tmp_path / "two")
    for lost in ("Beach/beach_1.jpg", "masks/River/river_1.npz", "files/demo_images.mat"):
        (tmp_path / "two" / lost).unlink()
    kept = (tmp_path / "two" / "Airport" / "airport_1.jpg").stat().st_mtime_ns
    assert make("--out", tmp_path / "two", "--per_class", 1, "--size", 64) == (0, "")
    assert content(tmp_path / "two") == expected
    assert (tmp_path / "two" / "Airport" / "airport_1.jpg").stat().st_mtime_ns == kept


def test_another_seed_draws_other_images():
    pictures = []
    for seed in (0, 1):
        scene = Scene(np.random.default_rng([seed, 0, 1]))
        CLASSES["Airport"](scene)
        pictures.append(scene.photograph(64)[0])
    assert (pictures[0] != pictures[1]).mean() > 0.5


def test_captions_and_compositions_are_deterministic(tmp_path):
    for name, workers in (("one", 1), ("two", 2)):
        assert make("--random", 12, "--out", tmp_path / name, "--size", 64, "--workers", workers) == (0, "")
    assert content(tmp_path / "one") == content(tmp_path / "two")


# attributes and masks


def test_there_are_enough_classes_and_attributes_in_the_published_groups(demo):
    assert len(CLASSES) >= 24
    assert len(ATTRIBUTES) >= 28
    assert len(set(ATTRIBUTES)) == len(ATTRIBUTES)
    groups = json.loads((demo / "files" / "attri_group_3.json").read_text())
    assert {group: tuple(ATTRIBUTES[i] for i in index) for group, index in groups.items()} == GROUPS
    assert sorted(sum(groups.values(), [])) == list(range(len(ATTRIBUTES)))


def test_masks_come_back_as_they_were_packed(tmp_path):
    label = np.array([[0, 1], [2, 1]], np.uint8)
    kinds = [("water", "rippled"), ("sand",), ("runway", ATTRIBUTES[-1])]
    (tmp_path / "m.npz").write_bytes(pack_masks(label, kinds))
    masks = read_masks(tmp_path / "m.npz")
    assert masks.shape == (len(ATTRIBUTES), 2, 2)
    assert masks.dtype == bool
    expected = np.zeros_like(masks)
    for name in ("water", "rippled"):
        expected[INDEX[name], 0, 0] = True
    expected[INDEX["sand"], :, 1] = True
    for name in ("runway", ATTRIBUTES[-1]):
        expected[INDEX[name], 1, 0] = True
    assert (masks == expected).all()


def test_what_is_drawn_later_hides_what_lay_there_in_picture_and_mask():
    scene = Scene(np.random.default_rng(0))
    below = np.array([(0, 0), (448, 0), (448, 448), (0, 448)])
    above = np.array([(100, 100), (300, 100), (300, 300), (100, 300)])
    scene.polygon(below, (10, 20, 200), ("water",))
    scene.polygon(above, (240, 10, 10), ("sand", "shiny"))
    label, rgb = np.asarray(scene.label), np.asarray(scene.rgb)
    sand = label == scene.kind(("sand", "shiny"))
    assert sand.sum() == 201 * 201
    assert (rgb[sand] == (240, 10, 10)).all()
    assert (rgb[~sand] == (10, 20, 200)).all()
    assert (label[~sand] == scene.kind(("water",))).all()


def test_every_pixel_has_an_attribute_and_every_attribute_occurs(masks):
    assert all(mask.shape == (len(ATTRIBUTES), 112, 112) and mask.any(0).all() for mask in masks)
    assert np.any([mask.any((1, 2)) for mask in masks], axis=0).all()


def test_true_attributes_are_the_share_of_images_that_show_them(images, splits, masks):
    present = np.array([mask.mean((1, 2)) >= NOTABLE for mask in masks])
    labels = images["labels"].ravel()
    for c in range(len(CLASSES)):
        assert np.allclose(splits["att_true"][:, c], present[labels == c + 1].mean(0))


# the published format


def test_images_are_listed_class_by_class_with_1_based_labels(images, paths):
    assert images["labels"].ravel().tolist() == [c + 1 for c in range(len(CLASSES)) for _ in range(PER_CLASS)]
    assert all(str(name).startswith("RSSDIVCS/") for name in images["image_files"])
    assert [path.parent.name for path in paths] == [name for name in CLASSES for _ in range(PER_CLASS)]
    with Image.open(paths[0]) as image:
        assert image.format == "JPEG" and image.mode == "RGB" and image.size == (112, 112)


def test_class_attributes_are_standardised_then_of_unit_norm(splits):
    true, matrix = splits["att_true"], splits["att"]
    assert matrix.shape == (len(ATTRIBUTES), len(CLASSES)) and np.allclose((matrix**2).sum(0), 1)
    standard = (true - true.mean(1, keepdims=True)) / true.std(1, keepdims=True)
    assert np.allclose(matrix, standard / np.linalg.norm(standard, axis=0))
    assert [str(cell[0][0]) for cell in splits["allclasses_names"]] == list(CLASSES)
    assert [str(cell[0][0]) for cell in splits["attribute_names"]] == list(ATTRIBUTES)


@pytest.mark.parametrize("k", range(DIVISIONS))
def test_a_division_parts_the_images_as_published(splits, images, k):
    train = indices(splits, "train_gzsl_loc", k)
    seen = indices(splits, "test_seen_loc", k)
    unseen = indices(splits, "test_unseen_loc", k)
    assert train == indices(splits, "train_zsl_loc", k)
    assert not train & (seen | unseen)  # no test image is trained on, in ZSL or GZSL
    assert not seen & unseen
    described = set(range(1, len(CLASSES) * PER_CLASS + 1)) - train - seen - unseen
    assert len(described) == UNSEEN * round(PER_CLASS * DESCRIBED)  # these stand for the unseen classes
    assert len(train) == (len(CLASSES) - UNSEEN) * round(0.8 * PER_CLASS)
    labels = images["labels"].ravel()
    names = {list(CLASSES)[labels[i - 1] - 1] for i in unseen}
    assert names == {list(CLASSES)[labels[i - 1] - 1] for i in described} or not described
    assert names == {str(cell[0][0]) for cell in splits[f"unseen_classes_{k}"]} and len(names) == UNSEEN


@pytest.mark.parametrize("k", range(DIVISIONS))
def test_validation_divides_the_training_images_once_more(demo, splits, images, k):
    held_out = loadmat(demo / "files" / "ann_attr_demo_val_splits.mat")
    labels = images["labels"].ravel()
    train = indices(held_out, "train_zsl_loc", k)
    seen = indices(held_out, "test_seen_loc", k)
    unseen = indices(held_out, "test_unseen_loc", k)
    everything = indices(splits, "train_zsl_loc", k)
    described = everything - train - seen - unseen
    assert train | seen | unseen < everything

    def classes(images):
        return {labels[i - 1] for i in images}

    assert classes(described) <= classes(unseen)
    assert len(classes(unseen)) == UNSEEN
    assert not classes(unseen) & classes(train | seen)


@pytest.mark.parametrize("k", range(DIVISIONS))
def test_unseen_classes_share_their_attributes_with_seen_ones(splits, k):
    names = {str(cell[0][0]) for cell in splits[f"unseen_classes_{k}"]}
    unseen = np.array([name in names for name in CLASSES])
    common = splits["att_true"] >= COMMON
    assert (common[:, ~unseen].any(1) | ~common[:, unseen].any(1)).all()


# mean colour tells little


def test_classes_are_not_told_apart_by_mean_colour(paths):
    colour = np.array([np.asarray(Image.open(path)).mean((0, 1)) for path in paths])
    colour = colour.reshape(len(CLASSES), PER_CLASS, 3)
    means = colour.mean(1)
    nearest = ((colour[:, :, None] - means) ** 2).sum(-1).argmin(-1)
    assert (nearest == np.arange(len(CLASSES))[:, None]).mean() < 0.3
    within = np.mean([np.cov(c.T) for c in colour], axis=0)
    apart = np.array([[np.sqrt((a - b) @ np.linalg.solve(within, a - b)) for a in means] for b in means])
    assert apart.max() < 4  # deviations; a Gaussian pair 3.76 apart is split with 0.97 accuracy


# captions


def test_captions_never_name_a_class(compositions):
    _, parts = compositions

    def singular(word):
        return word.lower().rstrip("s")

    allowed = {singular(word) for name in ATTRIBUTES for word in name.split()}
    words = {name: [w.lower() for w in re.findall("[A-Z][a-z]+", name)] for name in CLASSES}
    forbidden = {singular(word) for name in words.values() for word in name} - allowed
    assert {"airport", "harbor", "beach", "farmland", "residential", "stadium"} <= forbidden
    for line in sum(parts, []):
        for caption in line["captions"]:
            assert not forbidden & {singular(word) for word in re.findall(r"\w+", caption)}, caption
            assert not any(" ".join(name) in caption for name in words.values() if len(name) > 1), caption


def test_captions_name_attributes_that_the_image_shows(compositions):
    out, parts = compositions
    for line in sum(parts, [])[:40]:
        shares = read_masks(out / "masks" / Path(line["image"]).with_suffix(".npz")).mean((1, 2))
        shown = shares > 0
        assert (out / line["image"]).exists()
        assert line["captions"][5:] == [name for name, share in zip(ATTRIBUTES, shares) if share >= NOTABLE]
        for caption in line["captions"]:
            named = [name for name in ATTRIBUTES if re.search(rf"\b{name}\b", caption)]
            assert all(shown[INDEX[name]] for name in named), caption


def test_a_share_of_the_compositions_is_held_out(compositions):
    _, (train, test) = compositions
    assert (len(train), len(test)) == (54, 6)
    assert not {line["image"] for line in train} & {line["image"] for line in test}


def test_compositions_show_every_attribute(compositions):
    out, parts = compositions
    share = np.mean([read_masks(path).any((1, 2)) for path in (out / "masks").rglob("*.npz")], axis=0)
    assert share.min() > 0.01 and share.max() < 0.85


def test_parts_of_compositions_are_captioned_by_themselves(tmp_path):
    assert make("--out", tmp_path, "--random", 4, "--held_out", 0.5, "--size", 128, "--parts", 2) == (0, "")
    train, test = [read_lines(tmp_path / f"parts_{split}.jsonl") for split in ("train", "test")]
    assert (len(train), len(test)) == (8, 8)
    full = np.asarray(Image.open(tmp_path / "images" / "000" / "000001.jpg")).astype(int)
    part = np.asarray(Image.open(tmp_path / "parts" / "000" / "000001_2.jpg")).astype(int)
    assert part.shape == (64, 64, 3)
    assert np.abs(part - full[64:, :64]).mean() < 4  # below, left
    shares = read_masks(tmp_path / "masks" / "images" / "000" / "000001.npz")[:, 64:, :64].mean((1, 2))
    shown = [name for name, share in zip(ATTRIBUTES, shares) if share >= NOTABLE]
    assert train[6]["image"] == "parts/000/000001_2.jpg"
    assert train[6]["captions"][2:] == shown


# mistakes


@pytest.mark.parametrize(
    "args, says",
    [
        (("--size", "30"), "--size must be between"),
        (("--unseen", "99"), "--unseen must be between"),
        (("--per_class", "x"), "invalid int"),
        (("--nonsense",), "unrecognized"),
        (("--workers", "0"), "--workers must be between"),
    ],
)
def test_a_bad_option_is_one_line_and_exit_code_2(tmp_path, args, says):
    code, said = make("--out", tmp_path / "out", *args)
    assert code == 2 and says in said and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_other_options_in_the_same_folder_are_refused_unless_overwriting(tmp_path):
    out = tmp_path / "out"
    assert make("--random", 2, "--out", out, "--size", 64) == (0, "")
    code, said = make("--random", 3, "--out", out, "--size", 64)
    assert code == 2 and "--overwrite" in said and said.count("\n") == 1
    assert make("--random", 3, "--out", out, "--size", 64, "--overwrite") == (0, "")
    assert len(list((out / "images").rglob("*.jpg"))) == 3


def test_a_folder_of_someone_else_is_never_touched(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    code, said = make("--random", 1, "--out", tmp_path, "--overwrite")
    assert code == 2 and said.count("\n") == 1 and content(tmp_path) == {"mine.txt": b"precious"}


# pictures


def test_contact_sheet_and_gallery(demo, tmp_path):
    sheet, gallery = tmp_path / "sheet.png", tmp_path / "gallery.png"
    assert make(
        "--out",
        demo,
        "--per_class",
        PER_CLASS,
        "--divisions",
        DIVISIONS,
        "--unseen",
        UNSEEN,
        "--size",
        112,
        "--contact_sheet",
        sheet,
        "--gallery",
        gallery,
    ) == (0, "")
    assert Image.open(sheet).size == (PER_CLASS * 116, len(CLASSES) * 116)
    assert Image.open(gallery).size == (8 * 60, len(CLASSES) // 8 * 60)

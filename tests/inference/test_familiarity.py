"""Pictures that look unlike the training images are told of; a new class of the same kind is not."""

from argparse import Namespace
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import main as program
import predict
from data.appearance import appearance, appearance_of_classes
from data.pipeline import Images, dsva_preprocessing, load_image
from helpers import QUICK, load
from inference import familiarity as module
from inference import load_run
from inference.familiarity import Familiarity
from runs.checkpoint import checkpoint_looks
from runs.loaders import looks_of_training

SIDE = 32
CLASSES = 16


def scenes(c: int, count: int, change=lambda images: images) -> torch.Tensor:
    """Pictures of a class, uint8 [count, 3, SIDE, SIDE]: its colour, and soft patches of its size."""
    rng = torch.Generator().manual_seed(1000 + c)
    colour = 0.25 + 0.5 * torch.rand(3, generator=rng)
    patches = int(torch.randint(3, 13, (1,), generator=rng))
    rough = 0.1 + 0.2 * torch.rand(1, generator=rng)
    rng.manual_seed(c)
    shades = torch.randn(count, 1, patches, patches, generator=rng)
    soft = F.interpolate(shades, (SIDE, SIDE), mode="bilinear", align_corners=True)
    images = colour[:, None, None] + rough * soft + 0.03 * torch.randn(count, 3, SIDE, SIDE, generator=rng)
    return (255 * change(images).clamp(0, 1)).byte()


CHANGES = {
    "grey": lambda images: images.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1),
    "noisy": lambda images: images + 0.2 * torch.randn(images.shape),
    "enlarged": lambda images: F.interpolate(images[..., 8:24, 8:24], (SIDE, SIDE), mode="bilinear"),
    "inverted and dim": lambda images: 0.4 * (1 - images),
}


@pytest.fixture(scope="module")
def trained_on():
    """Of all classes but the last four."""
    known = range(CLASSES - 4)
    numbers = torch.cat([appearance(scenes(c, 20)) for c in known]).numpy()
    return appearance_of_classes(numbers, np.repeat(known, 20))


def held(trained_on, classes, change=lambda images: images) -> Familiarity:
    """Of ten pictures of each of these classes; each is given one class."""
    found = Familiarity(trained_on)
    for c in classes:
        found.add(scenes(c, 30, change)[20:], [f"Class{c}"] * 10)
    return found


def test_own_classes_and_new_ones_of_the_same_kind_are_not_told(trained_on, capsys):
    for classes in (range(CLASSES - 4), range(CLASSES - 4, CLASSES), range(CLASSES)):
        found = held(trained_on, classes)
        assert found.distance()[1] < module.FAR
        found.tell()
    assert not capsys.readouterr().out


@pytest.mark.parametrize("change", CHANGES)
def test_pictures_of_another_kind_are_told_once_with_a_number(trained_on, capsys, change):
    torch.manual_seed(0)
    found = held(trained_on, range(CLASSES), CHANGES[change])
    factor, _ = found.distance()
    found.tell()
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("note: the pictures do not look like") and f"{factor:.1f} times as far" in line


def test_a_few_pictures_tell_nothing(trained_on):
    found = Familiarity(trained_on)
    found.add(scenes(0, 19, CHANGES["grey"]), ["a"] * 19)
    assert found.distance() == (1.0, 0.0)
    found.add(scenes(1, 4, CHANGES["grey"]), ["b"] * 4)
    assert found.distance() == (1.0, 0.0)  # four of a class are not counted
    found.add(scenes(1, 1, CHANGES["grey"]), ["b"])
    assert found.distance()[1] > module.FAR


ONE_COLOUR = torch.full((40, 3, SIDE, SIDE), 90, dtype=torch.uint8)
SAME = scenes(0, 5).repeat(8, 1, 1, 1)
TWO_KINDS = torch.cat([ONE_COLOUR[:20], ONE_COLOUR[:20] * 2])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("images", [ONE_COLOUR, SAME, TWO_KINDS])
@pytest.mark.parametrize("pictures", [ONE_COLOUR, scenes(1, 40)])
def test_classes_that_all_look_alike_tell_nothing_and_stop_nothing(images, pictures, capsys):
    found = Familiarity(appearance_of_classes(appearance(images).numpy(), np.arange(40) // 5))
    found.add(pictures, ["a"] * 40)
    assert found.distance() == module.UNKNOWN
    found.tell()
    assert not capsys.readouterr().out


def test_numbers_that_are_too_large_tell_nothing(trained_on):
    huge = replace(trained_on, means=trained_on.means * 1e300, within=trained_on.within * 1e300)
    found = held(huge, range(CLASSES))
    assert found.distance() == module.UNKNOWN


def test_what_a_run_does_not_know_is_not_said(capsys):
    found = Familiarity(None)
    found.add(scenes(0, 40, CHANGES["grey"]), ["a"] * 40)
    found.tell()
    assert not capsys.readouterr().out and not found.groups


def test_of_many_pictures_some_are_looked_at(trained_on, monkeypatch):
    monkeypatch.setattr(module, "ENOUGH", 8)
    found = Familiarity(trained_on)
    for _ in range(40):
        found.add(scenes(0, 4), ["a"] * 4)
    assert found.pictures == 8 + 4 * 4  # the first two batches, and every tenth


def test_what_several_processes_saw_counts_together(trained_on, monkeypatch, capsys):
    parts = [held(trained_on, range(first, CLASSES, 2), CHANGES["grey"]) for first in (0, 1)]
    whole = held(trained_on, range(CLASSES), CHANGES["grey"])
    monkeypatch.setattr(module, "all_gather", lambda groups: [part.groups for part in parts])
    parts[0].tell_together()
    assert parts[0].distance() == pytest.approx(whole.distance())
    assert f"{whole.distance()[0]:.1f} times as far" in capsys.readouterr().out
    monkeypatch.setattr(module, "rank", lambda: 1)
    parts[1].tell_together()
    assert not capsys.readouterr().out


# ---- a run -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(root, clip, tmp_path_factory):
    """A checkpoint of a run with nine seen classes."""
    folder = tmp_path_factory.mktemp("run")
    places = ["--root", str(root), "--clip", str(clip), "--output", str(folder)]
    program.main([*QUICK.split(), "--gzsl", "--nepoch", "1", *places])
    return folder / "last.safetensors"


@pytest.fixture(scope="module")
def grey(root, tmp_path_factory):
    """The run's own pictures, in grey."""
    folder = tmp_path_factory.mktemp("grey")
    for number, file in enumerate(sorted((root / "RSSDIVCS").glob("Class*/*.png"))):
        Image.open(file).convert("L").save(folder / f"{number}.png")
    return folder


def printed(capsys, checkpoint, *words) -> str:
    capsys.readouterr()
    options = ["--resume", checkpoint, "--device", "cpu", "--workers", "0", *words]
    predict.main([str(word) for word in options])
    return capsys.readouterr().out


def test_a_checkpoint_keeps_how_its_training_images_look(run, root):
    looks = checkpoint_looks(run)
    data = load(root)
    training = data.splits["train_zsl_loc"]
    how = dsva_preprocessing(32, "imagenet")
    images = torch.stack([load_image(data.image_paths[i], how) for i in training])
    expected = appearance_of_classes(appearance(images).numpy(), data.labels[training])
    for name in ("means", "within", "counts", "scale"):
        np.testing.assert_allclose(getattr(looks, name), getattr(expected, name), rtol=1e-6, atol=1e-9)


def test_a_class_that_is_tested_with_all_its_images_is_left_out(root):
    data = load(root)
    part = "train_gzsl_loc"
    training = data.splits[part]
    data.splits[part] = training[data.labels[training] != data.seen[3]]
    images = Images(data.image_paths, dsva_preprocessing(32, "imagenet"), data.labels)
    opt = Namespace(batch_size=8, workers=0)
    looks = looks_of_training(opt, data, part, images, torch.device("cpu"))
    assert looks.counts.tolist() == [4] * 8


def test_predict_tells_of_pictures_of_another_kind(run, root, grey, tmp_path, capsys):
    same = printed(capsys, run, root / "RSSDIVCS", "--output", tmp_path / "same")
    other = printed(capsys, run, grey, "--output", tmp_path / "other")
    assert "do not look like" not in same
    assert other.count("do not look like the run's training images") == 1
    again = printed(capsys, run, grey, "--output", tmp_path / "other")
    assert "do not look like" not in again  # of what is named already, nothing is looked at


def test_a_map_tells_too(run, grey, tmp_path, capsys):
    mosaic = Image.new("L", (240, 240))
    for number, file in enumerate(sorted(grey.iterdir())[:30]):
        mosaic.paste(Image.open(file), (48 * (number % 5), 40 * (number // 5)))
    mosaic.save(tmp_path / "mosaic.png")
    told = printed(capsys, run, tmp_path / "mosaic.png", "--tile", 40, "--output", tmp_path / "map")
    assert told.count("do not look like the run's training images") == 1


def test_from_python_it_is_among_the_notes_and_no_other_process_is_asked(run, root, grey, monkeypatch):
    """One that calls predict need not be joined by the others of a group that its owner made."""
    monkeypatch.setattr(module, "all_gather", None)
    classifier = load_run(run, device="cpu")
    notes = classifier.predict(sorted(grey.iterdir()), maps=False).notes
    assert sum("do not look like" in line for line in notes) == 1
    same = sorted((root / "RSSDIVCS").glob("Class*/*.png"))
    assert not any("do not look like" in line for line in classifier.predict(same, maps=False).notes)


def changed(run, target, change):
    """A copy of a checkpoint with other tensors."""
    with safe_open(run, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(run)
    change(tensors)
    save_file(tensors, target, metadata=metadata)
    return target


def test_a_checkpoint_of_before_says_nothing(run, grey, tmp_path, capsys):
    def forget(tensors):
        for name in [name for name in tensors if name.startswith("looks.")]:
            del tensors[name]

    old = changed(run, tmp_path / "old.safetensors", forget)
    assert checkpoint_looks(old) is None
    assert "do not look like" not in printed(capsys, old, grey, "--output", tmp_path / "out")


def test_a_checkpoint_that_counts_other_numbers_says_nothing(run, grey, tmp_path, capsys):
    def leave_out_one(tensors):
        for name in ("means", "within", "scale"):
            tensors[f"looks.{name}"] = tensors[f"looks.{name}"][..., 1:].contiguous()
        tensors["looks.within"] = tensors["looks.within"][1:].contiguous()

    other = changed(run, tmp_path / "other.safetensors", leave_out_one)
    assert checkpoint_looks(other) is None
    assert "do not look like" not in printed(capsys, other, grey, "--output", tmp_path / "out")


@pytest.mark.parametrize(
    "name, value",
    [
        ("means", torch.zeros(9)),
        ("means", torch.zeros(3, 53).double()),
        ("means", torch.full((9, 53), torch.nan).double()),
        ("within", torch.zeros(52, 53).double()),
        ("within", -torch.eye(53).double()),
        ("counts", torch.zeros(9).long()),
        ("counts", torch.ones(9)),
        ("scale", torch.zeros(53).double()),
        ("scale", None),
    ],
)
def test_what_is_damaged_is_one_line(run, grey, tmp_path, capsys, name, value):
    def damage(tensors):
        del tensors[f"looks.{name}"]
        if value is not None:
            tensors[f"looks.{name}"] = value

    broken = changed(run, tmp_path / "broken.safetensors", damage)
    with pytest.raises(SystemExit) as stop:
        printed(capsys, broken, grey, "--output", tmp_path / "out")
    error = capsys.readouterr().err.strip()
    assert stop.value.code == 2 and "\n" not in error
    assert "what it tells of its training images is not as main.py saves it" in error
    assert not (tmp_path / "out").exists()

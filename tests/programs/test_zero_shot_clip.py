"""The baselines by a CLIP alone: scores against a computation by hand, and what the program writes."""

import math
import statistics

import numpy as np
import pytest
import scipy.io
import torch
from zero_shot import run

import tables
import zero_shot_clip
from clip.embed import Clip
from data.matlab import cell_array
from dsva.metrics import harmonic_mean
from helpers import FakeClip, change_splits, refusal, vector, write_whole_clip
from tiny_data import ATTRIBUTES, write_dataset
from zero_shot_clip import attribute_cosines

NAMES = [f"attribute {a}" for a in range(ATTRIBUTES)]
SEEN, UNSEEN = range(2, 6), range(2)  # classes
PER_CLASS = 10  # image i is of class i // PER_CLASS; every tenth one tests


@pytest.fixture
def root(tmp_path):
    write_dataset(tmp_path, seen=len(SEEN), unseen=len(UNSEEN), per_class=PER_CLASS)
    change_splits(tmp_path, attribute_names=cell_array(NAMES))
    return tmp_path


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def by_name(i, classes):
    return [dot(vector(f"image_{i}.png"), vector(f"class{c}")) for c in classes]


def by_attributes(i, classes, att):
    """Cosines of image i's attributes, in deviations from the seen training images', with the classes'."""
    similarity = lambda i, a: dot(vector(f"image_{i}.png"), vector(a))
    train = [i for i in range(PER_CLASS * UNSEEN.stop, PER_CLASS * SEEN.stop) if i % PER_CLASS]
    known = [[similarity(i, a) for i in train] for a in NAMES]
    image = [
        (similarity(i, a) - statistics.mean(values)) / statistics.pstdev(values)
        for a, values in zip(NAMES, known)
    ]
    return [dot(image, att[:, c]) / math.hypot(*image) / math.hypot(*att[:, c]) for c in classes]


def accuracy_by_hand(named, classes):
    """named: {image: class}. Percent, the mean of the classes."""
    return statistics.mean(
        100 * statistics.mean(c == right for image, c in named.items() if image // PER_CLASS == right)
        for right in classes
    )


def probabilities(cosines):
    powers = [math.exp(FakeClip.scale * cosine) for cosine in cosines]
    return [power / sum(powers) for power in powers]


def cosines_by_hand(baseline, i, classes, att):
    return by_name(i, classes) if baseline == "names" else by_attributes(i, classes, att)


def name_by_hand(scores, classes):
    return max(zip(scores, classes))[1]


@pytest.fixture
def att(root, monkeypatch):
    """The class attributes [A, C], of which FakeClip knows the words."""
    monkeypatch.setattr(zero_shot_clip, "Clip", FakeClip)
    return change_splits(root, attribute_names=cell_array(NAMES))["att"]


@pytest.mark.parametrize("baseline", ["names", "attributes"])
def test_zero_shot_accuracy_is_that_computed_by_hand(root, att, baseline):
    results = run(root, "--attributes")
    named = {
        i: name_by_hand(cosines_by_hand(baseline, i, UNSEEN, att), UNSEEN)
        for i in range(PER_CLASS * UNSEEN.stop)
    }
    assert results["scores"][baseline] == {"accuracy": pytest.approx(accuracy_by_hand(named, UNSEEN))}
    assert results["chance"] == 50 and results["per_class"]["class"] == ["Class0", "Class1"]


@pytest.mark.parametrize("baseline", ["names", "attributes"])
@pytest.mark.parametrize("constant", [0.0, 0.3])
def test_generalised_scores_are_those_computed_by_hand(root, att, baseline, constant):
    scores = run(root, f"--attributes --gzsl --calibrated_stacking {constant}")["scores"][baseline]
    classes, named = range(6), {}
    for i in range(60):
        if i // PER_CLASS in UNSEEN or i % PER_CLASS == 0:
            p = probabilities(cosines_by_hand(baseline, i, classes, att))
            named[i] = name_by_hand([value - constant * (c in SEEN) for c, value in enumerate(p)], classes)
    U, S = accuracy_by_hand(named, UNSEEN), accuracy_by_hand(named, SEEN)
    alone = {
        i: name_by_hand(cosines_by_hand(baseline, i, UNSEEN, att), UNSEEN)
        for i in range(PER_CLASS * UNSEEN.stop)
    }
    assert (scores["U"], scores["S"], scores["H"]) == pytest.approx((U, S, harmonic_mean(S, U)))
    assert scores["ZSL"] == pytest.approx(accuracy_by_hand(alone, UNSEEN))
    assert 0 <= scores["AUSUC"] <= 100


def test_without_attributes_no_training_image_is_touched(root, att):
    assert list(run(root)["scores"]) == ["names"]
    assert len(FakeClip.images) == PER_CLASS * len(UNSEEN)


def test_a_class_without_images_is_no_candidate(root, att):
    # images of the last class belong to the one before
    labels = np.minimum(np.repeat(np.arange(6), PER_CLASS) + 1, 5)
    write_dataset(root, seen=len(SEEN), unseen=len(UNSEEN), per_class=PER_CLASS, labels=labels[:, None])
    assert run(root, "--gzsl")["per_class"]["class"] == [f"Class{c}" for c in range(5)]


def test_a_class_with_one_test_image_is_all_right_or_all_wrong(root, att):
    write_dataset(
        root,
        seen=len(SEEN),
        unseen=len(UNSEEN),
        per_class=PER_CLASS,
        test_unseen_loc_0=np.array([[3], *([n] for n in range(11, 21))]),
    )
    right = name_by_hand(by_name(2, UNSEEN), UNSEEN) == 0
    other = accuracy_by_hand({i: name_by_hand(by_name(i, UNSEEN), UNSEEN) for i in range(10, 20)}, [1])
    results = run(root)
    assert results["per_class"]["names"] == pytest.approx([100 * right, other])
    assert results["scores"]["names"]["accuracy"] == pytest.approx((100 * right + other) / 2)


def test_an_attribute_that_never_varies_says_nothing():
    reference = torch.tensor([[0.2, 1.0], [0.2, 3.0]])
    cosines = attribute_cosines(torch.tensor([[0.9, 4.0]]), reference, torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
    torch.testing.assert_close(cosines, torch.tensor([[0.0, 1.0]]))


def test_a_real_checkpoint_gives_the_same_scores_twice(root, tmp_path, capsys):
    clip = write_whole_clip(tmp_path / "clip")
    first, second = (run(root, "--gzsl --attributes --batch_size 7", clip) for _ in range(2))
    assert first["scores"] == second["scores"] and set(first["scores"]) == {"names", "attributes"}
    assert "names U " in capsys.readouterr().out


# ---- without attributes ----------------------------------------------------------------------------


def test_by_name_needs_neither_attributes_nor_groups(root, att):
    expected = run(root, "--gzsl")["scores"]
    files = root / "RSSDIVCS" / "files"
    (files / "attri_group_3.json").unlink()
    splits = files / "ann_attr_finetune_61_splits.mat"
    table = scipy.io.loadmat(splits)
    names = [key for key in table if "_loc_" in key or key == "allclasses_names"]
    splits.unlink()
    scipy.io.savemat(files / "61_splits.mat", {name: table[name] for name in names})  # as of prepare.py
    assert run(root, "--gzsl")["scores"] == run(root, "--gzsl --class_embedding 61")["scores"] == expected


def test_attributes_are_demanded_where_they_are_needed(root, att, capsys):
    files = root / "RSSDIVCS" / "files"
    (files / "ann_attr_finetune_61_splits.mat").rename(files / "61_splits.mat")
    assert "no such file: " in refusal(capsys, run, root, "--attributes")


# ---- several divisions -----------------------------------------------------------------------------


@pytest.mark.parametrize("divisions", ["0,1", "1,0", "all"])
def test_several_divisions_give_each_ones_scores_and_mean_and_deviation(root, att, divisions, capsys):
    alone = {f"division-{k}": run(root, f"--attributes --gzsl --random_id {k}") for k in (0, 1)}
    capsys.readouterr()
    results = run(root, f"--attributes --gzsl --random_id {divisions}")
    assert {part: found["scores"] for part, found in results["runs"].items()} == {
        part: found["scores"] for part, found in alone.items()
    }
    for name in ("names", "attributes"):
        for score in ("U", "S", "H", "AUSUC", "ZSL"):
            values = [found["scores"][name][score] for found in alone.values()]
            expected = [statistics.mean(values), statistics.stdev(values)]
            assert results["mean_and_deviation"]["scores"][name][score] == pytest.approx(expected)
    said = capsys.readouterr().out.splitlines()
    assert "mean and deviation of 2 divisions" in said and said[-1] == f"results in {root / 'out'}"
    assert said[-2].split()[0] == "attributes" and said[-2].count("±") == 5


def test_tables_reads_the_folder_of_several_divisions(root, att, capsys):
    results = run(root, "--gzsl --random_id all")
    capsys.readouterr()
    tables.main(["--column", "mine", str(root / "out"), "--scores", "ZSL", "H"])
    cells = []
    for score in ("ZSL", "H"):
        mean, deviation = results["mean_and_deviation"]["scores"]["names"][score]
        cells.append(f"{mean:.1f} ± {deviation:.1f}")
    assert f"| CLIP by class name | {cells[0]} | {cells[1]} |" in capsys.readouterr().out


def test_a_division_that_is_not_there_is_refused_before_anything_is_embedded(root, att, capsys):
    assert "has no train_zsl_loc_9" in refusal(capsys, run, root, "--random_id 0,9")
    assert not (root / "out").exists() and not (root / "RSSDIVCS" / "cache").exists()


# ---- what is printed, and kept ---------------------------------------------------------------------


def test_generalised_scores_are_all_printed(root, att, capsys):
    scores = run(root, "--gzsl")["scores"]["names"]
    words = capsys.readouterr().out.splitlines()[-2].split()
    shown = dict(zip(words[1::2], map(float, words[2::2])))
    assert shown == {name: pytest.approx(value, abs=0.006) for name, value in scores.items()}
    assert list(shown) == ["U", "S", "H", "AUSUC", "ZSL"]


@pytest.mark.parametrize("batch_size", [7, 64])
def test_kept_embeddings_change_no_score_and_each_image_is_embedded_once(
    root, tmp_path, capsys, monkeypatch, batch_size
):
    clip = write_whole_clip(tmp_path / "clip")
    words = f"--attributes --gzsl --random_id all --batch_size {batch_size}"
    without = run(root, f"{words} --no-embedding_cache", clip)
    assert "cache " not in capsys.readouterr().out and not (root / "RSSDIVCS" / "cache").exists()
    first = run(root, words, clip)
    monkeypatch.setattr(Clip, "image_vectors", None)
    again = run(root, words, clip)
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("cache ")]
    _, _, _, count, *_ = again_words = said[1].split()
    assert len(said) == 2 and again_words[1] == count  # all of them
    strip = lambda results: {part: found["per_class"] for part, found in results["runs"].items()}
    assert strip(without) == strip(first) == strip(again)
    assert without["mean_and_deviation"] == first["mean_and_deviation"] == again["mean_and_deviation"]


def test_no_image_is_embedded_twice(root, att):
    run(root, "--attributes --closed_forms --gzsl --no-embedding_cache")
    assert len(FakeClip.images) == len(set(FakeClip.images)) == 60


def test_another_folder_can_be_named(root, tmp_path):
    clip = write_whole_clip(tmp_path / "clip")
    run(root, f"--cache_dir {tmp_path / 'mine'}", clip)
    assert list(tmp_path.glob("mine/clip-*/embeddings.jsonl"))
    assert not (root / "RSSDIVCS" / "cache").exists()


# ---- errors ----------------------------------------------------------------------------------------


def without_tokenizer(root):
    write_whole_clip(root / "nowhere")
    for file in ("tokenizer.json", "vocab.json", "merges.txt"):
        (root / "nowhere" / file).unlink(missing_ok=True)


@pytest.mark.parametrize(
    "spoil, words, message",
    [
        (
            lambda root: change_splits(root, attribute_names=cell_array(NAMES[1:])),
            "--attributes",
            "5 attribute names",
        ),
        (lambda root: write_dataset(root, seen=4, unseen=2), "--attributes", "does not name its attributes"),
        (lambda root: next(root.glob("RSSDIVCS/Class0/*")).unlink(), "", "images are missing"),
        (lambda root: None, "--random_id 9", "has no train_zsl_loc_9"),
        (
            lambda root: change_splits(
                root, att=np.ones((ATTRIBUTES + 1, 6)), attribute_names=cell_array([*NAMES, "more"])
            ),
            "--attributes",
            f"has {ATTRIBUTES + 1} attributes, but ",
        ),  # one is in no group
        (lambda root: None, "", "no CLIP checkpoint"),
        (without_tokenizer, "", "nowhere has no tokenizer"),
        (lambda root: None, "--batch_size 0", "expected a whole number at least 1"),
    ],
)
def test_wrong_input_gives_one_line_and_writes_nothing(root, capsys, spoil, words, message):
    spoil(root)
    assert message in refusal(capsys, run, root, words, clip=root / "nowhere")
    assert not (root / "out").exists()

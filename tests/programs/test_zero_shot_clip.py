"""The baselines: scores against a computation by hand, and what the program writes."""

import json
import math
import shlex
import statistics

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image

import report
import tables
import zero_shot_clip
from clip.embed import Clip
from data.matlab import cell_array
from dsva.closed_form_choice import learn_and_score, validation_folds
from dsva.closed_forms import STRENGTHS, Training, class_scores
from dsva.metrics import harmonic_mean, score_gzsl
from helpers import FakeClip, change_splits, load, vector, write_whole_clip
from tiny_data import ATTRIBUTES, write_dataset
from zero_shot_clip import attribute_cosines

NAMES = [f"attribute {a}" for a in range(ATTRIBUTES)]
SEEN, UNSEEN, PER_CLASS = (
    range(2, 6),
    range(2),
    10,
)  # classes; image i is of class i // PER_CLASS, every tenth one tests


@pytest.fixture
def root(tmp_path):
    write_dataset(tmp_path, seen=len(SEEN), unseen=len(UNSEEN), per_class=PER_CLASS)
    change_splits(tmp_path, attribute_names=cell_array(NAMES))
    return tmp_path


def run(root, words="", clip="unused"):
    """zero_shot_clip.py in this process; returns the results it wrote."""
    zero_shot_clip.main(
        [
            "--root",
            str(root),
            "--clip",
            str(clip),
            "--device",
            "cpu",
            "--workers",
            "0",
            "--output",
            str(root / "out"),
            *shlex.split(words),
        ]
    )
    return json.loads((root / "out" / "results.json").read_text())


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
    labels = np.minimum(
        np.repeat(np.arange(6), PER_CLASS) + 1, 5
    )  # those of the last class belong to the one before
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
    with pytest.raises(SystemExit):
        run(root, "--attributes")
    assert "no such file: " in capsys.readouterr().err


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
    assert said[-2].split()[0] == "attributes" and said[-2].count("+-") == 5


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
    with pytest.raises(SystemExit):
        run(root, "--random_id 0,9")
    assert "has no train_zsl_loc_9" in capsys.readouterr().err
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
    with pytest.raises(SystemExit) as stop:
        run(root, words, clip=root / "nowhere")
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ") and message in line
    assert not (root / "out").exists()


# ---- closed forms ----------------------------------------------------------------------------------


@pytest.fixture
def plain(tmp_path):
    """Six seen classes whose attributes have no names, and a CLIP."""
    write_dataset(tmp_path, seen=6, unseen=2, per_class=6)
    write_whole_clip(tmp_path / "clip")
    return tmp_path


@pytest.mark.parametrize("gzsl", ["", "--gzsl"])
def test_closed_forms_score_as_their_own_functions_do(plain, gzsl):
    results = run(plain, f"--closed_forms {gzsl}", plain / "clip")
    assert list(results["scores"]) == ["names", "ESZSL", "SAE"]
    data = load(plain)
    clip = Clip(plain / "clip", torch.device("cpu"))
    features = clip.embed_images(clip.loader(data.image_paths, 64, 0)).double().numpy()
    part = "train_gzsl_loc" if gzsl else "train_zsl_loc"
    classes, train, tested = data.candidates(bool(gzsl)), data.splits[part], data.test_images(bool(gzsl))
    M = data.class_attributes.double().numpy()
    M /= np.linalg.norm(M, axis=0)
    training = Training(features[train], data.labels[train] - data.seen[0], M[:, data.seen])
    for method, names in (("ESZSL", ("gamma", "lambda")), ("SAE", ("lambda",))):
        chosen = results["chosen"][method]
        strengths = tuple(chosen[name] for name in names)
        scores = class_scores(method, training, features[tested], M[:, classes], strengths)
        p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        p[:, np.isin(classes, data.seen)] -= chosen.get("calibrated_stacking", 0)
        named = classes[p.argmax(axis=1)]
        accuracy = [100 * np.mean(named[data.labels[tested] == c] == c) for c in classes]
        assert results["per_class"][method] == pytest.approx(accuracy)
        assert ("calibrated_stacking" in chosen) == bool(gzsl)
        assert 0 <= chosen["validation_score"] <= 100


@pytest.mark.parametrize("gzsl", ["", "--gzsl"])
def test_test_images_choose_nothing(plain, gzsl):
    chosen = run(plain, f"--closed_forms {gzsl}", plain / "clip")["chosen"]
    tested = load(plain).test_images(gzsl=True)
    if not gzsl:  # ZSL trains on the images that test seen classes in GZSL
        tested = load(plain).test_images(gzsl=False)
    for i in tested:
        pixels = np.random.default_rng(int(i)).integers(0, 255, (40, 48, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(load(plain).image_paths[i])
    assert run(plain, f"--closed_forms {gzsl}", plain / "clip")["chosen"] == chosen


def test_the_choice_is_that_of_the_mean_over_folds(plain):
    """Two of six classes play in each of two folds: every choice is judged again, one by one."""
    data = load(plain)
    rng = np.random.default_rng(0)
    features = rng.normal(size=(len(data.labels), 12)) + np.eye(8, 12)[data.labels]
    _, chosen = learn_and_score("SAE", data, features, "train_gzsl_loc", gzsl=True)
    folds = validation_folds(data, "train_gzsl_loc", gzsl=True)
    assert len(folds) == 2 and not set(folds[0].unseen) & set(folds[1].unseen)
    assert not set(folds[0].unseen) & set(data.unseen)
    means = []
    for strength in STRENGTHS:
        areas = []
        for played in folds:
            train, tested = played.splits["train_gzsl_loc"], played.test_images(gzsl=True)
            classes = played.candidates(gzsl=True)
            M = played.class_attributes.double().numpy()
            M = M / np.linalg.norm(M, axis=0)
            training = Training(
                features[train], np.searchsorted(played.seen, played.labels[train]), M[:, played.seen]
            )
            scores = class_scores("SAE", training, features[tested], M[:, classes], (strength,))
            p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
            columns = [
                np.searchsorted(classes, c) for c in (played.labels[tested], played.seen, played.unseen)
            ]
            areas.append(score_gzsl(p, *columns, 0.0)[0]["AUSUC"])
        means.append(np.mean(areas))
    assert chosen.strengths == {"lambda": STRENGTHS[int(np.argmax(means))]}
    assert chosen.score == pytest.approx(max(means))


def test_closed_forms_of_all_divisions_come_with_mean_table_and_page(plain, capsys):
    results = run(plain, "--closed_forms --gzsl --random_id all", plain / "clip")
    for part in ("division-0", "division-1"):
        assert list(results["runs"][part]["chosen"]) == ["ESZSL", "SAE"]
    said = capsys.readouterr().out
    assert said.count("chosen on validation classes for SAE: lambda ") == 2
    tables.main(["--column", "mine", str(plain / "out"), "--scores", "H"])
    rows = [line.split("|")[1].strip() for line in capsys.readouterr().out.splitlines() if "±" in line]
    assert rows == ["CLIP by class name", "ESZSL", "SAE"]
    report.main([str(plain / "out")])
    page = (plain / "out" / "report.html").read_text()
    assert "ESZSL" in page and "a closed form, chosen on validation classes" in page


def test_no_image_is_embedded_twice(root, att):
    run(root, "--attributes --closed_forms --gzsl --no-embedding_cache")
    assert len(FakeClip.images) == len(set(FakeClip.images)) == 60


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda root: write_dataset(root, seen=1, unseen=2, per_class=6), "of 1 seen classes cannot play"),
        (
            lambda root: change_splits(root, train_gzsl_loc_0=load(root).splits["train_zsl_loc"] + 1),
            "the clean protocol: 6 test images are in train_gzsl_loc too",
        ),
        (
            lambda root: change_splits(root, train_gzsl_loc_0=np.array([[14], [15]])),
            "train_gzsl_loc has images of 1 of 6 seen classes, and 2 are to play the unseen ones",
        ),
        (
            lambda root: (root / "RSSDIVCS/files/ann_attr_finetune_61_splits.mat").unlink(),
            "no such file",
        ),
    ],
)
def test_closed_forms_refuse_what_they_cannot_choose_on_before_anything_is_embedded(
    plain, capsys, spoil, message
):
    spoil(plain)
    with pytest.raises(SystemExit) as stop:
        run(plain, "--closed_forms --gzsl", plain / "clip")
    said = capsys.readouterr().err
    assert stop.value.code == 2 and message in said and said.count("\n") == 1
    assert not (plain / "out").exists() and not (plain / "RSSDIVCS" / "cache").exists()

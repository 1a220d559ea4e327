"""model/finetune_clip.py: captions and images to a CLIP checkpoint."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPModel, CLIPProcessor, CLIPVisionConfig

import finetune_clip
from clip import captions as captions_file
from clip import new as beginnings
from clip.contrastive import Augmentation, contrastive_loss, embed_texts, retrieval, schedule, some_patches
from data.benchmark import readable

COLOURS = {"GreenField": (40, 160, 50), "harbor": (30, 60, 170), "desert": (200, 170, 90)}
TINY = [
    "--image_size",
    "32",
    "--patch_size",
    "8",
    "--width",
    "32",
    "--layers",
    "1",
    "--heads",
    "2",
    "--text_width",
    "32",
    "--text_layers",
    "1",
    "--text_heads",
    "2",
    "--projection",
    "16",
    "--vocab_size",
    "600",
    "--context",
    "12",
    "--batch_size",
    "6",
    "--workers",
    "0",
    "--device",
    "cpu",
]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_captioned_images(tmp_path_factory.mktemp("captioned"))


def write_captioned_images(folder: Path) -> Path:
    """Twelve images in three class folders, two captions each, with a train.jsonl and a test.jsonl."""
    chance = np.random.default_rng(0)
    lines = []
    for name, colour in COLOURS.items():
        (folder / name).mkdir()
        for number in range(4):
            pixels = np.clip(np.array(colour) + chance.normal(0, 20, (36, 40, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
            lines.append(
                {
                    "image": f"{name}/{number}.png",
                    "captions": [
                        f"a {readable(name)} from above.",
                        f"many {readable(name)} number {number} .",
                    ],
                }
            )
    write_lines(folder / "train.jsonl", [line for line in lines if "3.png" not in line["image"]])
    write_lines(folder / "test.jsonl", [line for line in lines if "3.png" in line["image"]])
    return folder


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory) -> Path:
    """The checkpoint of three epochs."""
    output = tmp_path_factory.mktemp("run") / "clip"
    train(data, output)
    return output


def train(data, output, *more, size=TINY, epochs=3):
    finetune_clip.main(
        [
            "--images",
            str(data),
            "--captions",
            str(data / "train.jsonl"),
            "--test_captions",
            str(data / "test.jsonl"),
            "--output",
            str(output),
            "--epochs",
            str(epochs),
            *size,
            *more,
        ]
    )


def write_lines(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def weights(folder):
    return CLIPModel.from_pretrained(folder).state_dict()


def error(capsys, *arguments) -> str:
    with pytest.raises(SystemExit) as stop:
        finetune_clip.main([str(argument) for argument in arguments])
    said = capsys.readouterr().err
    assert stop.value.code == 2 and said.startswith("error: ") and said.count("\n") == 1
    return said


# ---- the loss --------------------------------------------------------------------------------------------------------


def test_the_loss_of_a_pair_by_hand():
    images, texts = torch.eye(2), torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    # logits 2 x [[1, 0.6], [0, 0.8]]: rows are images, columns are texts
    wrong_minus_right = [2 * (0.6 - 1), 2 * (0 - 0.8), 2 * (0 - 1), 2 * (0.6 - 0.8)]  # rows, then columns
    expected = sum(math.log(1 + math.exp(difference)) for difference in wrong_minus_right) / 4
    assert contrastive_loss(
        images, texts, torch.tensor(2.0), torch.arange(2)[:, None], torch.eye(2) > 0
    ).item() == pytest.approx(expected, abs=1e-6)


def test_texts_that_are_true_of_an_image_are_no_negatives():
    images = torch.nn.functional.normalize(
        torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), dim=1
    ).requires_grad_()
    texts, own, scale = images.detach().flip(0), torch.arange(3)[:, None], torch.tensor(5.0)
    nothing_is_wrong = contrastive_loss(images, texts, scale, own, torch.ones(3, 3) > 0)
    nothing_is_wrong.backward()
    assert nothing_is_wrong.item() == pytest.approx(0, abs=1e-6) and images.grad.isfinite().all()
    true = torch.eye(3) > 0
    true[0, 1] = True  # text 1 is also true of image 0, but not the other way round
    logits = 5 * images @ texts.T
    kept = logits.clone()
    kept[0, 1] = -1e9
    target = torch.arange(3)
    expected = (
        torch.nn.functional.cross_entropy(kept, target) + torch.nn.functional.cross_entropy(kept.T, target)
    ) / 2
    assert torch.allclose(contrastive_loss(images, texts, scale, own, true), expected)


def test_each_of_several_texts_of_an_image_is_found_among_those_that_are_not_true_of_it():
    generator = torch.Generator().manual_seed(1)
    images, texts = (
        torch.nn.functional.normalize(torch.randn(n, 4, generator=generator), dim=1) for n in (2, 3)
    )
    pairs, true = torch.tensor([[0, 1], [1, 2]]), torch.tensor([[True, True, False], [False, True, True]])
    exp = (4 * images @ texts.T).exp()
    right = [
        (0, 0, exp[0, 2], exp[1, 0]),
        (0, 1, exp[0, 2], 0),
        (1, 1, exp[1, 0], 0),
        (1, 2, exp[1, 0], exp[0, 2]),
    ]
    expected = (
        sum(
            -(exp[i, t] / (exp[i, t] + texts_wrong)).log() - (exp[i, t] / (exp[i, t] + images_wrong)).log()
            for i, t, texts_wrong, images_wrong in right
        )
        / 8
    )
    assert torch.allclose(contrastive_loss(images, texts, torch.tensor(4.0), pairs, true), expected)


def test_the_learning_rate_rises_in_a_line_and_falls_in_a_cosine():
    assert [schedule(done, 0.2) for done in (0, 0.1, 0.2, 0.6, 1)] == pytest.approx([0, 0.5, 1, 0.5, 0])
    assert schedule(0, 0) == 1


# ---- images and captions ---------------------------------------------------------------------------------------------


def test_without_augmentation_an_image_stays_as_it_is():
    images = torch.randint(256, (2, 3, 16, 16), dtype=torch.uint8)
    same = Augmentation(turn=False, flip=False, crop=1, colour=0)(
        images, 16, len(images), np.random.default_rng(0)
    )
    assert torch.allclose(same, images.float(), atol=1e-3)


def test_turns_and_flips_give_the_eight_views_of_a_square_and_nothing_else():
    image = torch.randint(256, (1, 3, 8, 8), dtype=torch.uint8)
    views = Augmentation(crop=1, colour=0)(
        image.expand(64, -1, -1, -1), 8, 64, np.random.default_rng(0)
    ).round()
    expected = {
        bytes(np.ascontiguousarray(view.byte()))
        for turned in (torch.rot90(image[0], k, (1, 2)) for k in range(4))
        for view in (turned, turned.flip(2))
    }
    assert {bytes(np.ascontiguousarray(view.byte())) for view in views} == expected and len(expected) == 8


def test_crops_keep_half_of_the_area_or_more_and_stay_inside():
    planes = Augmentation(crop=0.5).draw_plane(200, np.random.default_rng(0))
    assert (planes.abs().sum(dim=2) <= 1 + 1e-9).all()  # no corner lies outside [-1, 1]
    areas = planes[:, :, :2].det().abs()
    assert 0.45 < areas.min() < 0.6 and areas.max() <= 1


def test_colour_changes_keep_a_gray_image_gray_and_within_range():
    gray = torch.randint(256, (8, 1, 16, 16), dtype=torch.uint8).expand(-1, 3, -1, -1)
    changed = Augmentation(crop=1, colour=0.5)(gray, 16, len(gray), np.random.default_rng(0))
    assert (
        torch.allclose(changed[:, 0], changed[:, 2], atol=0.01)
        and changed.min() >= 0
        and changed.max() <= 255
    )
    assert not torch.allclose(changed[0].mean(), gray[0].float().mean(), atol=0.5)


def test_the_plain_rsicd_file_and_the_lines_say_the_same(data, tmp_path):
    lines = captions_file.read_captions(data / "train.jsonl", data, "train")
    plain = [
        {"filename": image, "split": "train", "sentences": [{"raw": caption} for caption in several]}
        for image, several in lines.items()
    ]
    plain.append({"filename": "harbor/3.png", "split": "test", "sentences": [{"raw": "water"}]})
    (tmp_path / "dataset_rsicd.json").write_text(json.dumps({"images": plain, "dataset": "rsicd"}))
    assert captions_file.read_captions(tmp_path / "dataset_rsicd.json", data, "train") == lines
    assert captions_file.read_captions(tmp_path / "dataset_rsicd.json", data, "test") == {
        "harbor/3.png": ["water"]
    }


def test_an_image_owns_its_captions_and_those_that_read_the_same(trained):
    tokenizer = CLIPProcessor.from_pretrained(trained).tokenizer
    table = captions_file.Captions([["A harbor.", "a  harbor ."], ["a harbor .", "desert"]], tokenizer, 12)
    assert len(table.tokens) == 2 and table.counts.tolist() == [1, 2]
    true = table.true(np.array([0, 1]), torch.arange(2))
    harbor = int(true[0].nonzero())
    assert true.sum(dim=1).tolist() == [1, 2]
    draws = [
        table.draw(np.array([0, 1]), 1, np.random.default_rng(seed)).flatten().tolist() for seed in range(20)
    ]
    assert {first for first, _ in draws} == {harbor} and {second for _, second in draws} == {0, 1}


def test_several_captions_of_an_image_are_different_as_far_as_it_has_them(trained):
    tokenizer = CLIPProcessor.from_pretrained(trained).tokenizer
    table = captions_file.Captions(
        [["a harbor"], ["a harbor", "desert", "many desert number 1 ."]], tokenizer, 12
    )
    for seed in range(5):
        first, second = table.draw(np.array([0, 1]), 4, np.random.default_rng(seed)).tolist()
        assert len(set(first)) == 1 and set(second[:3]) == {0, 1, 2} and second[3] == second[0]


def test_tokens_are_read_no_longer_than_they_need_be(trained):
    tokenizer = CLIPProcessor.from_pretrained(trained).tokenizer
    table = captions_file.Captions([["many desert number 1 .", "desert", "a harbor"]], tokenizer, 12)
    read = list(table.read(torch.arange(3), 1))
    assert [tokens.shape[1] for tokens in read] == sorted(table.lengths.tolist()) == table.lengths.tolist()
    assert all((tokens[0, -1] == tokenizer.eos_token_id) and tokens.shape[0] == 1 for tokens in read)


def test_retrieval_counts_queries_whose_answer_comes_first():
    similarity = torch.tensor([[0.9, 0.1, 0.5], [0.8, 0.7, 0.1]])
    true = torch.tensor([[True, False, False], [False, True, True]])
    assert retrieval(similarity, true) == {"R@1": 50, "R@5": 100, "R@10": 100}
    assert (
        retrieval(torch.zeros(2, 30), torch.eye(2, 30) > 0)["R@10"] == 0
    )  # embeddings that are all the same find nothing


# ---- beginnings ------------------------------------------------------------------------------------------------------


def test_a_new_tower_attends_to_what_is_alike_and_knows_near_from_far():
    config = CLIPVisionConfig(image_size=32, patch_size=8, **beginnings.tower(64, 1, 2, 16))
    vision = CLIPModel(
        CLIPConfig(vision_config=config.to_dict(), text_config=beginnings.tower(16, 1, 2, 16))
    ).vision_model
    torch.manual_seed(0)
    beginnings.start_like_trained(vision)
    attention = vision.encoder.layers[0].self_attn
    alike = (
        attention.q_proj.weight[:32].T @ attention.k_proj.weight[:32]
    ).detach()  # of the first head, [64, 64]
    passed_on = (attention.out_proj.weight @ attention.v_proj.weight).detach()
    assert alike.diagonal().mean() > 0.3 and passed_on.diagonal().mean() == pytest.approx(-0.4, abs=0.1)
    assert alike.fill_diagonal_(0).mean().abs() < 0.05
    positions = vision.embeddings.position_embedding.weight[1:].detach()
    distance = torch.cdist(positions, positions)[0]  # of a corner, on a grid of 4 x 4
    assert distance[1] < distance[2] < distance[3] < distance[15] and distance[1] == pytest.approx(
        distance[4].item()
    )


def test_a_clip_that_exists_takes_larger_images(trained, data, tmp_path):
    larger = beginnings.given_clip(trained, 64)
    old, new = (
        model.vision_model.embeddings.position_embedding.weight
        for model in (CLIPModel.from_pretrained(trained), larger)
    )
    assert (
        new.shape == (65, 32)
        and torch.equal(new[0], old[0])
        and torch.allclose(new[1:].mean(dim=0), old[1:].mean(dim=0), atol=0.02)
    )
    train(
        data,
        tmp_path / "larger",
        "--init",
        str(trained),
        "--image_size",
        "64",
        "--batch_size",
        "6",
        "--workers",
        "0",
        "--device",
        "cpu",
        size=[],
        epochs=1,
    )
    processor = CLIPProcessor.from_pretrained(tmp_path / "larger")
    assert processor(images=Image.new("RGB", (90, 70)), return_tensors="pt")["pixel_values"].shape == (
        1,
        3,
        64,
        64,
    )
    assert CLIPModel.from_pretrained(tmp_path / "larger").config.vision_config.image_size == 64


# ---- the checkpoint --------------------------------------------------------------------------------------------------


def test_any_text_survives_the_tokenizer_in_lower_case(trained):
    tokenizer = CLIPProcessor.from_pretrained(trained).tokenizer
    numbers = tokenizer("A Zebra's Übergröße, 日本 harbor!")["input_ids"]
    assert numbers[0] == tokenizer.bos_token_id and numbers[-1] == tokenizer.eos_token_id
    assert tokenizer.eos_token_id not in numbers[1:-1]  # it is the unknown token too: no letter is unknown
    assert (
        tokenizer.decode(numbers, skip_special_tokens=True).replace(" ", "")
        == "azebra'sübergröße,日本harbor!"
    )
    assert len(tokenizer("harbor")["input_ids"]) == 3  # a frequent word is one token


def test_the_folder_loads_as_a_processor_and_a_model(trained, data):
    processor, model = CLIPProcessor.from_pretrained(trained), CLIPModel.from_pretrained(trained).eval()
    image = Image.open(data / "harbor" / "3.png")
    inputs = processor(
        text=["a harbor", "a desert from above"], images=image, return_tensors="pt", padding=True
    )
    assert inputs["pixel_values"].shape == (1, 3, 32, 32)
    assert model(**inputs).logits_per_image.shape == (1, 2)


def test_a_text_is_its_words_and_not_its_padding(trained):
    tokenizer, model = (
        CLIPProcessor.from_pretrained(trained).tokenizer,
        CLIPModel.from_pretrained(trained).eval(),
    )
    short, long = (
        tokenizer(["a harbor", "a desert"], padding="max_length", max_length=length, return_tensors="pt")[
            "input_ids"
        ]
        for length in (6, 12)
    )
    with torch.no_grad():
        assert torch.allclose(embed_texts(model, short), embed_texts(model, long), atol=1e-6)
        assert not torch.allclose(*embed_texts(model, long), atol=1e-3)


def test_training_learns_colours_from_captions(data, tmp_path):
    train(
        data,
        tmp_path / "clip",
        "--lr",
        "3e-3",
        "--no_turn",
        "--crop",
        "0.9",
        "--colour",
        "0",
        "--templates",
        "a {} from above.",
        epochs=20,
    )
    log = [json.loads(line) for line in (tmp_path / "clip" / "log.jsonl").read_text().splitlines()]
    results = json.loads((tmp_path / "clip" / "train_results.json").read_text())
    assert log[-1]["loss"] < log[0]["loss"] / 2
    assert results["class_name_top1"] == 100 and results["image_to_text"]["R@5"] == 100
    assert (
        results["data"]["train"] == {"images": 9, "captions": 18}
        and not (tmp_path / "clip" / "state.pt").exists()
    )


def test_an_interrupted_run_ends_like_an_uninterrupted_one(data, trained, tmp_path, monkeypatch, capsys):
    save = finetune_clip.save_state

    def interrupted(*state):
        save(*state)
        raise KeyboardInterrupt

    monkeypatch.setattr(finetune_clip, "save_state", interrupted)
    for _ in range(2):
        with pytest.raises(SystemExit) as stop:
            train(data, tmp_path / "clip")
        assert stop.value.code == 130
    monkeypatch.undo()
    train(data, tmp_path / "clip", "--cache_gb", "0")  # decoding anew changes nothing
    assert "going on after epoch 2" in capsys.readouterr().out
    expected, found = weights(trained), weights(tmp_path / "clip")
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_finished_run_is_reported_and_not_trained_again(data, trained, tmp_path, capsys):
    shutil.copytree(trained, tmp_path / "clip")
    options = json.loads((tmp_path / "clip" / "options.json").read_text())
    before = (tmp_path / "clip" / "model.safetensors").stat().st_mtime_ns
    train(data, tmp_path / "clip")
    assert capsys.readouterr().out.startswith("finished already")
    assert (tmp_path / "clip" / "model.safetensors").stat().st_mtime_ns == before
    assert json.loads((tmp_path / "clip" / "options.json").read_text()) == options


def test_init_goes_on_from_a_checkpoint_with_its_sizes_and_words(data, trained, tmp_path):
    train(
        data,
        tmp_path / "clip",
        "--init",
        str(trained),
        "--lr",
        "1e-9",
        size=["--workers", "0", "--device", "cpu"],
        epochs=1,
    )
    before, after = weights(trained), weights(tmp_path / "clip")
    assert all(torch.allclose(before[name], after[name], atol=1e-6) for name in before)
    assert (tmp_path / "clip" / "vocab.json").read_text() == (trained / "vocab.json").read_text()


def test_half_saves_float16_and_reports_the_scores_of_those_weights(data, trained, tmp_path):
    train(data, tmp_path / "clip", "--half", "--patch_drop", "0.5", "--no_class_names")
    assert (tmp_path / "clip" / "model.safetensors").stat().st_size < 0.6 * (
        trained / "model.safetensors"
    ).stat().st_size
    loaded = weights(tmp_path / "clip")
    assert all(
        value.dtype == torch.float32 and torch.equal(value, value.half().float())
        for value in loaded.values()
        if value.is_floating_point()
    )
    assert "class_name_top1" not in json.loads((tmp_path / "clip" / "train_results.json").read_text())


def test_dropped_patches_are_not_seen_and_the_class_token_is(trained):
    model = CLIPModel.from_pretrained(trained)
    with some_patches(model, 0.5, 2, np.random.default_rng(0)):
        assert model.vision_model(pixel_values=torch.zeros(2, 3, 32, 32)).last_hidden_state.shape[1] == 1 + 8
    assert model.vision_model(pixel_values=torch.zeros(2, 3, 32, 32)).last_hidden_state.shape[1] == 1 + 16


# ---- what the user gave is wrong -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line, says",
    [
        ("{oops", "line 2"),
        ('{"image": "harbor/0.png"}', "line 2"),
        ('{"image": "harbor/0.png", "captions": []}', "line 2"),
        ('{"image": "harbor/0.png", "captions": [" "]}', "line 2"),
        ('{"image": "harbor/9.png", "captions": ["x"]}', "harbor/9.png"),
    ],
)
def test_a_bad_captions_file_is_named_with_its_line(data, tmp_path, capsys, line, says):
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"image": "harbor/0.png", "captions": ["a harbor"]}\n' + line + "\n")
    said = error(capsys, "--images", data, "--captions", bad, "--output", tmp_path / "clip", *TINY)
    assert str(bad) in said and says in said
    assert not (tmp_path / "clip").exists()


@pytest.mark.parametrize(
    "change, says",
    [
        (["--patch_size", "7"], "multiple of --patch_size 7"),
        (["--heads", "5"], "multiple of --heads 5"),
        (["--vocab_size", "100"], "--vocab_size 100"),
        (["--captions", "/nowhere/train.jsonl"], "/nowhere/train.jsonl"),
        (["--init", "/nowhere"], "leave out --"),
        (["--device", "cuda:99"], "--device cuda:99"),
    ],
)
def test_wrong_options_are_named(data, tmp_path, capsys, change, says):
    assert says in error(
        capsys,
        "--images",
        data,
        "--captions",
        data / "train.jsonl",
        "--output",
        tmp_path / "clip",
        *TINY,
        *change,
    )


def test_an_init_folder_that_is_none_is_named(data, tmp_path, capsys):
    said = error(
        capsys,
        "--images",
        data,
        "--captions",
        data / "train.jsonl",
        "--output",
        tmp_path / "clip",
        "--init",
        "/nowhere",
    )
    assert "no CLIP checkpoint: /nowhere" in said


@pytest.mark.parametrize(
    "lost, says",
    [
        (("vocab.json", "tokenizer.json"), "has no tokenizer"),
        (("config.json",), "no CLIP checkpoint"),
        (("model.safetensors",), "has neither model.safetensors nor"),
        (("preprocessor_config.json",), "has no readable processor"),
    ],
)
def test_an_init_folder_that_lacks_something_is_named_before_anything_is_written(
    data, trained, tmp_path, capsys, lost, says
):
    broken = Path(shutil.copytree(trained, tmp_path / "broken"))
    for file in lost:
        (broken / file).unlink(missing_ok=True)
    said = error(
        capsys,
        "--images",
        data,
        "--captions",
        data / "train.jsonl",
        "--output",
        tmp_path / "clip",
        "--init",
        broken,
    )
    assert says in said and str(broken) in said and not (tmp_path / "clip").exists()


def test_a_class_with_one_image_is_trained_on_and_tested_like_any_other(data, tmp_path):
    several = [{"image": f"harbor/{number}.png", "captions": ["a harbor"]} for number in range(3)]
    write_lines(tmp_path / "train.jsonl", [*several, {"image": "desert/0.png", "captions": ["a desert"]}])
    finetune_clip.main(
        [
            "--images",
            str(data),
            "--captions",
            str(tmp_path / "train.jsonl"),
            "--test_captions",
            str(tmp_path / "train.jsonl"),
            "--output",
            str(tmp_path / "clip"),
            "--epochs",
            "1",
            *TINY,
        ]
    )
    results = json.loads((tmp_path / "clip" / "train_results.json").read_text())
    assert results["data"]["train"] == {"images": 4, "captions": 4} and results["class_name_top1"] in (
        0,
        25,
        50,
        75,
        100,
    )


def test_another_runs_folder_is_refused(data, trained, tmp_path, capsys):
    arguments = ["--images", data, "--captions", data / "train.jsonl", "--test_captions", data / "test.jsonl"]
    assert "--epochs 3, now 4" in error(capsys, *arguments, "--output", trained, *TINY, "--epochs", "4")
    (tmp_path / "mine.txt").write_text("something")
    assert "not empty" in error(capsys, *arguments, "--output", tmp_path, *TINY)


def test_an_image_that_cannot_be_read_is_named(data, tmp_path, capsys):
    (tmp_path / "broken.png").write_bytes(b"no image")
    write_lines(tmp_path / "train.jsonl", [{"image": "broken.png", "captions": ["a harbor"]}] * 2)
    for cache_gb, workers in (("1", "1"), ("0", "0")):
        said = error(
            capsys,
            "--images",
            tmp_path,
            "--captions",
            tmp_path / "train.jsonl",
            "--output",
            tmp_path / "clip",
            *TINY,
            "--cache_gb",
            cache_gb,
            "--workers",
            workers,
        )
        assert "broken.png" in said

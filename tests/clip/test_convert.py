"""State dicts of the real open_clip library, small and with random weights, give the same embeddings here."""

import sys
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from open_clip.tokenizer import SimpleTokenizer
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPProcessor

import convert_clip
from clip.checkpoint import load_both_towers
from helpers import refusal, start, write_whole_clip

SHAPES = {
    "patches of 32": dict(
        image=64, patch=32, width=128, layers=2, text_width=64, text_layers=1, projection=32
    ),
    "patches of 16": dict(
        image=64, patch=16, width=64, layers=1, text_width=128, text_layers=2, projection=48
    ),
    "a large odd image": dict(
        image=84, patch=14, width=192, layers=3, text_width=64, text_layers=1, projection=64
    ),
}
WORDS = ["a satellite image of an airport.", "storage tanks, seen from above", "Ports & piers: 3 of them!"]


def open_clips(image, patch, width, layers, text_width, text_layers, projection, quick=False):
    """A random CLIP of open_clip."""
    torch.manual_seed(0)
    model = open_clip.CLIP(
        embed_dim=projection,
        vision_cfg=open_clip.CLIPVisionCfg(
            image_size=image, patch_size=patch, width=width, layers=layers, head_width=64
        ),
        text_cfg=open_clip.CLIPTextCfg(
            context_length=77, vocab_size=49408, width=text_width, heads=text_width // 64, layers=text_layers
        ),
        quick_gelu=quick,
    ).eval()
    for parameter in model.parameters():  # biases and norms are constant at first
        parameter.data += 0.02 * torch.randn_like(parameter)
    return model


def run(checkpoint: Path, output: Path, *options):
    convert_clip.main([str(checkpoint), "--output", str(output), *options])
    return load_both_towers(output)


def check_alike(theirs, output: Path):
    """Embeddings of images and of sentences, to 1e-5."""
    ours, processor = load_both_towers(output)
    size = ours.config.vision_config.image_size
    images = torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(1))
    tokens = SimpleTokenizer()(WORDS)
    numbers = processor.tokenizer(WORDS, padding="max_length", max_length=77, return_tensors="pt")
    with torch.no_grad():
        expected = theirs.encode_image(images, normalize=True), theirs.encode_text(tokens, normalize=True)
        pooled = ours.vision_model(pixel_values=images).pooler_output
        found_images = ours.visual_projection(pooled)
        pooled = ours.text_model(**numbers).pooler_output
        found_words = ours.text_projection(pooled)
    for ours_, theirs_ in zip((found_images, found_words), expected):
        assert torch.allclose(ours_ / ours_.norm(dim=1, keepdim=True), theirs_, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("quick", [False, True])
def test_embeddings_agree(tmp_path, shape, quick):
    theirs = open_clips(**SHAPES[shape], quick=quick)
    torch.save(theirs.state_dict(), tmp_path / "weights.pt")
    run(tmp_path / "weights.pt", tmp_path / "clip", "--activation", "quick_gelu" if quick else "gelu")
    check_alike(theirs, tmp_path / "clip")


WRAPPERS = {
    "state_dict": lambda weights: {"epoch": 3, "name": "run", "state_dict": weights},
    "module.": lambda weights: {f"module.{name}": value for name, value in weights.items()},
    "both": lambda weights: {"state_dict": {f"module.{name}": value for name, value in weights.items()}},
    "text.": lambda weights: {
        name if name.startswith("visual") or name == "logit_scale" else f"text.{name}": value
        for name, value in weights.items()
    },
    "numbers beside them": lambda weights: {**weights, "context_length": torch.tensor(77)},
}


@pytest.fixture(scope="module")
def theirs():
    return open_clips(**SHAPES["patches of 32"])


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_wrappers_are_taken_off(tmp_path, theirs, wrapper):
    torch.save(WRAPPERS[wrapper](theirs.state_dict()), tmp_path / "weights.pt")
    run(tmp_path / "weights.pt", tmp_path / "clip")
    check_alike(theirs, tmp_path / "clip")


def test_safetensors_are_read(tmp_path, theirs):
    weights = {name: value.contiguous() for name, value in theirs.state_dict().items()}
    save_file(weights, tmp_path / "open_clip_model.safetensors")
    run(tmp_path / "open_clip_model.safetensors", tmp_path / "clip")
    check_alike(theirs, tmp_path / "clip")


def test_half_precision_is_kept_to_the_bit(tmp_path, theirs):
    half = {name: value.half() for name, value in theirs.state_dict().items()}
    torch.save(half, tmp_path / "weights.pt")
    ours, _ = run(tmp_path / "weights.pt", tmp_path / "clip")
    there = half["visual.proj"].float().T
    assert torch.equal(ours.visual_projection.weight, there)
    size = sum(value.numel() for value in half.values())
    assert (tmp_path / "clip" / "model.safetensors").stat().st_size < 2.2 * size


def test_activations_are_different_and_openais_form_is_recognised(tmp_path, theirs, capsys):
    weights = theirs.state_dict()
    torch.save(weights, tmp_path / "laion.pt")
    torch.save({**weights, "input_resolution": torch.tensor(64)}, tmp_path / "openai.pt")
    laion, _ = run(tmp_path / "laion.pt", tmp_path / "1")
    assert "activation gelu, which the weights do not tell: see --activation" in capsys.readouterr().out
    openai, _ = run(tmp_path / "openai.pt", tmp_path / "2")
    assert laion.config.vision_config.hidden_act == "gelu"
    assert openai.config.vision_config.hidden_act == openai.config.text_config.hidden_act == "quick_gelu"


def test_heads_of_odd_widths(tmp_path):
    model = open_clips(image=64, patch=32, width=128, layers=1, text_width=64, text_layers=1, projection=16)
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    ours, _ = run(tmp_path / "weights.pt", tmp_path / "clip", "--vision_heads", "4")
    assert ours.config.vision_config.num_attention_heads == 4


def test_every_program_reads_the_folder(tmp_path, theirs):
    from clip.checkpoint import load_tower

    torch.save(theirs.state_dict(), tmp_path / "weights.pt")
    model, processor = run(tmp_path / "weights.pt", tmp_path / "clip")
    assert processor.preprocessing.shorter_side == 64
    assert load_tower(tmp_path / "clip").config.image_size == 64
    picture = Image.fromarray(np.full((80, 70, 3), 99, np.uint8))
    theirs_processor = CLIPProcessor.from_pretrained(tmp_path / "clip")
    prepared = theirs_processor(text=WORDS, images=picture, return_tensors="pt", padding=True)
    assert prepared.pixel_values.shape[-1] == 64


# ---- words -----------------------------------------------------------------------------------------


def test_a_tokenizer_of_the_same_family(tmp_path, theirs, monkeypatch, capsys):
    torch.save(theirs.state_dict(), tmp_path / "weights.pt")
    run(tmp_path / "weights.pt", tmp_path / "first")
    monkeypatch.setitem(sys.modules, "open_clip.tokenizer", None)
    run(tmp_path / "weights.pt", tmp_path / "second", "--tokenizer", str(tmp_path / "first"))
    check_alike(theirs, tmp_path / "second")
    assert "no tokenizer" not in capsys.readouterr().out


def test_without_words_the_vision_tower_still_converts(tmp_path, theirs, monkeypatch, capsys):
    from clip.checkpoint import load_tower

    monkeypatch.setitem(sys.modules, "open_clip.tokenizer", None)
    torch.save(theirs.state_dict(), tmp_path / "weights.pt")
    convert_clip.main([str(tmp_path / "weights.pt"), "--output", str(tmp_path / "clip")])
    assert load_tower(tmp_path / "clip").config.hidden_size == 128
    assert "note: no tokenizer" in capsys.readouterr().out


# ---- what is refused -------------------------------------------------------------------------------


def fails(capsys, checkpoint: Path, output: Path, *options) -> str:
    """The line that refuses it; nothing is left behind."""
    error = refusal(capsys, start, convert_clip, checkpoint, "--output", output, *options)
    assert not output.exists() and not output.with_name(output.name + ".unfinished").exists()
    return error


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("visual.layer1.0.conv1.weight", "ResNet"),
        ("visual.trunk.blocks.0.norm1.weight", "timm"),
        ("logit_bias", "SigLIP"),
        ("text.transformer.embeddings.word_embeddings.weight", "text tower of Hugging Face"),
        ("vision_model.post_layernorm.weight", "Hugging Face's form already"),
        ("prototypes", "--resume"),
        ("fc.weight", "expected weights such as visual.conv1.weight, found fc.weight"),
    ],
)
def test_other_models_are_named(tmp_path, capsys, name, said):
    torch.save({"state_dict": {name: torch.zeros(2)}}, tmp_path / "weights.pt")
    assert said in fails(capsys, tmp_path / "weights.pt", tmp_path / "clip")


def test_torchscript_is_code_and_refused(tmp_path, capsys):
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "ViT-B-32.pt"))
    said = fails(capsys, tmp_path / "ViT-B-32.pt", tmp_path / "clip")
    assert "TorchScript" in said and "torch.jit.load('ViT-B-32.pt'" in said


def test_a_pickle_runs_no_code(tmp_path, capsys):
    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    torch.save({"state_dict": Evil()}, tmp_path / "weights.pt")
    fails(capsys, tmp_path / "weights.pt", tmp_path / "clip")
    assert not (tmp_path / "ran").exists()


def test_what_is_missing_or_does_not_fit_is_named(tmp_path, theirs, capsys):
    assert f"{tmp_path} is a folder, where a file is expected" in fails(capsys, tmp_path, tmp_path / "clip")

    weights = dict(theirs.state_dict())
    missing = weights.pop("visual.transformer.resblocks.1.ln_1.bias")
    torch.save(weights, tmp_path / "weights.pt")
    said = fails(capsys, tmp_path / "weights.pt", tmp_path / "clip")
    assert "lacks 1 weights" in said and "layers.1.layer_norm1.bias" in said

    weights["visual.transformer.resblocks.1.ln_1.bias"] = missing[:-1]
    torch.save(weights, tmp_path / "weights.pt")
    assert "has the shape [127], expected [128]" in fails(capsys, tmp_path / "weights.pt", tmp_path / "clip")

    weights["visual.transformer.resblocks.1.ln_1.bias"] = missing
    weights["visual.transformer.resblocks.1.ls_1.gamma"] = missing
    torch.save(weights, tmp_path / "weights.pt")
    assert "1 weights that a ViT CLIP has not" in fails(capsys, tmp_path / "weights.pt", tmp_path / "clip")


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n"]
)
def test_files_of_other_kinds(tmp_path, capsys, content):
    (tmp_path / "weights.pt").write_bytes(content)
    fails(capsys, tmp_path / "weights.pt", tmp_path / "clip")


def test_a_folder_that_is_used_is_not_overwritten(tmp_path, theirs, capsys):
    torch.save(theirs.state_dict(), tmp_path / "weights.pt")
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "mine").touch()
    with pytest.raises(SystemExit):
        convert_clip.main([str(tmp_path / "weights.pt"), "--output", str(tmp_path / "clip")])
    assert "is not empty" in capsys.readouterr().err
    assert [file.name for file in (tmp_path / "clip").iterdir()] == ["mine"]


def test_a_tokenizer_of_another_family_is_refused(tmp_path, theirs, capsys):
    torch.save(theirs.state_dict(), tmp_path / "weights.pt")
    other = write_whole_clip(tmp_path / "other")
    said = fails(capsys, tmp_path / "weights.pt", tmp_path / "clip", "--tokenizer", str(other))
    assert "give the folder of a CLIP of the same family" in said


def test_a_broken_or_unfinished_state_dict_is_named(tmp_path, capsys):
    weights = open_clips(**SHAPES["patches of 32"]).state_dict()
    weights["visual.proj"][0, 0] = torch.nan
    torch.save(weights, tmp_path / "broken.pt")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "broken.pt").read_bytes()[:-1000])
    (tmp_path / "pointer.pt").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    for name, says in [("broken", "visual.proj has NaN"), ("cut", "cut off"), ("pointer", "git lfs pull")]:
        with pytest.raises(SystemExit) as stop:
            run(tmp_path / f"{name}.pt", tmp_path / "clip")
        said = capsys.readouterr().err
        assert stop.value.code == 2 and says in said and f"{name}.pt" in said
        assert not (tmp_path / "clip").exists()

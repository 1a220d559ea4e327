"""What is this checkpoint? Recognised before anything is loaded, and said in one line."""

import json
import os
import pickle
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPModel, CLIPTextModel, CLIPVisionModel, SiglipConfig, SiglipModel

from clip import Clip
from clip.checkpoint import load_tower
from clip.kinds import kind_of
from helpers import write_whole_clip
from runs.checkpoint import checkpoint_metadata
from support.errors import InputError
from tiny_data import SMALL

CPU = torch.device("cpu")
POINTER = (
    b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22e\nsize 605\n"
)
PAGE = b"\n<!DOCTYPE html>\n<html><head><title>Entry not found</title></head></html>"
OPENAI = {
    "positional_embedding": torch.zeros(8, 4),
    "text_projection": torch.zeros(4, 4),
    "logit_scale": torch.zeros(()),
    "visual.class_embedding": torch.zeros(4),
    "visual.conv1.weight": torch.zeros(4, 3, 2, 2),
    "transformer.resblocks.0.ln_1.weight": torch.zeros(4),
    "token_embedding.weight": torch.zeros(8, 4),
}


@pytest.fixture
def folder(tmp_path):
    return write_whole_clip(tmp_path / "clip")


def refusal(folder, load=lambda folder: Clip(folder, CPU)) -> str:
    """The line with which it is refused, which names it."""
    with pytest.raises(InputError) as error:
        load(folder)
    said = str(error.value)
    assert str(folder) in said and "\n" not in said
    return said


def weights_of(folder) -> dict:
    return load_file(folder / "model.safetensors")


def in_torch(folder, content, **how):
    """The folder's weights as pytorch_model.bin, with this content."""
    (folder / "model.safetensors").unlink()
    torch.save(content, folder / "pytorch_model.bin", **how)


@pytest.mark.parametrize("name", ["special_tokens_map.json", "added_tokens.json"])
def test_a_pointer_in_place_of_a_small_file_of_the_tokenizer(folder, name):
    (folder / name).write_bytes(POINTER)
    assert f"its {name} is a Git LFS pointer" in refusal(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has none")
@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "config.json"])
def test_a_pipe_in_place_of_a_file_is_not_waited_for(folder, name):
    (folder / name).unlink(missing_ok=True)
    if name == "pytorch_model.bin":
        (folder / "model.safetensors").unlink()
    os.mkfifo(folder / name)
    refusal(folder)


def test_config_json_with_a_byte_order_mark_or_of_another_form(folder):
    config = folder / "config.json"
    content = config.read_bytes()
    config.write_bytes(b"\xef\xbb\xbf" + content)
    assert "begins with a byte order mark" in refusal(folder)
    config.write_bytes(b"null")
    assert "its config.json is no JSON object" in refusal(folder)


def test_a_weight_of_another_shape(folder):
    content = weights_of(folder)
    content["visual_projection.weight"] = content["visual_projection.weight"].reshape(-1)
    save_file(content, folder / "model.safetensors", metadata={"format": "pt"})
    said = refusal(folder)
    assert "ignore_mismatched_sizes" not in said and "above report" not in said


# ---- no file of weights ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "config.json", "vocab.json"])
@pytest.mark.parametrize(
    "content, is_what, todo",
    [
        (POINTER, "a Git LFS pointer", "git lfs pull"),
        (PAGE, "a web page", "download the file itself"),
        (b"", "an empty file", "download it anew"),
        (bytes(5000), "a file of zeros", "download it anew"),
    ],
)
def test_what_stands_in_place_of_a_file(folder, name, content, is_what, todo):
    if name == "pytorch_model.bin":
        (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(content)
    said = refusal(folder)
    assert is_what in said and todo in said and name in said
    assert "weights_only" not in said  # torch advises to load unsafely


@pytest.mark.parametrize(
    "content, is_what",
    [
        (b"Invalid username or password.", "a text file, which begins with 'Invalid username or"),
        (b"\x1f\x8b" + bytes(99), "a gzip archive; unpack it"),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "an HDF5 file"),
        (b"\xff" * 200, "does not begin like one"),
        (b"\xff\xff\xff\xff\xff\xff\xff\x7f{" + bytes(99), "its header would have"),
    ],
)
def test_files_of_other_kinds(folder, content, is_what):
    (folder / "model.safetensors").write_bytes(content)
    assert is_what in refusal(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_download_that_was_cut_off(folder, name, share):
    if name == "pytorch_model.bin":
        in_torch(folder, weights_of(folder))
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(share * len(content))])
    said = refusal(folder)
    assert "cut off" in said and "download it anew" in said and name in said


def test_weights_under_the_name_of_the_other_format(folder):
    content = weights_of(folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "call it model.safetensors" in refusal(folder)
    torch.save(content, folder / "model.safetensors")
    assert "call it pytorch_model.bin" in refusal(folder)


# ---- parts -----------------------------------------------------------------------------------------


@pytest.fixture
def parts(folder):
    """A CLIP in several files."""
    CLIPModel.from_pretrained(folder).save_pretrained(folder, max_shard_size="60KB")
    (folder / "model.safetensors").unlink()
    assert len(list(folder.glob("model-0*"))) > 1
    return folder


def test_parts_are_one_clip(parts):
    assert kind_of(parts).name == "clip"
    assert Clip(parts, CPU).embed_words(["harbour"], ["a {}."]).isfinite().all()


def test_parts_without_their_index(parts):
    (parts / "model.safetensors.index.json").unlink()
    said = refusal(parts)
    assert "parts of its weights" in said and "download model.safetensors.index.json" in said


def test_a_part_that_is_missing_cut_off_or_a_pointer(parts):
    part = sorted(parts.glob("model-0*"))[1]
    content = part.read_bytes()
    part.unlink()
    assert f"without {part.name}, one of the" in refusal(parts)
    part.write_bytes(content[:-10])
    assert "cut off" in refusal(parts)
    part.write_bytes(POINTER)
    assert "git lfs pull" in refusal(parts)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"weight_map": {}}', '{"weight_map": {"x": "../x.safetensors"}}']
)
def test_an_index_that_is_none(parts, text):
    (parts / "model.safetensors.index.json").write_text(text)
    assert "model.safetensors.index.json" in refusal(parts)


# ---- other networks --------------------------------------------------------------------------------


def test_one_tower_alone(folder, tmp_path):
    CLIPVisionModel.from_pretrained(folder).save_pretrained(tmp_path / "vision")
    CLIPTextModel.from_pretrained(folder).save_pretrained(tmp_path / "text")
    assert kind_of(tmp_path / "vision").name == "vision tower"
    load_tower(tmp_path / "vision")  # is all that a training needs
    assert "a CLIP's vision tower alone" in refusal(tmp_path / "vision")
    assert "a CLIP's text tower alone" in refusal(tmp_path / "text")
    assert "a CLIP's text tower alone" in refusal(tmp_path / "text", load_tower)


@pytest.mark.parametrize("says_so", [True, False])
def test_siglip(folder, tmp_path, says_so):
    text = {**SMALL, "vocab_size": 50, "projection_size": 32}
    model = SiglipModel(
        SiglipConfig(vision_config={**SMALL, "image_size": 32, "patch_size": 8}, text_config=text)
    )
    model.save_pretrained(tmp_path / "siglip")
    if not says_so:
        shutil.copyfile(folder / "config.json", tmp_path / "siglip" / "config.json")
    for load in (load_tower, lambda where: Clip(where, CPU)):
        assert "siglip" in refusal(tmp_path / "siglip", load).lower()


@pytest.mark.parametrize(
    "content, is_what",
    [
        (OPENAI, "open_clip's form"),
        ({**OPENAI, "input_resolution": 224, "context_length": 77, "vocab_size": 8}, "OpenAI's form"),
        (
            {"epoch": 3, "name": "x", "state_dict": {f"module.{k}": v for k, v in OPENAI.items()}},
            "open_clip's",
        ),
        ({"visual.trunk.blocks.0.attn.qkv.weight": torch.zeros(2)}, "open_clip's form"),
        ({"cls_token": torch.zeros(2), "blocks.0.attn.qkv.weight": torch.zeros(2)}, "timm's form"),
    ],
)
@pytest.mark.parametrize("is_new", [True, False])
def test_open_clip_openai_and_timm(folder, tmp_path, content, is_what, is_new):
    in_torch(folder, content, _use_new_zipfile_serialization=is_new)
    for load in (load_tower, lambda where: Clip(where, CPU)):
        assert is_what in refusal(folder, load)
    torch.save(content, tmp_path / "ViT-B-32.pt")  # and as a file, as it is downloaded
    said = refusal(tmp_path / "ViT-B-32.pt")
    assert (Path(__file__).parents[2] / "model" / "convert_clip.py").is_file()
    assert is_what in said and ("python model/convert_clip.py" in said) == (
        "visual.conv1.weight" in str(content)
    )


def test_a_folder_of_open_clip(tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "open_clip_config.json").write_text("{}")
    save_file(OPENAI, tmp_path / "open" / "open_clip_model.safetensors")
    said = refusal(tmp_path / "open")
    assert (
        "no CLIP checkpoint" in said and "open_clip_model.safetensors is a CLIP in open_clip's form" in said
    )


@pytest.mark.filterwarnings("ignore")
def test_a_torchscript_archive(folder, tmp_path):
    script = torch.jit.trace(torch.nn.Linear(2, 3), torch.zeros(1, 2))
    torch.jit.save(script, tmp_path / "ViT-B-32.pt")
    assert "TorchScript archive" in refusal(tmp_path / "ViT-B-32.pt")
    (folder / "model.safetensors").unlink()
    shutil.copyfile(tmp_path / "ViT-B-32.pt", folder / "pytorch_model.bin")
    assert "TorchScript archive" in refusal(folder)


# ---- CLIP, but wrapped -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrapper, prefix, todo",
    [
        ("state_dict", "", 'what is in "state_dict"'),
        (None, "module.", "the names without module."),
        ("state_dict", "module.", 'what is in "state_dict" and the names without module.'),
        ("model", "model.", 'what is in "model" and the names without model.'),
    ],
)
def test_wrappers_are_named(folder, wrapper, prefix, todo):
    content = {prefix + name: value for name, value in weights_of(folder).items()}
    in_torch(folder, {"epoch": 1, wrapper: content} if wrapper else content)
    for load in (load_tower, lambda where: Clip(where, CPU)):
        said = refusal(folder, load)
        assert "CLIP's weights" in said and f"save {todo}" in said


def test_a_pickle_and_weights_with_more_than_weights(folder):
    content = weights_of(folder)
    in_torch(folder, {**content, "note": Path("x")})
    said = refusal(folder)
    assert "it holds more than weights (pathlib" in said and "weights_only" not in said
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"x": 1}))
    assert "is not a readable CLIP checkpoint" in refusal(folder)


# ---- where it lies ---------------------------------------------------------------------------------


def test_a_file_of_the_folder_instead_of_the_folder(folder):
    assert f"name its folder, {folder}" in refusal(folder / "model.safetensors")


def test_a_folder_of_the_hubs_cache(folder, tmp_path):
    hub = tmp_path / "models--openai--clip"
    shutil.copytree(folder, hub / "snapshots" / "abc")
    assert str(hub / "snapshots" / "abc") in refusal(hub)


def test_weights_of_other_names_and_formats(folder):
    (folder / "model.safetensors").rename(folder / "model.fp16.safetensors")
    assert "copy them as model.safetensors" in refusal(folder)
    (folder / "model.fp16.safetensors").rename(folder / "flax_model.msgpack")
    assert "flax_model.msgpack is a .msgpack file" in refusal(folder)


def test_weights_without_config(folder):
    (folder / "config.json").unlink()
    assert "download config.json to them" in refusal(folder)


def test_ours_as_a_clip_and_a_clip_as_ours(place, folder):
    saved = place / "run" / "last.safetensors"
    for path in (saved, place / "run"):
        said = refusal(path)
        assert (
            "main.py" in said or "of a run" in said
        ) and "the folder of the CLIP that it was trained from" in said
    said = refusal(folder / "model.safetensors", checkpoint_metadata)
    assert "it is a CLIP with both towers" in said and "expected such as runs/X/last.safetensors" in said


@pytest.mark.parametrize(
    "content, says", [(POINTER, "git lfs pull"), (PAGE, "a web page"), (b"", "an empty file")]
)
def test_what_stands_in_place_of_a_saved_model(tmp_path, content, says):
    (tmp_path / "last.safetensors").write_bytes(content)
    assert says in refusal(tmp_path / "last.safetensors", checkpoint_metadata)


def test_a_saved_model_that_is_cut_off(place, tmp_path):
    content = (place / "run" / "last.safetensors").read_bytes()
    (tmp_path / "last.safetensors").write_bytes(content[:-100])
    said = refusal(tmp_path / "last.safetensors", checkpoint_metadata)
    assert "cut off" in said and "download it anew" in said


def test_kind_of_never_raises(tmp_path):
    assert kind_of(Path("x" * 5000)).name == "unreadable"
    assert kind_of(Path("\0")).name in ("unreadable", "missing")
    assert kind_of(tmp_path / "nowhere").name == "missing"
    (tmp_path / "config.json").write_text(json.dumps({}))
    assert kind_of(tmp_path).name == "no weights"
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.txt", "a")
    assert "zip archive" in kind_of(tmp_path / "x.zip").what

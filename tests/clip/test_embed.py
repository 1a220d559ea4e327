"""Sentences and images as vectors, against transformers' own."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPModel, CLIPProcessor

from clip import Clip
from clip.attributes import CLASS_PROMPTS
from helpers import write_whole_clip
from support.notes import quietly


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_whole_clip(tmp_path_factory.mktemp("clip") / "clip")


def test_words_are_embedded_as_the_mean_of_their_sentences(clip):
    sentences = [[prompt.format(word) for prompt in CLASS_PROMPTS] for word in ("river", "storage tanks")]
    processor, model = CLIPProcessor.from_pretrained(clip), CLIPModel.from_pretrained(clip).eval()
    inputs = processor(
        text=sum(sentences, []), images=Image.new("RGB", (32, 32)), return_tensors="pt", padding=True
    )
    with torch.no_grad():
        means = model(**inputs).text_embeds.view(2, len(CLASS_PROMPTS), -1).mean(dim=1)
    ours = Clip(clip, torch.device("cpu")).embed_words(["river", "storage tanks"], CLASS_PROMPTS)
    torch.testing.assert_close(ours, means / means.norm(dim=1, keepdim=True))
    assert not torch.allclose(ours[0], ours[1])


def test_images_are_prepared_as_the_checkpoint_says(clip, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, size=(6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).resize((64, 48), Image.BICUBIC)
    image.save(tmp_path / "image.png")
    processor, model = CLIPProcessor.from_pretrained(clip), CLIPModel.from_pretrained(clip).eval()
    with torch.no_grad():
        theirs = model(**processor(text="x", images=image, return_tensors="pt")).image_embeds
    ours = Clip(clip, torch.device("cpu"))
    torch.testing.assert_close(
        ours.embed_images(ours.loader([tmp_path / "image.png"], 2, 0)), theirs, rtol=0, atol=5e-3
    )


def test_a_sentence_that_is_too_long_is_told_of_once(clip, capsys):
    """The tokenizer here has a token for each letter, and the text tower reads 60, two of them its ends."""
    ours = Clip(clip, torch.device("cpu"))
    fits = " ".join("a" * 58)
    vectors = ours.embed_words([fits, fits + " b", fits + " c"], ["{}"])
    assert torch.equal(vectors[0], vectors[1]) and torch.equal(vectors[0], vectors[2])
    told = capsys.readouterr().out
    assert told.startswith("note: this CLIP reads 58 tokens of a sentence")
    assert told.count("\n") == 1 and f'"{fits[:60]} ..."' in told
    ours.embed_words([fits + " b"], ["{}"])
    ours.embed_words([fits], ["{}"])
    assert not capsys.readouterr().out
    with quietly() as notes:
        ours.embed_words([fits + " d"], ["{}"])
    assert len(notes) == 1

"""Sentences and images as vectors, against transformers' own."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPModel, CLIPProcessor

from clip import Clip
from clip.attributes import CLASS_PROMPTS
from helpers import write_whole_clip


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

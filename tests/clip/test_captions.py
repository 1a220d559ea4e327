"""The captions file, captions as tokens, and the tokenizer that is learnt from them."""

import json

import numpy as np
import torch
from transformers import CLIPProcessor

from clip.captions import Captions, read_captions


def test_the_plain_rsicd_file_and_the_lines_say_the_same(captioned, tmp_path):
    lines = read_captions(captioned / "train.jsonl", captioned, "train")
    plain = [
        {"filename": image, "split": "train", "sentences": [{"raw": caption} for caption in several]}
        for image, several in lines.items()
    ]
    plain.append({"filename": "harbor/3.png", "split": "test", "sentences": [{"raw": "water"}]})
    (tmp_path / "dataset_rsicd.json").write_text(json.dumps({"images": plain, "dataset": "rsicd"}))
    assert read_captions(tmp_path / "dataset_rsicd.json", captioned, "train") == lines
    assert read_captions(tmp_path / "dataset_rsicd.json", captioned, "test") == {"harbor/3.png": ["water"]}


def test_an_image_owns_its_captions_and_those_that_read_the_same(trained):
    tokenizer = CLIPProcessor.from_pretrained(trained).tokenizer
    table = Captions([["A harbor.", "a  harbor ."], ["a harbor .", "desert"]], tokenizer, 12)
    assert len(table.tokens) == 2 and table.counts.tolist() == [1, 2]
    true = table.are_true(np.array([0, 1]), torch.arange(2))
    harbor = int(true[0].nonzero())
    assert true.sum(dim=1).tolist() == [1, 2]
    draws = [
        table.draw(np.array([0, 1]), 1, np.random.default_rng(seed)).flatten().tolist() for seed in range(20)
    ]
    assert {first for first, _ in draws} == {harbor} and {second for _, second in draws} == {0, 1}


def test_several_captions_of_an_image_are_different_as_far_as_it_has_them(trained):
    tokenizer = CLIPProcessor.from_pretrained(trained).tokenizer
    table = Captions([["a harbor"], ["a harbor", "desert", "many desert number 1 ."]], tokenizer, 12)
    for seed in range(5):
        first, second = table.draw(np.array([0, 1]), 4, np.random.default_rng(seed)).tolist()
        assert len(set(first)) == 1 and set(second[:3]) == {0, 1, 2} and second[3] == second[0]


def test_tokens_are_read_no_longer_than_they_need_be(trained):
    tokenizer = CLIPProcessor.from_pretrained(trained).tokenizer
    table = Captions([["many desert number 1 .", "desert", "a harbor"]], tokenizer, 12)
    read = list(table.token_batches(torch.arange(3), 1))
    assert [tokens.shape[1] for tokens in read] == sorted(table.lengths.tolist()) == table.lengths.tolist()
    assert all((tokens[0, -1] == tokenizer.eos_token_id) and tokens.shape[0] == 1 for tokens in read)


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

"""A tokenizer for a new CLIP, learnt from captions and written in CLIP's form."""

import json
from pathlib import Path
from typing import List, Sequence

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from support.files import write_json, write_text

START = "<|startoftext|>"
END = "<|endoftext|>"
SPECIAL_TOKENS = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}

BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())  # one printable character for each of the 256 bytes
LETTERS = [*BYTES, *(byte + "</w>" for byte in BYTES)]  # inside a word, and at its end: they spell any word
SMALLEST_VOCABULARY = len(LETTERS) + len([START, END])

# how CLIP itself divides a text into words
WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def train_tokenizer(captions: Sequence[str], vocab_size: int, context: int, folder: Path):
    """Learn byte-pair merges from captions, and write the files of a CLIPTokenizer.

    Token numbers are laid out as in CLIP: letters, merges, start, end. There is no tokenizer.json:
    transformers makes it from these files, and its format differs between versions.

    context: most tokens of a caption
    """
    merges = learn_merges(captions, vocab_size)
    joined = [left + right for left, right in merges]
    tokens = dict.fromkeys([*LETTERS, *joined, START, END])  # two merges may make the same token
    write_tokenizer(folder, list(tokens), merges, context)


def write_openai_tokenizer(folder: Path, vocab_size: int, context: int) -> bool:
    """The vocabulary that OpenAI's CLIPs and open_clip's share, if open_clip_torch is installed.

    Returns whether it was written: not without the package, nor for a text tower of another vocabulary.
    """
    try:
        from open_clip.tokenizer import SimpleTokenizer
    except ImportError:
        return False
    tokenizer = SimpleTokenizer()
    if len(tokenizer.encoder) != vocab_size:
        return False
    words = sorted(tokenizer.encoder, key=tokenizer.encoder.get)
    tokens = [*words[:-2], START, END]  # the last two have other names there
    merges = sorted(tokenizer.bpe_ranks, key=tokenizer.bpe_ranks.get)
    write_tokenizer(folder, tokens, merges, context)
    return True


def write_tokenizer(folder: Path, tokens: Sequence[str], merges: Sequence[Sequence[str]], context: int):
    """The files of a CLIPTokenizer.

    tokens:  in the order of their numbers
    merges:  pairs of tokens to join, the most frequent first
    context: most tokens of a text
    """
    write_json(folder / "vocab.json", {token: number for number, token in enumerate(tokens)})
    lines = "".join(f"{left} {right}\n" for left, right in merges)
    write_text(folder / "merges.txt", "#version: 0.2\n" + lines)
    write_json(folder / "special_tokens_map.json", SPECIAL_TOKENS)
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "CLIPTokenizer",
            "do_lower_case": True,
            "model_max_length": context,
            "clean_up_tokenization_spaces": False,
            **SPECIAL_TOKENS,
        },
    )


def learn_merges(captions: Sequence[str], vocab_size: int) -> List[List[str]]:
    """Pairs of tokens to join, the most frequent first, as many as the vocabulary has room for."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    words = pre_tokenizers.Split(Regex(WORDS), "removed", invert=True)
    in_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, in_bytes])
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, initial_alphabet=BYTES, end_of_word_suffix="</w>", show_progress=False
    )
    tokenizer.train_from_iterator(captions, trainer)
    pairs = json.loads(tokenizer.to_str())["model"]["merges"]
    # older versions of tokenizers write a pair as one text
    merges = [pair.split(" ") if isinstance(pair, str) else pair for pair in pairs]
    return merges[: vocab_size - SMALLEST_VOCABULARY]

"""Which words a CLIP's tokenizer knows as one token."""

from pathlib import Path
from typing import Set

from support.errors import InputError
from support.untrusted import parse_json

END_OF_WORD = "</w>"
SHORTEST = 4  # letters: of shorter tokens most are endings
ENDINGS = frozenset(
    "able ance ances ence ences ical ings isms ists land ment ments ness sion sions ting tion".split()
)


def whole_words(folder: Path) -> Set[str]:
    """Words that are one token of the tokenizer in a checkpoint folder: vocab.json, or else tokenizer.json.

    Raises InputError if it has neither.
    """
    tokens = read_tokens(Path(folder))
    words = {token[: -len(END_OF_WORD)] for token in tokens if token.endswith(END_OF_WORD)}
    return {word for word in words if len(word) >= SHORTEST and word.isalpha()} - ENDINGS


def read_tokens(folder: Path) -> Set[str]:
    """All tokens of a tokenizer."""
    for file in (folder / "vocab.json", folder / "tokenizer.json"):
        if not file.is_file():
            continue
        try:
            content = parse_json(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{file} is not readable JSON: {error}") from error
        tokens = content
        if file.name == "tokenizer.json":
            tokens = content.get("model", {}).get("vocab") if isinstance(content, dict) else None
        if not isinstance(tokens, dict):
            raise InputError(f"{file}: expected the tokens of a CLIP's tokenizer and their numbers")
        return set(tokens)
    raise InputError(
        f"{folder} has neither vocab.json nor tokenizer.json: expected a CLIP checkpoint with its tokenizer"
    )

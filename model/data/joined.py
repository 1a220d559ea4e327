"""Names that are written as one word: `storagetanks` is taken apart where its parts are known words.

CLIP reads a joined name as pieces of no meaning: UC Merced's names are worth 4.6 points of H less to it than
the same in two words each.
"""

from functools import cache
from pathlib import Path
from typing import Collection, FrozenSet, List, Mapping, Optional, Sequence, Set

SHORTEST = 3  # letters of a part
MOST_PARTS = 4


@cache
def scene_words() -> FrozenSet[str]:
    """Words that names of scenes are made of: scene_words.txt."""
    words: Set[str] = set()
    text = Path(__file__).with_name("scene_words.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        if not line.startswith("#"):
            words.update(line.split())
    return frozenset(words)


def is_known(word: str, words: Collection[str]) -> bool:
    """Is it one of these words, or the plural of one?"""
    if word in words:
        return True
    if word.endswith("ss"):  # grass is no plural
        return False
    plurals = (("ies", "y"), ("es", ""), ("s", ""))
    return any(word.endswith(ending) and word[: -len(ending)] + one in words for ending, one in plurals)


def split_joined(name: str, words: Collection[str], parts: Optional[Collection[str]] = None) -> str:
    """`dense residential`, `storagetanks` -> `dense residential`, `storage tanks`.

    name:  in lower-case words
    words: known ones, which are never taken apart
    parts: words that others are made of, by default the known ones

    A word that is not made of such parts stays as it is.
    """
    return " ".join(split_word(word, words, words if parts is None else parts) for word in name.split())


def split_word(word: str, words: Collection[str], parts: Collection[str]) -> str:
    """One word, taken apart if it is not known and its parts are."""
    if is_known(word, words) or not word.isalpha():
        return word
    found = known_parts(word, set(parts) - {word}, MOST_PARTS)
    return " ".join(found) if found else word


def known_parts(word: str, words: Collection[str], most: int) -> Optional[List[str]]:
    """The fewest known words, at most so many, that make up a word; of as few, those with a longer first one.

    None if there are none.
    """
    if is_known(word, words):
        return [word]
    best: Optional[List[str]] = None
    if most == 1:
        return best
    for end in range(len(word) - SHORTEST, SHORTEST - 1, -1):
        if not is_known(word[:end], words):
            continue
        rest = known_parts(word[end:], words, most - 1 if best is None else len(best) - 2)
        if rest and (best is None or 1 + len(rest) < len(best)):
            best = [word[:end], *rest]
    return best


def split_names(names: Sequence[str], more: Collection[str] = ()) -> List[str]:
    """All classes' names, each taken apart by the words of scenes, the others' words and `more`.

    names: in lower-case words;  more: other known words, such as those that are tokens of a CLIP

    Where some name has two words, who wrote the names parts them: `meadowlark` beside `horned lark` is meant
    to be one, and the words of scenes alone take names apart.
    """
    words = scene_words().union(more)
    are_parted = any(" " in name for name in names)
    taken_apart = []
    for number, name in enumerate(names):
        others = [*names[:number], *names[number + 1 :]]
        if are_parted:
            taken_apart.append(split_joined(name, words, scene_words()))
        else:
            taken_apart.append(split_joined(name, words, words.union(others) - {name}))
    return taken_apart


def told(changes: Mapping[str, str], shown: int = 5) -> str:
    """`storagetanks is now storage tanks`, ..., of the first changes, for a note."""
    pairs = [f"{former} as {name}" for former, name in changes.items()]
    return ", ".join(pairs[:shown]) + (", ..." if len(pairs) > shown else "")

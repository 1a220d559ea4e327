"""Something that must hold, as a row of a table: what | expected | found | ok."""

import traceback
from dataclasses import dataclass
from typing import Callable, Optional, Tuple

from support.errors import first_line

Program = Callable[[], Tuple[str, Optional[bool]]]  # what was found, and whether it is right


@dataclass
class Check:
    """What was tried, and what came of it.

    ok:    None if it could not be tried here; `found` says why
    trace: where it ended in an error; for gpu.json alone
    """

    what: str
    expected: str
    found: str
    ok: Optional[bool]
    trace: str = ""


def check(what: str, expected: str, program: Program) -> Check:
    """Try it. An error fails this check alone: the others are tried all the same."""
    try:
        found, ok = program()
    except Exception as error:  # whatever a card, a driver or a program raises
        found = f"{type(error).__name__}: {first_line(error)}"
        return Check(what, expected, found, False, traceback.format_exc())
    return Check(what, expected, found, ok)

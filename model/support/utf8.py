"""Python's UTF-8 mode: the names of files are read in UTF-8, whatever encoding the locale has.

Names are bytes on Linux. In a locale of ASCII or GBK, Python would take a name in UTF-8 for another one, or
for one that cannot be written down. The mode is chosen when Python starts, so the program starts anew.
"""

import os
import sys


def use_utf8():
    """Start the program anew in UTF-8 mode, unless names are UTF-8 already. What is typed is not changed.

    The console keeps its own encoding. For a program, before it does anything else.
    """
    is_utf8 = sys.getfilesystemencoding().lower().replace("-", "") == "utf8"
    if is_utf8 or os.name != "posix" or os.environ.get("PYTHONUTF8") == "1" or not sys.executable:
        return
    environment = {**os.environ, "PYTHONUTF8": "1"}
    if sys.stdout:
        environment.setdefault("PYTHONIOENCODING", f"{sys.stdout.encoding}:backslashreplace")
    words = getattr(sys, "orig_argv", [sys.executable, *sys.argv])  # Python 3.9 does not know the first
    os.execve(sys.executable, [in_utf8(word) for word in words], environment)


def in_utf8(word: str) -> bytes:
    """A word of the command line: the bytes that were typed, if they are UTF-8, or else the same letters.

    A name may be typed, in the locale's encoding, or be that of a file. Few words can be read either way.
    """
    typed = os.fsencode(word)
    try:
        typed.decode("utf-8")
        return typed
    except UnicodeDecodeError:
        return word.encode("utf-8", "surrogateescape")

"""Archives where a folder is expected: a downloaded dataset must be unpacked first."""

from pathlib import Path
from typing import Dict, Optional

from support.errors import InputError

# how an archive begins
BEGINNINGS: Dict[str, tuple] = {
    "zip": (b"PK\x03\x04", b"PK\x05\x06"),
    "rar": (b"Rar!\x1a\x07",),
    "7z": (b"7z\xbc\xaf\x27\x1c",),
    "gzip": (b"\x1f\x8b",),
    "bzip2": (b"BZh",),
    "xz": (b"\xfd7zXZ\x00",),
    "zstd": (b"\x28\xb5\x2f\xfd",),
}
TAR_PLACE = 257  # of the word "ustar" in a tar
ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".rar", ".part1.rar", ".7z")
UNPACK = {"zip": "unzip", "rar": "unrar x", "7z": "7z x"}


def check_unpacked(folder: Path):
    """Raise InputError if this is an archive, or if there is only an archive of this name beside it."""
    folder = Path(folder)
    if folder.is_dir():
        return
    kind = archive_kind(folder)
    if kind:
        raise InputError(
            f"{folder} is a {kind} archive, expected a folder: unpack it ({command(kind)} {folder.name}) "
            "and name the folder that comes out of it"
        )
    for ending in ENDINGS:
        packed = folder.with_name(folder.name + ending) if folder.name else folder
        kind = archive_kind(packed)
        if kind:
            raise InputError(
                f"no such folder: {folder}, but there is {packed.name}: "
                f"unpack it ({command(kind)} {packed.name})"
            )


def archive_kind(file: Path) -> Optional[str]:
    """ "zip", "tar", ...; None if it is a file of another kind, or none."""
    try:
        if not file.is_file():
            return None
        with file.open("rb") as opened:
            start = opened.read(TAR_PLACE + 5)
    except OSError:
        return None
    for kind, beginnings in BEGINNINGS.items():
        if start.startswith(beginnings):
            return kind
    return "tar" if start[TAR_PLACE:] == b"ustar" else None


def command(kind: str) -> str:
    """What unpacks it."""
    return UNPACK.get(kind, "tar -xf")

"""The size of an .npz file, looked at before numpy reads it: a few bytes may unpack to any number."""
import zipfile
from pathlib import Path

LARGE = 2 ** 30     # bytes: above it numbers that mean something are no smaller when packed, or not much
RATIO = 4


def check_archive(path: Path):
    """Raises ValueError, OSError or zipfile.BadZipFile if it would fill the memory, or is no archive."""
    with zipfile.ZipFile(path) as archive:
        size = sum(part.file_size for part in archive.infolist())
    if size > max(LARGE, RATIO * path.stat().st_size):
        raise ValueError(f"it has {path.stat().st_size:,} bytes and would unpack to {size:,}")

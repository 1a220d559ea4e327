"""Which files a run read: their SHA-256, so that it can be told later whether they are still the same."""

import os
from pathlib import Path
from typing import Dict, Mapping

from clip.checkpoint import weight_files
from data.benchmark import BenchmarkFiles
from support.files import sha256
from support.resumable import changed

MAT_HEADER = 116  # bytes of text, with the time of writing in it
DESCRIPTIONS = {  # files that say what a saved model's weights mean
    "splits_mat": "what describes the classes",
    "groups_json": "the attribute groups",
}


def fingerprints(files: BenchmarkFiles, clip: Path) -> Dict[str, str]:
    """SHA-256 of every file that a run reads, but for the images.

    {"images_mat": ..., "splits_mat": ..., "clip/model.safetensors": ...}
    """
    read = data_files(files)
    for file in weight_files(clip):
        read[f"clip/{file.name}"] = file
    return {name: file_fingerprint(file) for name, file in read.items()}


def data_files(files: BenchmarkFiles) -> Dict[str, Path]:
    """Those that are there; `load_benchmark` tells of others."""
    named = {"images_mat": files.images_mat, "splits_mat": files.splits_mat, "groups_json": files.groups_json}
    return {
        name: file for name, file in named.items() if os.path.isfile(file)
    }  # Path.is_file fails on long names


def file_fingerprint(path: Path) -> str:
    """SHA-256; of a .mat file without its header, so that the same content written later has the same."""
    return sha256(path, skip=MAT_HEADER if path.suffix == ".mat" else 0)


def changed_descriptions(recorded: Mapping[str, str], files: BenchmarkFiles) -> Dict[str, Path]:
    """The files which say what a saved model's weights mean, and are not as it recorded them."""
    there = {name: path for name, path in data_files(files).items() if name in DESCRIPTIONS}
    now = {name: file_fingerprint(path) for name, path in there.items()}
    return {name: there[name] for name in changed(recorded, now)}

"""The run folder: options, one line an epoch, checkpoints, per-class accuracies, results. Any finished epoch can be gone on from."""
import csv
import json
import os
import platform
import shlex
import subprocess
import sys
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from transformers import CLIPVisionConfig

from dsva import DSVA
from errors import InputError

REPOSITORY = Path(__file__).resolve().parents[1]
PLACE = {"name", "output", "resume", "eval", "device", "workers"}  # options that say where, not what
MAY_GROW = {"nepoch"}                                              # what may differ when a run goes on


class Run:
    """runs/<name>/ of one training run.

    options.json         options, command, git commit, versions, machine
    log.jsonl            a line an epoch: every loss term, every score
    best, last .safetensors            weights, with epoch and options as metadata
    per_class_best.csv, per_class_last.csv     accuracy of every class, a column a branch
    confusion_best.csv, confusion_last.csv     images of each class (rows) by the class they were given (columns)
    results.json         the numbers of the run, once it is finished
    """

    def __init__(self, options: Mapping, name: str, branch: str):
        """Opens options["output"], or runs/<name>: a new folder, or one whose run has the same options, to go on with it.

        branch: whose score decides which epoch is best
        """
        self.branch = branch
        self.options = {key: value for key, value in options.items() if key not in PLACE}
        self.folder = Path(options["output"]) if options["output"] else self.free_folder(REPOSITORY / "runs" / name)
        different = self.difference(self.folder)
        if different:
            raise InputError(f"{self.folder} holds a run with other options ({different}): name another --output, or delete it")
        self.seed = self.stored_options(self.folder).get("manualSeed", options["manualSeed"])
        if self.seed is None:
            self.seed = int(np.random.SeedSequence().entropy % 2 ** 32)
        self.options["manualSeed"] = self.seed
        last = self.folder / "last.safetensors"
        self.checkpoint = last if last.is_file() else options["resume"]  # where to go on from, or None
        self.epoch = checkpoint_metadata(self.checkpoint)["epoch"] if self.checkpoint else -1  # the last finished one
        self.history = [line for line in self.read_log() if line["epoch"] <= self.epoch]

    def free_folder(self, folder: Path) -> Path:
        """The folder itself, or with a number added, so that it is new or has a run with these options."""
        number, candidate = 1, folder
        while self.difference(candidate):
            number += 1
            candidate = folder.with_name(f"{folder.name}-{number}")
        return candidate

    def difference(self, folder: Path) -> str:
        """In words, the options in which the run of this folder differs: nothing if it can go on."""
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not (folder / "options.json").is_file():
            return "it is not a run folder"
        stored = self.stored_options(folder)
        ignore = MAY_GROW | ({"manualSeed"} if self.options["manualSeed"] is None else set())
        return ", ".join(f"--{key} {stored.get(key)}, now {value}" for key, value in self.options.items()
                         if stored and key not in ignore and stored.get(key) != value)

    @staticmethod
    def stored_options(folder: Path) -> dict:
        file = folder / "options.json"
        return read_json(file)["options"] if file.is_file() else {}

    def read_log(self) -> List[dict]:
        log = self.folder / "log.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines() if line.endswith("}")] if log.is_file() else []

    def start(self):
        """Write what is known before the first epoch; a log line beyond the last checkpoint is written anew."""
        write_json(self.folder / "options.json", {"options": self.options, **circumstances()})
        write_text(self.folder / "log.jsonl", "".join(json.dumps(line) + "\n" for line in self.history))

    def score(self, line: dict) -> float:
        """The number that counts: accuracy, or H in GZSL, of the branch of --sel_res."""
        scores = line["scores"][self.branch]
        return scores.get("H", scores.get("accuracy"))

    def best(self) -> dict:
        """The log line of the best epoch so far, the first if tied. Chosen on test images, as published."""
        return max(self.history, key=self.score)

    def finish_epoch(self, model: DSVA, line: dict, tables: Mapping[str, Mapping[str, Sequence]]):
        """Log, then weights: `last` comes last, so that an epoch counts as finished only with all its files."""
        self.history.append(line)
        with (self.folder / "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")
        for name in ["best", "last"] if self.best() is line else ["last"]:
            for table, columns in tables.items():
                write_columns(self.folder / f"{table}_{name}.csv", columns)
            save_checkpoint(self.folder / f"{name}.safetensors", model, line["epoch"], self.options)

    def finish(self, chance: float) -> dict:
        """Write and return the results. Scores in percent."""
        if not self.history:
            raise InputError(f"nothing to train: {self.checkpoint} is at epoch {self.epoch} already, --nepoch {self.options['nepoch']} ends before")
        results = {"branch": self.branch, "chance": chance, "best": self.best(), "last": self.history[-1],
                   "seconds": sum(sum(line["seconds"].values()) for line in self.history)}
        write_json(self.folder / "results.json", {**results, "options": self.options, **circumstances()})
        return results


# ---- checkpoints -----------------------------------------------------------------------------------------------------

def save_checkpoint(path: Path, model: DSVA, epoch: int, options: Mapping):
    """All weights in safetensors, with what is needed to rebuild the network and to go on as metadata."""
    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    metadata = {"epoch": epoch, "options": dict(options), "vision_config": model.tower.config.to_dict()}
    with atomic(path) as temporary:
        save_file(weights, temporary, metadata={key: json.dumps(value, default=str) for key, value in metadata.items()})


def checkpoint_metadata(path: Path) -> dict:
    """{"epoch": last finished epoch, "options": {...}, "vision_config": {...}} of a saved model."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        return {key: json.loads(metadata[key]) for key in ("epoch", "options", "vision_config")}
    except KeyError as error:
        raise InputError(f"{path} was not saved by a run of main.py: its metadata lacks {error}") from error
    except (OSError, SafetensorError, ValueError) as error:
        raise InputError(f"{path} is not a readable checkpoint: {error}") from error


def checkpoint_config(path: Path) -> CLIPVisionConfig:
    return CLIPVisionConfig(**checkpoint_metadata(path)["vision_config"])


def load_weights(model: DSVA, path: Path):
    """Exactly the expected weights, or an InputError that names the first one that does not fit."""
    with safe_open(path, framework="pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    for name in sorted(expected.keys() | weights.keys()):
        found = tuple(weights[name].shape) if name in weights else "nothing"
        if found != expected.get(name, "nothing"):
            raise InputError(f"{path} does not fit: {name} is {found}, expected {expected.get(name, 'nothing')}")
    model.load_state_dict(weights)


# ---- writing ---------------------------------------------------------------------------------------------------------

@contextmanager
def atomic(path: Path):
    """A temporary path that takes the place of `path` only when all is written."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"cannot write {path}: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str):
    with atomic(path) as temporary:
        temporary.write_text(text)


def write_json(path: Path, value):
    write_text(path, json.dumps(value, indent=1) + "\n")


def read_json(path: Path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not readable JSON: {error}") from error


def write_columns(path: Path, columns: Mapping[str, Sequence]):
    with atomic(path) as temporary, temporary.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows(zip(*columns.values()))


# ---- circumstances ---------------------------------------------------------------------------------------------------

def circumstances() -> Dict[str, object]:
    """Command, git commit, versions and machine: what one needs to know to repeat a run."""
    return {"command": shlex.join(sys.argv), "git": git_commit(), "versions": versions(),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, " + (torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU")}


def git_commit() -> Optional[str]:
    """The commit of this checkout, "+changes" if the tree differs from it; None outside git."""
    def git(*words):
        return subprocess.run(["git", "-C", str(REPOSITORY), *words], capture_output=True, text=True, check=True).stdout.strip()
    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def versions() -> Dict[str, str]:
    libraries = ("torch", "torchvision", "transformers", "numpy", "scipy", "pillow")
    return {"python": platform.python_version(), **{name: version(name) for name in libraries}}

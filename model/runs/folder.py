"""The folder of a run: options, one line an epoch, checkpoints, tables, results.

A run that was killed goes on from its last finished epoch.
"""

import json
import math
import shutil
from pathlib import Path
from typing import IO, Any, Dict, List, Mapping, Optional, Sequence, Set

import numpy as np

from data.appearance import Appearance
from data.classes import Classes
from dsva.engine import is_turn
from dsva.network import DSVA
from runs.checkpoint import checkpoint_metadata, save_checkpoint
from runs.options import EARLIER
from runs.records import EPOCHS, is_epoch, is_tested, read_log, selected_branch
from support.cli import REPOSITORY
from support.errors import InputError
from support.files import atomic, hold, read_json, remove_leftovers, write_columns, write_json, write_text
from support.machine import circumstances, peak_memory
from support.resumable import what_differs

# Options that say where and how, not what: they may differ when a run goes on.
WHERE = {"name", "output", "resume", "eval", "repeat", "device", "workers", "cache", "cache_dir", "given"}
TABLES = ("per_class", "confusion")
HELP = "name another --output, or delete the folder"


class Run:
    """runs/<name>/ of one training run.

    options.json         options, command, git commit, versions, machine
    log.jsonl            a line an epoch: every loss term, every score; {} of one that was not tested
    last.safetensors     weights and classes, with epoch and options as metadata
    per_class_last.csv   accuracy of every class, a column a branch
    confusion_last.csv   images of each class (rows) by the class they were given (columns)
    best.safetensors, ... and, under the clean protocol, clean.safetensors, ...: the same of these epochs
    results.json         the numbers of the run, once it is finished
    .lock                held by the process that runs
    """

    def __init__(
        self,
        options: Mapping[str, Any],
        name: str,
        facts: Optional[Mapping[str, Any]] = None,
        classes: Optional[Classes] = None,
    ):
        """Open options["output"], or runs/<name>: a new folder, or one whose run has the same options.

        facts:   what else is recorded of the run: "device" and, of the files that it reads, "files"
        classes: those of its division, which its checkpoints keep
        """
        self.facts = dict(facts or {})
        self.classes = classes
        self.options = {key: value for key, value in options.items() if key not in WHERE}
        self.looks: Optional[Appearance] = None  # of the training images, which its checkpoints keep
        self.chosen: Optional[dict] = None  # by the clean protocol, "epoch" above all; see `choose`
        self.folder = self.open(options["output"], name)
        # held before anything is read that another run may change
        self.lock = hold(self.folder) if self.folder.is_dir() else None
        self.seed = self.read_seed()
        self.options["manualSeed"] = self.seed
        last = self.folder / "last.safetensors"
        self.checkpoint = last if last.is_file() else options["resume"]  # where to go on from, or None
        self.epoch = -1  # the last finished one
        if self.checkpoint:
            self.epoch = checkpoint_metadata(self.checkpoint)["epoch"]
        self.history = [line for line in self.read_log() if line["epoch"] <= self.epoch]

    def __getstate__(self):
        """For other processes: the lock is the first one's, which alone writes."""
        return {**vars(self), "lock": None, "classes": None}

    # ---- opening ------------------------------------------------------------------------------------

    def open(self, output: Optional[str], name: str) -> Path:
        """The folder that was asked for, or a free one. Raises InputError if it holds something else."""
        folder = Path(output) if output else self.free_folder(REPOSITORY / "runs" / name)
        different = self.difference(folder)
        if different:
            raise InputError(
                f"{folder} holds a run with other options ({different}): name another --output, or delete it"
            )
        return folder

    def free_folder(self, folder: Path) -> Path:
        """The folder itself, or with a number added, so that it is new or has a run with these options."""
        number, candidate = 1, folder
        while self.difference(candidate):
            number += 1
            candidate = folder.with_name(f"{folder.name}-{number}")
        return candidate

    def difference(self, folder: Path) -> str:
        """In words, in which options and files the run of this folder differs; "" if it can go on."""
        check_options_file(folder)
        ignore: Set[str] = set()
        if self.options.get("protocol") != "clean":  # which might choose otherwise with more epochs
            ignore.add("nepoch")
        if self.options["manualSeed"] is None:
            ignore.add("manualSeed")
        return what_differs(
            folder,
            self.options,
            "it is not a run folder",
            ignore,
            files=self.facts.get("files", {}),
            earlier=EARLIER,
        )

    def read_seed(self) -> int:
        """The seed that the folder's run has, the given one, or a new one."""
        file = self.folder / "options.json"
        options = read_json(file)["options"] if file.is_file() else {}
        seed = options.get("manualSeed", self.options["manualSeed"])
        if type(seed) not in (int, type(None)):
            raise InputError(f"{file}: manualSeed should be a whole number, and is {seed!r}; {HELP}")
        if seed is None:
            seed = int(np.random.SeedSequence().entropy % 2**32)
        return seed

    def read_log(self) -> List[dict]:
        """The lines of log.jsonl, [] without the file."""
        file = self.folder / "log.jsonl"
        log = read_log(file, may_be_empty=True) if file.is_file() else []
        for place, line in enumerate(log, 1):
            if not is_epoch(line) or not self.has_its_score(line):
                raise InputError(f"{file}, line {place}, is not what main.py writes of an epoch; {HELP}")
        return log

    # ---- what it says -------------------------------------------------------------------------------

    def branch(self, line: dict) -> str:
        """The branch that counts in an epoch, of --sel_res."""
        return selected_branch(self.options["sel_res"], line["scores"])

    def scores(self, line: dict) -> Dict[str, float]:
        """The scores that count in an epoch."""
        return line["scores"][self.branch(line)]

    def score(self, line: dict) -> float:
        """The number that counts in an epoch: accuracy, or H in GZSL."""
        scores = self.scores(line)
        return scores["H"] if "H" in scores else scores["accuracy"]

    def has_its_score(self, line: dict) -> bool:
        """Has it the number that counts, or was it not its turn to be tested?"""
        if not is_tested(line):
            return not is_turn(line["epoch"], self.options["test_every"])
        scores = line["scores"].get(self.branch(line), {})
        return "H" in scores or "accuracy" in scores

    def tested(self) -> List[dict]:
        """The lines of the epochs that were tested."""
        return [line for line in self.history if is_tested(line)]

    def best(self) -> Optional[dict]:
        """The line of the best epoch so far, the first if tied, on the images that this run is tested on.

        In a run these are test images, as published. In its validation/ they are those of the played classes.
        None if there was no test yet.
        """
        return max(self.tested(), key=self.score, default=None)

    def scored_epochs(self) -> List[dict]:
        """Of each tested epoch {"epoch", "score"} and, in GZSL, the "curve" of H over the constant.

        Raises InputError if a curve is not what main.py writes.
        """
        epochs = []
        for line in self.tested():
            epoch = {"epoch": line["epoch"], "score": self.score(line)}
            if "H" in self.scores(line):
                epoch["curve"] = line.get("curve")
                if not is_curve(epoch["curve"]):
                    raise InputError(
                        f"{self.folder / 'log.jsonl'}: epoch {line['epoch']} has no curve of H, "
                        f"as main.py writes it of several folds; {HELP}"
                    )
            epochs.append(epoch)
        return epochs

    # ---- writing ------------------------------------------------------------------------------------

    def start(self):
        """Write what is known before the first epoch, and complete what a killed process left half done."""
        if not self.lock:
            self.lock = hold(self.folder)
            if (self.folder / "options.json").is_file():
                raise InputError(
                    f"another process has begun a run in {self.folder} just now: "
                    "start the same command again to go on with it"
                )
        write_json(self.folder / "options.json", {"options": self.options, **self.facts, **circumstances()})
        remove_leftovers(self.folder)
        self.write_log()
        if self.history:
            for name in self.names_of_last():
                if not self.is_kept(name):
                    self.keep(name)

    def write_log(self):
        write_text(self.folder / "log.jsonl", "".join(json.dumps(line) + "\n" for line in self.history))

    def finish_epoch(self, model: DSVA, line: dict, tables: Mapping[str, Mapping[str, Sequence]]):
        """Record an epoch. The weights of `last` make it count.

        Killed before these are written, the epoch is done anew; killed after, `start` makes the copies.
        """
        self.history.append(line)
        self.write_log()
        for table, columns in tables.items():
            write_columns(self.folder / f"{table}_last.csv", columns)
        options = {
            **self.options,
            "calibrated_stacking": line["calibrated_stacking"],
        }  # as it was scored with
        last = self.folder / "last.safetensors"
        files = self.facts.get("files")
        save_checkpoint(last, model, line["epoch"], options, files, self.classes, self.looks)
        for name in self.names_of_last():
            self.keep(name)

    def names_of_last(self) -> List[str]:
        """What else the last epoch is: the best one so far, the one that the clean protocol chose."""
        epoch = self.history[-1]["epoch"]
        best = self.best()
        names = []
        if best and best["epoch"] == epoch:
            names.append("best")
        if self.chosen and self.chosen["epoch"] == epoch:
            names.append("clean")
        return names

    def keep(self, name: str):
        """Copy `last` under another name. The weights come last: they say that all is copied."""
        for file in (*(f"{table}_{{}}.csv" for table in TABLES), "{}.safetensors"):
            with atomic(self.folder / file.format(name)) as temporary:
                shutil.copyfile(self.folder / file.format("last"), temporary)

    def is_kept(self, name: str) -> bool:
        checkpoint = self.folder / f"{name}.safetensors"
        if not checkpoint.is_file():
            return False
        return checkpoint_metadata(checkpoint)["epoch"] == self.history[-1]["epoch"]

    def finish(self, chance: float) -> dict:
        """Write and return the results, with all it needs to repeat them. Scores and chance in percent."""
        if not self.history:
            raise InputError(
                f"nothing to train: {self.checkpoint} is at epoch {self.epoch} already, "
                f"--nepoch {self.options['nepoch']} ends before: ask for more"
            )
        self.check_last()
        results: Dict[str, Any] = {
            "branch": self.branch(self.history[-1]),
            "chance": chance,
            "best": self.best(),
        }
        if self.chosen:
            results["clean"] = self.line_of(self.chosen["epoch"])
            results["chosen"] = self.chosen
        results["last"] = self.history[-1]
        results["seconds"] = sum(sum(line["seconds"].values()) for line in self.history)
        results["peak_memory"] = peak_memory()
        results["options"] = self.options
        results.update(self.facts)
        results.update(circumstances())
        write_json(self.folder / "results.json", results)
        return results

    def check_last(self):
        """Raise InputError if the last epoch was not tested: it was not the last one when it was trained."""
        if not is_tested(self.history[-1]):
            raise InputError(
                f"epoch {self.history[-1]['epoch']}, the last of {self.folder}, was not tested: "
                "ask for more --nepoch, of which the last is"
            )

    def line_of(self, epoch: int) -> dict:
        for line in self.history:
            if line["epoch"] == epoch:
                return line
        raise LookupError(f"epoch {epoch} is not in the log")


def is_curve(curve: Any) -> bool:
    """Is it what `dsva.protocol.h_curve` returns?"""
    if not isinstance(curve, dict):
        return False
    for values in (curve.get("constants"), curve.get("H")):
        if not isinstance(values, list) or not values:
            return False
        if not all(type(value) in (int, float) and math.isfinite(value) for value in values):
            return False
    constants = curve["constants"]
    return len(curve["H"]) == len(constants) + 1 and constants == sorted(constants)


def check_options_file(folder: Path):
    """Raises InputError if the folder's options.json is not one of main.py."""
    file = folder / "options.json"
    if not file.is_file():
        return
    recorded = read_json(file)
    for key in ("options", "files"):
        if not isinstance(recorded, dict) or not isinstance(recorded.get(key, {}), dict):
            raise InputError(f'{file}: expected {{"{key}": {{...}}, ...}}, as main.py writes it; {HELP}')


# ---- several runs ----------------------------------------------------------------------------------


def open_several(folder: Path) -> IO:
    """Lock the folder of several runs. One that is a run itself is refused: its results would be lost."""
    if (folder / "options.json").is_file():
        raise InputError(
            f"{folder} holds a run of one division and seed: name another --output, or --name, for several"
        )
    lock = hold(folder)
    remove_leftovers(folder)
    return lock


def write_summary(folder: Path, results: Mapping[str, dict], branch: str, options: Mapping[str, Any]) -> dict:
    """Write all results with their mean and deviation: {"best": {branch: {score: [mean, deviation]}}, ...}"""
    summary = {}
    for epoch in EPOCHS:
        lines = [result[epoch]["scores"] for result in results.values() if epoch in result]
        if lines:
            summary[epoch] = summarise(lines)
    write_json(
        folder / "results.json",
        {
            "branch": branch,
            "mean_and_deviation": summary,
            "runs": results,
            "options": {key: value for key, value in options.items() if key not in WHERE},
            **circumstances(),
        },
    )
    return {"branch": branch, "runs": len(results), **summary}


def summarise(lines: Sequence[Mapping[str, Mapping[str, float]]]) -> dict:
    """Scores of several runs, {branch: {score: [mean, deviation]}}, of the branches that all have.

    Windows may join in later than a run's best epoch.
    """
    summary: Dict[str, Dict[str, List[float]]] = {}
    for branch in lines[0]:
        if not all(branch in line for line in lines):
            continue
        summary[branch] = {}
        for score in lines[0][branch]:
            values = [line[branch][score] for line in lines]
            deviation = np.std(values, ddof=1) if len(values) > 1 else 0.0
            summary[branch][score] = [float(np.mean(values)), float(deviation)]
    return summary

"""The run folder: options, one line an epoch, checkpoints, per-class accuracies, results. Any finished epoch can be gone on from."""

import json
import shutil
from pathlib import Path
from typing import IO, List, Mapping, Optional, Sequence

import numpy as np

from dsva.network import DSVA
from runs.checkpoint import checkpoint_metadata, save_checkpoint
from support.errors import InputError
from support.files import atomic, hold, read_json, remove_leftovers, write_columns, write_json, write_text
from support.machine import REPOSITORY, changed, circumstances, peak_memory
from support.untrusted import parse_json

PLACE = {
    "name",
    "output",
    "resume",
    "eval",
    "repeat",
    "device",
    "workers",
    "cache",
    "cache_dir",
}  # options that say where, not what
MAY_GROW = {
    "nepoch"
}  # what may differ when a run goes on; not under the clean protocol, which might choose otherwise then
TABLES = ("per_class", "confusion")


EPOCHS = {
    "best": "paper protocol: chosen on the test images, as published",
    "clean": "clean protocol: chosen on seen classes that played the unseen ones",
    "last": "chosen by nothing",
}  # what a run's results speak of, and how it was chosen


class Run:
    """runs/<name>/ of one training run.

    options.json         options, command, git commit, versions, machine
    log.jsonl            a line an epoch: every loss term, every score
    last.safetensors     weights, with epoch and options as metadata
    per_class_last.csv   accuracy of every class, a column a branch
    confusion_last.csv   images of each class (rows) by the class they were given (columns)
    best.safetensors, ... and, under the clean protocol, clean.safetensors, ...: the same of these epochs
    results.json         the numbers of the run, once it is finished
    .lock                held by the process that runs
    """

    def __init__(self, options: Mapping, name: str, branch: str, facts: Optional[Mapping] = None):
        """Opens options["output"], or runs/<name>: a new folder, or one whose run has the same options, to go on with it.

        branch: whose score decides which epoch is best
        facts:  what else is recorded of it: "device" and, of the files that it reads, "files"
        """
        self.branch, self.facts = branch, dict(facts or {})
        self.chosen: Optional[dict] = (
            None  # by the clean protocol, "epoch" above all; told as soon as it is known
        )
        self.options = {key: value for key, value in options.items() if key not in PLACE}
        self.folder = (
            Path(options["output"]) if options["output"] else self.free_folder(REPOSITORY / "runs" / name)
        )
        different = self.difference(self.folder)
        if different:
            raise InputError(
                f"{self.folder} holds a run with other options ({different}): name another --output, or delete it"
            )
        self.lock = (
            hold(self.folder) if self.folder.is_dir() else None
        )  # before anything is read that another run may change
        self.seed = self.stored(self.folder, "options").get("manualSeed", options["manualSeed"])
        if type(self.seed) not in (int, type(None)):
            raise InputError(
                f"{self.folder / 'options.json'}: manualSeed should be a whole number, and is {self.seed!r}; name another --output, or delete the folder"
            )
        if self.seed is None:
            self.seed = int(np.random.SeedSequence().entropy % 2**32)
        self.options["manualSeed"] = self.seed
        last = self.folder / "last.safetensors"
        self.checkpoint = last if last.is_file() else options["resume"]  # where to go on from, or None
        self.epoch = (
            checkpoint_metadata(self.checkpoint)["epoch"] if self.checkpoint else -1
        )  # the last finished one
        self.history = [line for line in self.read_log() if line["epoch"] <= self.epoch]

    def __getstate__(self):  # for other processes: the lock is the first one's
        return {**vars(self), "lock": None}

    def free_folder(self, folder: Path) -> Path:
        """The folder itself, or with a number added, so that it is new or has a run with these options."""
        number, candidate = 1, folder
        while self.difference(candidate):
            number += 1
            candidate = folder.with_name(f"{folder.name}-{number}")
        return candidate

    def difference(self, folder: Path) -> str:
        """In words, the options and files in which the run of this folder differs: nothing if it can go on."""
        if (
            folder.exists()
            and (not folder.is_dir() or any(file.name[0] != "." for file in folder.iterdir()))
            and not (folder / "options.json").is_file()
        ):
            return "it is not a run folder"
        stored = self.stored(folder, "options")
        ignore = (MAY_GROW if self.options.get("protocol") != "clean" else set()) | (
            {"manualSeed"} if self.options["manualSeed"] is None else set()
        )
        options = [
            f"--{key} {stored.get(key)}, now {value}"
            for key, value in self.options.items()
            if stored and key not in ignore and stored.get(key) != value
        ]
        return ", ".join(
            options
            + [
                f"{name} has changed"
                for name in changed(self.stored(folder, "files"), self.facts.get("files", {}))
            ]
        )

    @staticmethod
    def stored(folder: Path, what: str) -> dict:
        file = folder / "options.json"
        facts = read_json(file) if file.is_file() else {}
        if not isinstance(facts, dict) or not isinstance(facts.get(what, {}), dict):
            raise InputError(
                f'{file}: expected {{"{what}": {{...}}, ...}}, as main.py writes it; name another --output, or delete the folder'
            )
        return facts.get(what, {})

    def read_log(self) -> List[dict]:
        log = self.folder / "log.jsonl"
        try:
            lines = (
                [
                    parse_json(line)
                    for line in log.read_text().splitlines(keepends=True)
                    if line.endswith("\n")
                ]
                if log.is_file()
                else []
            )
        except ValueError as error:
            raise InputError(
                f"{log} is not what main.py writes: {error}; name another --output, or delete the folder"
            ) from error
        for place, line in enumerate(lines, 1):
            if not is_epoch(line, self.branch):
                raise InputError(
                    f"{log}, line {place}, is not what main.py writes of an epoch; name another --output, or delete the folder"
                )
        return lines

    def start(self):
        """Write what is known before the first epoch, and make up for what a killed process left undone or half done."""
        if not self.lock:
            self.lock = hold(self.folder)
            if (self.folder / "options.json").is_file():
                raise InputError(
                    f"another process has begun a run in {self.folder} just now: start the same command again to go on with it"
                )
        write_json(self.folder / "options.json", {"options": self.options, **self.facts, **circumstances()})
        remove_leftovers(self.folder)
        self.write_log()
        for name in self.names() if self.history else []:
            if not self.is_kept(name):
                self.keep(name)

    def write_log(self):
        write_text(self.folder / "log.jsonl", "".join(json.dumps(line) + "\n" for line in self.history))

    def score(self, line: dict) -> float:
        """The number that counts: accuracy, or H in GZSL, of the branch of --sel_res."""
        scores = line["scores"][self.branch]
        return scores.get("H", scores.get("accuracy"))

    def best(self) -> dict:
        """The log line of the best epoch so far, the first if tied. Chosen on test images, as published."""
        return max(self.history, key=self.score)

    def finish_epoch(self, model: DSVA, line: dict, tables: Mapping[str, Mapping[str, Sequence]]):
        """The weights of `last` make the epoch count: killed before, it is done anew; killed after, `start` makes the copies."""
        self.history.append(line)
        self.write_log()
        for table, columns in tables.items():
            write_columns(self.folder / f"{table}_last.csv", columns)
        options = {
            **self.options,
            "calibrated_stacking": line["calibrated_stacking"],
        }  # with which the epoch was scored
        save_checkpoint(
            self.folder / "last.safetensors", model, line["epoch"], options, self.facts.get("files")
        )
        for name in self.names():
            self.keep(name)

    def names(self) -> List[str]:
        """What else the last epoch is: the best one so far, the one that the clean protocol chose."""
        return [
            name
            for name, line in (("best", self.best()), ("clean", self.chosen))
            if line and line["epoch"] == self.history[-1]["epoch"]
        ]

    def keep(self, name: str):
        """Copy `last` under another name that its epoch has. The weights come last here, too: they say that all is copied."""
        for file in (*(f"{table}_{{}}.csv" for table in TABLES), "{}.safetensors"):
            with atomic(self.folder / file.format(name)) as temporary:
                shutil.copyfile(self.folder / file.format("last"), temporary)

    def is_kept(self, name: str) -> bool:
        checkpoint = self.folder / f"{name}.safetensors"
        return checkpoint.is_file() and checkpoint_metadata(checkpoint)["epoch"] == self.history[-1]["epoch"]

    def finish(self, chance: float) -> dict:
        """Write and return the results, with all it needs to repeat them. Scores in percent."""
        if not self.history:
            raise InputError(
                f"nothing to train: {self.checkpoint} is at epoch {self.epoch} already, --nepoch {self.options['nepoch']} ends before: ask for more"
            )
        clean = (
            {
                "clean": next(line for line in self.history if line["epoch"] == self.chosen["epoch"]),
                "chosen": self.chosen,
            }
            if self.chosen
            else {}
        )
        results = {
            "branch": self.branch,
            "chance": chance,
            "best": self.best(),
            **clean,
            "last": self.history[-1],
            "seconds": sum(sum(line["seconds"].values()) for line in self.history),
            "peak_memory": peak_memory(),
            "options": self.options,
            **self.facts,
            **circumstances(),
        }
        write_json(self.folder / "results.json", results)
        return results


def open_several(folder: Path) -> IO:
    """Lock the folder of several runs. One that is a run itself is refused: its results would be lost."""
    if (folder / "options.json").is_file():
        raise InputError(
            f"{folder} holds a run of one division and seed: name another --output, or --name, for several"
        )
    lock = hold(folder)
    remove_leftovers(folder)
    return lock


def write_summary(folder: Path, results: Mapping[str, dict], branch: str, options: Mapping) -> dict:
    """Mean and deviation over several runs, {"protocol epoch": {branch: {score: [mean, deviation]}}}, with all results, in results.json."""
    summary = {}
    for epoch in EPOCHS:
        lines = [result[epoch]["scores"] for result in results.values() if epoch in result]
        if lines:
            common = [
                name for name in lines[0] if all(name in line for line in lines)
            ]  # windows may join in later than a best epoch
            summary[epoch] = {
                name: {
                    score: [float(np.mean(values)), float(np.std(values, ddof=len(values) > 1))]
                    for score in lines[0][name]
                    for values in [[line[name][score] for line in lines]]
                }
                for name in common
            }
    write_json(
        folder / "results.json",
        {
            "branch": branch,
            "mean_and_deviation": summary,
            "runs": results,
            "options": {key: value for key, value in options.items() if key not in PLACE},
            **circumstances(),
        },
    )
    return {"branch": branch, "runs": len(results), **summary}


def is_epoch(line, branch: str) -> bool:
    """Is it what a log has of an epoch: its number, and numbers by name of the losses, of every branch's scores, this one's too, and of the seconds?"""

    def numbers(values) -> bool:
        return isinstance(values, dict) and all(
            type(value) in (int, float) and abs(value) < 1e300 or value != value for value in values.values()
        )

    return (
        isinstance(line, dict)
        and type(line.get("epoch")) is int
        and line["epoch"] >= 0
        and numbers(line.get("losses"))
        and numbers(line.get("seconds"))
        and isinstance(line.get("scores"), dict)
        and all(map(numbers, line["scores"].values()))
        and bool({"accuracy", "H"} & line["scores"].get(branch, {}).keys())
    )

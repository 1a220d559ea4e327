"""What finished runs scored: those of main.py, and those of zero_shot_clip.py, which trains nothing.

One rule for whoever shows scores: all scores of an epoch are of the one line that main.py has in results.json
under "best", "clean" or "last". No score has an epoch of its own. Nothing here imports torch.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Mapping, Tuple

from runs.records import EPOCHS, are_numbers, read_results, selected_branch
from support.errors import InputError

# How rows are called: an epoch of results.json, a baseline of zero_shot_clip.py.
PROTOCOLS = {"best": "paper protocol", "clean": "clean protocol", "last": "last epoch"}
CLOSED_FORMS = ("ESZSL", "SAE")  # baselines that learn from training images
BASELINES = {
    "names": "CLIP by class name",
    "attributes": "attributes alone",
    **{method: method for method in CLOSED_FORMS},
}
UNTRAINED = ""  # the epoch of a baseline

Kind = Tuple[str, str]  # epoch and branch; UNTRAINED and baseline


@dataclass
class RunScores:
    """What a run scored, in percent.

    kinds:    (epoch, branch) -> {score: value}; an epoch is one of EPOCHS, or UNTRAINED
    counting: epoch -> the branch that counts in it; {} of a baseline
    """

    kinds: Dict[Kind, Dict[str, float]]
    counting: Dict[str, str]


def finished_results(folder: Path) -> Dict[Path, Any]:
    """{folder of a run: its results.json}: the folder's own run, or those of its divisions and seeds.

    A run that is not finished has no results, and does not count.
    """
    inner = sorted(folder.glob("division-*"))
    places = inner or [folder]
    found = {place: read_results(place / "results.json") for place in places if is_finished(place)}
    several = found.get(folder)
    if isinstance(several, dict) and isinstance(several.get("runs"), dict):
        return {folder / part: results for part, results in several["runs"].items()}
    return found


def is_finished(folder: Path) -> bool:
    """Has the run its results?"""
    return (folder / "results.json").is_file()


def scores_of_results(folder: Path, results: Any) -> RunScores:
    """The scores in a results.json. Raises InputError if it is of no such run.

    folder: of the run, for the message
    """
    found = None
    if isinstance(results, dict):
        found = trained_scores(results) if "last" in results else baseline_scores(results)
    if found is None or not found.kinds or not all(map(are_numbers, found.kinds.values())):
        raise InputError(
            f"{folder}/results.json is not what main.py or zero_shot_clip.py writes: "
            "run it again, or leave it out"
        )
    return found


def baseline_scores(results: Mapping[str, Any]):
    """Of zero_shot_clip.py, where no network is trained; None if it is something else."""
    scores = results.get("scores")
    if not isinstance(scores, dict) or not scores.keys() <= BASELINES.keys():
        return None
    return RunScores({(UNTRAINED, name): named(values) for name, values in scores.items()}, {})


def trained_scores(results: Mapping[str, Any]):
    """Of main.py; None if it is something else."""
    options = results.get("options")
    sel_res = options.get("sel_res") if isinstance(options, dict) else None
    if sel_res not in ("main", "layer", "pro"):
        return None
    kinds: Dict[Kind, Dict[str, float]] = {}
    counting = {}
    for epoch in EPOCHS:
        if epoch not in results:
            continue
        line = results[epoch]
        scores = line.get("scores") if isinstance(line, dict) else None
        if not isinstance(scores, dict):
            return None
        counting[epoch] = selected_branch(sel_res, scores)
        if counting[epoch] not in scores:
            return None
        for branch, values in scores.items():
            kinds[epoch, branch] = named(values)
    return RunScores(kinds, counting)


def named(scores: Any) -> Any:
    """The same under the name ZSL, where a run of ZSL calls its only score accuracy."""
    if isinstance(scores, dict) and "accuracy" in scores:
        return {"ZSL": scores["accuracy"]}
    return scores

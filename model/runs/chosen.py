"""A run folder in the place of a checkpoint: it stands for the checkpoint that its protocol chose.

Nothing here imports torch.
"""

from pathlib import Path
from typing import List, Union

from runs.records import read_facts
from support.errors import InputError
from support.notes import first_of, note

NAMED = 8  # things in a folder that are named
ENDING = ".safetensors"


def chosen_checkpoint(place: Union[str, Path]) -> str:
    """The path of a checkpoint. Of a run folder it is clean under the clean protocol, and otherwise best.

    A note says which one it is. A path that is no folder is returned as it is: who reads it checks it.

    Raises InputError that names what is there, if it is not clear which one is meant.
    """
    folder = Path(place)
    if not folder.is_dir():
        return str(place)
    checkpoints = sorted(file.name for file in folder.glob(f"*{ENDING}"))
    runs = [] if checkpoints else runs_below(folder)
    options = read_facts(folder).get("options", {})
    is_clean = options.get("protocol") == "clean" or f"clean{ENDING}" in checkpoints
    chosen = f"clean{ENDING}" if is_clean else f"best{ENDING}"
    if chosen in checkpoints:
        unfinished = "" if (folder / "results.json").is_file() else "; the run is unfinished"
        note(f"{folder} stands for its {chosen}{unfinished}")
        return str(folder / chosen)
    if runs:
        raise InputError(
            f"{folder} holds several runs: name one of {first_of(runs, NAMED)} in it, or a checkpoint"
        )
    if f"best{ENDING}" in checkpoints or (options and f"last{ENDING}" in checkpoints):
        which = "the clean protocol chooses" if is_clean else "is the best of the tested epochs"
        raise InputError(
            f"{folder} has no {chosen} yet, which {which}: "
            f"let the run end, or name one of {first_of(checkpoints, NAMED)} in it"
        )
    if not checkpoints and options:
        raise InputError(f"{folder} is a run that has no checkpoint yet: the same command of main.py goes on")
    files = sorted(file.name for file in folder.iterdir() if not file.name.startswith("."))
    there = first_of(files, NAMED) or "nothing"
    raise InputError(
        f"{folder} is no run folder: expected best{ENDING} in it, or clean{ENDING}, as main.py writes them; "
        f"it holds {there}"
    )


def runs_below(folder: Path) -> List[str]:
    """Runs with a checkpoint in a folder, or in one of its folders; without those that only chose."""
    found = set()
    for file in [*folder.glob(f"*/*{ENDING}"), *folder.glob(f"*/*/*{ENDING}")]:
        place = file.parent.relative_to(folder)
        if not place.name.startswith("validation"):
            found.add(str(place))
    return sorted(found)

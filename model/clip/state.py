"""The state of a training after each epoch, from which it goes on when it was interrupted."""

import json
from pathlib import Path
from typing import Any, Container, Dict, List

import torch
from torch import nn
from transformers import CLIPModel

from clip.checkpoint import first_not_finite
from support.errors import InputError, first_line
from support.files import atomic, write_text
from support.resumable import what_differs


def save_state(
    output: Path,
    model: CLIPModel,
    teachers: nn.ModuleDict,
    optimizer: torch.optim.Optimizer,
    history: List[Dict[str, Any]],
):
    """state.pt, and log.jsonl with the line of each finished epoch."""
    state = {
        "model": model.state_dict(),
        "teachers": teachers.state_dict(),
        "optimizer": optimizer.state_dict(),
        "history": history,
    }
    with atomic(output / "state.pt") as temporary, temporary.open("wb") as file:
        torch.save(state, file)
    write_text(output / "log.jsonl", "".join(json.dumps(line) + "\n" for line in history))


def load_state(
    output: Path, model: CLIPModel, teachers: nn.ModuleDict, optimizer: torch.optim.Optimizer
) -> List[Dict[str, Any]]:
    """The log lines of the finished epochs; none if there is no state.

    The weights and the optimizer's state after them are loaded in place.
    """
    file = output / "state.pt"
    if not file.is_file():
        return []
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        model.load_state_dict(state["model"])
        teachers.load_state_dict(state["teachers"])
        optimizer.load_state_dict(state["optimizer"])
        broken = first_not_finite(model.state_dict().items())
        if broken:
            raise ValueError(f"{broken} has NaN or infinite values")
    except Exception as error:  # whatever torch raises on a damaged file
        raise InputError(
            f"{file} cannot be gone on from: {first_line(error)}; delete {output} to start anew"
        ) from error
    return state["history"]


def remove_state(output: Path):
    """Of a finished training, which needs none."""
    (output / "state.pt").unlink(missing_ok=True)


def refuse_other_options(output: Path, options: Dict[str, Any], free: Container[str]):
    """Raise InputError if the output folder holds a run with other options, or something else.

    free: names of options that may change from one start of a run to the next
    """
    foreign = "is not empty, and no run of this program: name another --output"
    different = what_differs(output, options, foreign, ignore=free)
    if different == foreign:
        raise InputError(f"{output} {foreign}")
    if different:
        raise InputError(
            f"{output} holds a run with other options ({different}): name another --output, or delete it"
        )

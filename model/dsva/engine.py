"""The schedule of a training, one epoch of it, and one evaluation."""

from dataclasses import dataclass
from typing import Dict, Iterator, List, Optional, Protocol, Tuple

import numpy as np
import torch
from torch import Tensor

from dsva.kept_tokens import KeptTokens
from dsva.losses import SUMMED_TERMS, Criterion
from dsva.network import DSVA, Output
from support.errors import InputError
from support.gradients import all_reduce_gradients, weigh_terms
from support.processes import all_reduce, gather_batches, progress


class Batches(Protocol):
    """Images [B, 3, S, S], normalised, and classes [B], on the device; a list of these, or a loader."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Tuple[Tensor, Tensor]]: ...


@dataclass(frozen=True)
class Schedule:
    """What happens in which epoch; epochs count from 0.

    epochs:       how many there are (`--nepoch`)
    warmup_until: the last epoch in which only the heads learn (`--pretrain_epoch`), -1 for none
    warmup_lr:    learning rate until then (`--pretrain_lr`)
    full_lr:      learning rate afterwards, x 0.9 every 10 epochs (`--classifier_lr`)
    beta1:        of Adam; beta2 is 0.999
    windows_after: windows are used in later epochs than this (`--pro_start_epoch`)
    test_every:   a test after so many epochs, and after the last (`--test_every`)
    """

    epochs: int
    warmup_until: int
    warmup_lr: float
    full_lr: float
    beta1: float
    windows_after: float
    test_every: int = 1

    def is_full(self, epoch: int) -> bool:
        """Past warm-up: everything learns."""
        return epoch > self.warmup_until

    def uses_windows(self, epoch: int) -> bool:
        return epoch > self.windows_after

    def is_tested(self, epoch: int) -> bool:
        return is_turn(epoch, self.test_every) or epoch == self.epochs - 1

    def tests_in_warmup(self, first: int) -> int:
        """How often it is tested from the epoch `first` on while the tower stands still."""
        epochs = range(first, self.epochs)
        return sum(self.is_tested(epoch) and not self.is_full(epoch) for epoch in epochs)

    def learning_rate(self, epoch: int) -> float:
        return self.full_lr * 0.9 ** (epoch // 10) if self.is_full(epoch) else self.warmup_lr


def is_turn(epoch: int, test_every: int) -> bool:
    """Is it one of every so many epochs, which is tested wherever the training ends?"""
    return (epoch + 1) % test_every == 0


def make_optimizer(model: DSVA, full: bool, lr: float, betas: Tuple[float, float]) -> torch.optim.Adam:
    """Adam over what learns in this stage, the heads or everything. The published loop makes one an epoch."""
    learning = model.learn(everything=full)
    try:
        return torch.optim.Adam(learning, lr=lr, betas=betas, fused=True)  # takes a third of the time
    except RuntimeError:  # on a CPU, of a torch before 2.4
        return torch.optim.Adam(learning, lr=lr, betas=betas)


def training_step(
    model: DSVA,
    criterion: Criterion,
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    labels: Tensor,
    class_attributes: Tensor,
    full: bool,
    windows: bool,
) -> Dict[str, Tensor]:
    """One update. Returns the weighted terms of the loss.

    images: [B, 3, S, S], normalised;  labels: [B], columns of class_attributes [A, C]
    """
    out = model(images, class_attributes, windows)
    terms = criterion(out, labels, class_attributes, model, full)
    terms = weigh_terms(terms, SUMMED_TERMS, len(labels))
    optimizer.zero_grad()
    sum(terms.values()).backward()
    all_reduce_gradients(model.parameters())
    optimizer.step()
    return {name: term.detach() for name, term in terms.items()}


def train_one_epoch(
    model: DSVA,
    criterion: Criterion,
    optimizer: torch.optim.Optimizer,
    batches: Batches,
    class_attributes: Tensor,
    classes: np.ndarray,
    full: bool,
    windows: bool,
    title: str,
) -> Dict[str, float]:
    """Update on every batch. Returns the epoch's mean of every weighted term of the loss.

    Candidates are `classes` (the seen ones), columns of class_attributes [A, C].
    Raises InputError if a term stops being a finite number.
    """
    candidates = class_attributes[:, classes]
    column = column_of_class(classes, class_attributes)
    steps: List[Tensor] = []
    model.train()
    for images, labels in progress(batches, title):
        terms = training_step(model, criterion, optimizer, images, column[labels], candidates, full, windows)
        steps.append(torch.stack(list(terms.values())))

    table = all_reduce(torch.stack(steps).cpu())  # [batches, terms]: read once, so that a GPU never waits
    check_finite(table, list(terms), title)
    means = table.double().mean(dim=0).tolist()
    return dict(zip(terms, means))


def column_of_class(classes: np.ndarray, class_attributes: Tensor) -> Tensor:
    """[C]: the place of each class among `classes`, -1 for others."""
    column = torch.full((class_attributes.shape[1],), -1)
    column[classes] = torch.arange(len(classes))
    return column.to(class_attributes.device)


def check_finite(table: Tensor, terms: List[str], title: str):
    """table: [batches, terms]"""
    broken = (~table.isfinite()).nonzero()
    if len(broken):
        batch, term = broken[0].tolist()
        raise InputError(
            f"the loss term {terms[term]} became {table[batch, term]} in batch {batch} of {title}: "
            "try a lower learning rate (--pretrain_lr, --classifier_lr); the last finished epoch is kept"
        )


@torch.inference_mode()
def evaluate(
    model: DSVA,
    batches: Batches,
    class_attributes: Tensor,
    classes: np.ndarray,
    windows: bool,
    title: str,
    kept: Optional[KeptTokens] = None,
) -> Tuple[Dict[str, np.ndarray], np.ndarray]:
    """Class probabilities of every branch for every image, {branch: [n, len(classes)]}, and labels [n].

    Candidates are `classes`, columns of class_attributes [A, C]. Branches are those of `Output.class_scores`.
    kept: of earlier evaluations of these batches, between which the tower did not learn
    """
    candidates = class_attributes[:, classes]
    results = []
    model.eval()
    outputs = look_at(model, batches, candidates, windows, kept)
    for out, labels in progress(outputs, title, total=len(batches)):
        result = {branch: scores.softmax(dim=1) for branch, scores in out.class_scores().items()}
        result["labels"] = labels
        results.append(result)

    results = gather_batches(results)
    found = {name: torch.cat([result[name] for result in results]).cpu().numpy() for name in results[0]}
    labels = found.pop("labels")
    return found, labels


def look_at(
    model: DSVA, batches: Batches, candidates: Tensor, windows: bool, kept: Optional[KeptTokens]
) -> Iterator[Tuple[Output, Tensor]]:
    """The network's output for every batch, and its labels [B].  candidates: M [A, C]"""
    if kept is None:
        for images, labels in batches:
            yield model(images, candidates, windows), labels
        return
    for images, tokens, labels in kept.encoded(model, batches, with_images=windows):
        out = model.read(tokens, candidates)
        if images is not None and windows:
            model.look_again(images, tokens, candidates, out)
        yield out, labels

"""One epoch of training, and one evaluation."""

from typing import Dict, List, Tuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from data.pipeline import normalize
from dsva.losses import SUMS, Criterion
from dsva.network import DSVA
from support.errors import InputError
from support.gradients import all_reduce_gradients, weigh_terms
from support.processes import all_reduce, gather_batches, progress


def make_optimizer(model: DSVA, full: bool, lr: float, betas: Tuple[float, float]) -> torch.optim.Adam:
    """A new Adam (the published loop makes one every epoch) over what learns in this stage: heads, or everything."""
    learning = model.learn(everything=full)
    try:
        return torch.optim.Adam(
            learning, lr=lr, betas=betas, fused=True
        )  # one pass over the weights: a third of the time
    except RuntimeError:  # on a CPU, of a torch before 2.4
        return torch.optim.Adam(learning, lr=lr, betas=betas)


def training_step(
    model: DSVA,
    criterion: Criterion,
    optimizer,
    images: Tensor,
    labels: Tensor,
    class_attributes: Tensor,
    full: bool,
    windows: bool,
) -> Dict[str, Tensor]:
    """One update. images: [B, 3, S, S];  labels: [B], columns of class_attributes [A, C].  Returns the weighted loss terms."""
    out = model(images, class_attributes, windows)
    terms = weigh_terms(criterion(out, labels, class_attributes, model, full), SUMS, len(labels))
    optimizer.zero_grad()
    sum(terms.values()).backward()
    all_reduce_gradients(model.parameters())
    optimizer.step()
    return {name: term.detach() for name, term in terms.items()}


def train_one_epoch(
    model: DSVA,
    criterion: Criterion,
    optimizer,
    loader: DataLoader,
    class_attributes: Tensor,
    classes: np.ndarray,
    normalization: str,
    full: bool,
    windows: bool,
    title: str,
) -> Dict[str, float]:
    """Update on every batch of the loader; candidates are `classes` (the seen ones), columns of class_attributes [A, C].

    Returns the epoch's mean of every weighted loss term. Raises InputError if one of them stops being a finite number.
    """
    device = class_attributes.device
    candidates = class_attributes[:, classes]
    column = torch.full((class_attributes.shape[1],), -1)
    column[classes] = torch.arange(len(classes))
    column = column.to(device)
    steps: List[Tensor] = []
    model.train()
    for images, labels in progress(loader, title):
        images, labels = (part.to(device, non_blocking=True) for part in (images, labels))
        images, labels = normalize(images, normalization), column[labels]
        terms = training_step(model, criterion, optimizer, images, labels, candidates, full, windows)
        steps.append(torch.stack(list(terms.values())))
    table = all_reduce(torch.stack(steps).cpu())  # [batches, terms]: read once, so that a GPU never waits
    broken = (~table.isfinite()).nonzero()
    if len(broken):
        batch, term = broken[0].tolist()
        raise InputError(
            f"the loss term {list(terms)[term]} became {table[batch, term]} in batch {batch} of {title}: "
            "try a lower learning rate (--pretrain_lr, --classifier_lr); the last finished epoch is kept"
        )
    return dict(zip(terms, table.double().mean(dim=0).tolist()))


@torch.inference_mode()
def evaluate(
    model: DSVA,
    loader: DataLoader,
    class_attributes: Tensor,
    classes: np.ndarray,
    normalization: str,
    windows: bool,
    title: str,
) -> Tuple[Dict[str, np.ndarray], np.ndarray]:
    """Class probabilities of every branch for every image of the loader.

    Candidates are `classes`, columns of class_attributes [A, C]. Returns {branch: [n, len(classes)]} and labels [n], where
    the branches are "final", "attention" and, if windows are on, "window".
    """
    device = class_attributes.device
    candidates = class_attributes[:, classes]
    batches = []
    model.eval()
    for images, labels in progress(loader, title):
        out = model(normalize(images.to(device, non_blocking=True), normalization), candidates, windows)
        logits = {"final": out.final, "attention": out.attention, "window": out.window}
        batches.append(
            {
                "labels": labels,
                **{branch: value.softmax(dim=1) for branch, value in logits.items() if value is not None},
            }
        )
    batches = gather_batches(batches)
    found = {name: torch.cat([batch[name] for batch in batches]).cpu().numpy() for name in batches[0]}
    return found, found.pop("labels")

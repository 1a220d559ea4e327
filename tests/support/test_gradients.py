"""Two processes that divide a batch have, once their gradients are added up, exactly the gradient of one."""

import pytest
import torch
import torch.distributed as dist
from torch.multiprocessing import spawn

from support.gradients import all_gather_rows, all_reduce_gradients, scale_shared_gradient, weigh_terms
from support.processes import interleave, progress, shard_slice

IMAGES = 5  # which two processes cannot divide evenly


def batch() -> torch.Tensor:
    return torch.arange(IMAGES * 3, dtype=torch.float64).view(IMAGES, 3).sin()


def parameters() -> dict:
    weight = torch.linspace(-1, 1, 6, dtype=torch.float64).view(3, 2)
    scale = torch.tensor(0.7, dtype=torch.float64)
    return {"weight": weight.requires_grad_(), "scale": scale.requires_grad_()}


def loss_of_terms(images: torch.Tensor, weight: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """A mean over images, a sum over images, and a term of the weight alone. The scale does not learn."""
    scores = images @ weight
    terms = {"mean": scores.square().mean(), "sum": scores.sigmoid().sum(), "norm": weight.square().sum()}
    return sum(weigh_terms(terms, {"sum"}, len(images)).values())


def loss_of_pairs(images: torch.Tensor, weight: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Every image is compared with every other, by a scale that all share."""
    rows = all_gather_rows(images @ weight, IMAGES)
    similarity = scale_shared_gradient(scale.exp()) * rows @ rows.T
    return similarity.softmax(dim=1).diagonal().log().mean()


def gradients(loss, images: torch.Tensor) -> dict:
    learning = parameters()
    loss(images, **learning).backward()
    all_reduce_gradients(learning.values())
    return {name: value.grad for name, value in learning.items() if value.grad is not None}


def one_of_two(rank: int, place: str):
    dist.init_process_group("gloo", init_method=f"file://{place}/meeting", rank=rank, world_size=2)
    images = batch()[shard_slice()]
    for loss in (loss_of_terms, loss_of_pairs):
        torch.save(gradients(loss, images), f"{place}/{loss.__name__}_{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_have_the_gradients_of_one(tmp_path):
    spawn(one_of_two, (str(tmp_path),), nprocs=2)
    for loss in (loss_of_terms, loss_of_pairs):
        expected = gradients(loss, batch())
        for rank in range(2):
            found = torch.load(tmp_path / f"{loss.__name__}_{rank}.pt", weights_only=True)
            torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("shards", [[[0, 3], [1, 4], [2]], [[0, 2, 4], [1, 3]], [[0, 1]], [[0], [], []]])
def test_what_was_dealt_out_comes_back_in_its_order(shards):
    together = interleave(shards)
    assert together == sorted(together) and len(together) == sum(map(len, shards))


def test_progress_goes_through_what_it_is_given_or_counts_what_it_is_told():
    assert list(progress([1, 2], "images")) == [1, 2]
    with progress(None, "images", total=10, initial=4) as bar:
        bar.update(3)
    assert bar.disable or (bar.n, bar.total) == (7, 10)

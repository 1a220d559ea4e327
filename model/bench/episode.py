"""One episode on the device and on the CPU: its losses, its gradients, its windows.

The network has random weights, and heads that are far from zero, so that scores and losses of images differ.
All terms of the loss have a weight. Windows are compared first; then each device looks through the windows of
the CPU, since another window is another picture, and would tell nothing of the losses.
"""

from argparse import Namespace
from dataclasses import dataclass, replace
from typing import Callable, Dict, List, Optional, Tuple

import torch
from torch import Tensor, nn

from bench.checks import Check, check
from bench.table import three_digits
from data.benchmark import Benchmark
from dsva.engine import column_of_class
from dsva.losses import Criterion
from dsva.network import DSVA
from runs.build import build_data, build_network
from runs.loaders import make_sampler, open_images, training_loader
from runs.options import LOSS_WEIGHTS
from runs.settings import benchmark_files, network_settings, with_options
from support.machine import use_tf32
from support.processes import progress

CPU = torch.device("cpu")
WEIGHTS = {**dict.fromkeys(LOSS_WEIGHTS, 1.0), "cpt": 1e-6}  # a sum, which would hide all other terms
HEADS = ("prototypes", "norm.", "linear.")  # what the names of their parameters begin with


@dataclass(frozen=True)
class Tolerance:
    """How far a device may be from the CPU in fp32.

    losses:    |difference| / |value|, of every term
    gradients: |difference| / |gradient| as vectors, of the heads and of the tower
    windows:   share of equal boxes, at least
    """

    losses: float
    gradients: float
    windows: float


@dataclass(frozen=True)
class Way:
    """A way to compute the same: a precision of main.py, perhaps compiled."""

    name: str
    precision: str
    compiled: bool
    tolerance: Tolerance


# Beside each way: what it was on a CPU with ViT-B/32, whose rounding was that of the way.
FP32 = Tolerance(losses=1e-4, gradients=1e-3, windows=0.95)
TF32 = Tolerance(losses=5e-3, gradients=1e-1, windows=0.5)
BF16 = Tolerance(losses=1e-2, gradients=2e-1, windows=0.25)
WAYS = (
    # The same products, added up in another order: 2e-7, 3e-6, 100 %. There is room for a peak, or a token
    # with the highest score, that another one takes the place of, since the two were nearly equal.
    Way("fp32", "fp32", False, FP32),
    Way("fp32, compiled", "fp32", True, FP32),
    # Factors with fractions of 10 bits, in the tower: 9e-5, 1e-2, 100 %. On a GPU in the heads, too.
    Way("tf32", "tf32", False, TF32),
    # The tower in numbers with fractions of 7 bits: 7e-4, 4e-2, 79 %.
    Way("bf16", "bf16", False, BF16),
)


@dataclass
class Computed:
    """What came of an episode, on the CPU.

    losses:    {term: value}
    gradients: {parameter: [...]}
    boxes:     [B, 4], found with the device's own attention maps
    """

    losses: Dict[str, float]
    gradients: Dict[str, Tensor]
    boxes: Tensor


@dataclass
class Episode:
    """images [B, 3, S, S], labels [B] as columns of class_attributes [A, C], all on the CPU."""

    data: Benchmark
    images: Tensor
    labels: Tensor
    class_attributes: Tensor


def compare_episode(opt: Namespace, device: torch.device, compiled: bool) -> List[Check]:
    """Three checks for each of WAYS.  compiled: also those that need a compiler"""
    data = build_data(benchmark_files(opt), opt.only_groups, CPU)
    network = build(opt, data, CPU, WAYS[0])
    episode = read_episode(opt, data, network)
    weights = network.state_dict()
    expected = compute(network, episode, CPU)
    checks = []
    ways = [way for way in WAYS if compiled or not way.compiled]
    for way in progress(ways, "one episode"):
        checks += compare(opt, way, device, episode, weights, expected)
    use_tf32(False)
    return checks


def read_episode(opt: Namespace, data: Benchmark, network: DSVA) -> Episode:
    """The first one of a training.  network: whose image size it is"""
    plain = with_options(opt, cache="none", n_batch=1, workers=0)
    images = open_images(plain, data, network, CPU)
    sampler = make_sampler(plain, data, "train_zsl_loc", seed=0)
    pictures, labels = next(iter(training_loader(plain, images, sampler, CPU)))
    column = column_of_class(data.seen, data.class_attributes)
    return Episode(data, pictures, column[labels], data.class_attributes[:, data.seen])


def build(opt: Namespace, data: Benchmark, device: torch.device, way: Way) -> DSVA:
    """A network whose prototypes are as long as trained ones."""
    settings = replace(network_settings(opt), precision=way.precision, compiled=way.compiled)
    torch.manual_seed(0)
    network = build_network(settings, data, device)
    nn.init.normal_(network.prototypes, std=0.05)
    return network


def compute(
    network: DSVA, episode: Episode, device: torch.device, boxes: Optional[Tensor] = None
) -> Computed:
    """Losses and gradients of an episode.  boxes: to look through, by default those that are found"""
    images = episode.images.to(device)
    labels = episode.labels.to(device)
    class_attributes = episode.class_attributes.to(device)
    groups = list(episode.data.groups.values())
    criterion = Criterion(WEIGHTS, groups, "logits", network.grid).to(device)
    network.train()
    network.learn(everything=True)
    # with a graph, which is not used: a tower is compiled anew for a pass without
    found = network.find_windows(network(images, class_attributes))
    used = found if boxes is None else boxes.to(device)
    network.find_windows = lambda out: used  # type: ignore[method-assign]
    out = network(images, class_attributes, windows=True)
    terms = criterion(out, labels, class_attributes, network, full=True)
    sum(terms.values()).backward()  # type: ignore[union-attr]
    losses = {name: term.item() for name, term in terms.items()}
    gradients = {
        name: parameter.grad.cpu()
        for name, parameter in network.named_parameters()
        if parameter.grad is not None
    }
    return Computed(losses, gradients, found.cpu())


def compare(
    opt: Namespace,
    way: Way,
    device: torch.device,
    episode: Episode,
    weights: Dict[str, Tensor],
    expected: Computed,
) -> List[Check]:
    """Losses, gradients and windows in one way."""
    result: List[Computed] = []

    def once() -> Computed:
        if not result:
            network = build(opt, episode.data, device, way)
            network.load_state_dict(weights)
            result.append(compute(network, episode, device, expected.boxes))
        return result[0]

    limits = way.tolerance
    return [
        at_most(f"losses, {way.name}", limits.losses, lambda: loss_error(once().losses, expected.losses)),
        at_most(
            f"gradients, {way.name}",
            limits.gradients,
            lambda: gradient_error(once().gradients, expected.gradients),
        ),
        check(
            f"equal windows, {way.name}",
            f"at least {limits.windows:.0%}",
            lambda: share_of_equal(once().boxes, expected.boxes, limits.windows),
        ),
    ]


def at_most(what: str, most: float, measure: Callable[[], float]) -> Check:
    """A check of a number that should be small."""

    def program() -> Tuple[str, bool]:
        value = measure()
        return three_digits(value), value <= most  # which NaN is not

    return check(what, f"at most {most:g}", program)


def loss_error(found: Dict[str, float], expected: Dict[str, float]) -> float:
    """The largest |difference| / |value| of a term."""
    return max(abs(found[name] - value) / abs(value) for name, value in expected.items())


def gradient_error(found: Dict[str, Tensor], expected: Dict[str, Tensor]) -> float:
    """|difference| / |gradient|, of the heads or of the tower, whichever is more."""
    errors = []
    for is_head in (True, False):
        names = [name for name in expected if name.startswith(HEADS) == is_head]
        difference = torch.stack([(found[name] - expected[name]).norm() for name in names]).norm()
        length = torch.stack([expected[name].norm() for name in names]).norm()
        errors.append((difference / length).item())
    return max(errors)


def share_of_equal(found: Tensor, expected: Tensor, least: float) -> Tuple[str, bool]:
    """boxes [B, 4]"""
    share = (found == expected).all(dim=1).float().mean().item()
    return f"{share:.0%}", share >= least

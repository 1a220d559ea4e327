"""The parts of a training, timed: ours, the bare CLIP tower's share of each, and the published order."""

import time
from argparse import Namespace
from dataclasses import dataclass, replace
from itertools import islice
from statistics import median
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

import torch
from torch import Tensor

from bench.as_published import as_published
from bench.rows import EVALUATIONS, KEPT, STEPS
from data.pipeline import DeviceLoader
from dsva.engine import Batches, evaluate, make_optimizer, train_one_epoch
from dsva.kept_tokens import KeptTokens
from dsva.losses import Criterion
from dsva.network import DSVA
from runs.build import build_data, build_network
from runs.loaders import make_sampler, open_images, test_loader, training_loader
from runs.settings import benchmark_files, loss_weights, network_settings, with_options
from support.machine import peak_memory, pick_device, use_deterministic_algorithms, use_tf32

# How far a loss may be from that of the published order, which is always fp32, as a share of it.
AGREE = {"fp32": 1e-4, "tf32": 1e-2, "bf16": 2e-2}

BatchList = List[Tuple[Tensor, Tensor]]  # images [B, 3, S, S], normalised, and labels [B], on the device
Program = Callable[[], Any]


@dataclass
class Row:
    """A part of a training.

    passes:  of all images through the tower, forward; a backward pass counts as two, which is about its cost
    seconds: of "ours" and, where there is such a thing, of the bare "tower" and of "published"
    """

    name: str
    batches: int
    images: int
    passes: float
    seconds: Dict[str, float]


class Work:
    """A network, its data, and a few batches on the device; beside it perhaps one in the published order.

    opt: the options of main.py. Training batches are episodes, whatever --train_mode says.
    """

    def __init__(self, opt: Namespace, batches: int, with_published: bool):
        use_deterministic_algorithms()  # as main.py does
        self.opt = opt
        self.device = pick_device(opt.device)
        self.data = build_data(benchmark_files(opt), opt.only_groups, self.device)
        settings = network_settings(opt)
        self.model = build_network(settings, self.data, self.device)
        self.published: Optional[DSVA] = None
        if with_published:
            plain = replace(settings, precision="fp32", compiled=False)
            self.published = as_published(build_network(plain, self.data, self.device))
        groups = list(self.data.groups.values()) if opt.use_group else None
        self.criterion = Criterion(loss_weights(opt), groups, opt.xe_on, self.model.grid).to(self.device)
        self.images = open_images(opt, self.data, self.model, self.device)
        self.training = list(islice(self.training_loader(), batches))
        self.testing = list(islice(test_loader(opt, self.data, self.images, self.device), batches))

    def training_loader(self) -> DeviceLoader:
        """Episodes, n_batch of them."""
        opt = with_options(self.opt, train_mode="distributed")
        sampler = make_sampler(opt, self.data, "train_zsl_loc", seed=0)
        return training_loader(opt, self.images, sampler, self.device)

    # ---- rows ---------------------------------------------------------------------------------------

    def measure(self, name: str, rounds: int, alone: bool = False) -> Row:
        """Time one of ROWS. AssertionError if the published order has another loss.

        alone: without the bare tower
        """
        if self.published is not None:
            self.published.load_state_dict(self.model.state_dict())
        if name == "loading":
            loader = self.training_loader()
            batches = list(loader)
            return self.row(name, rounds, batches, 0, {"ours": lambda: exhaust(loader)})
        if name in STEPS:
            full, windows = STEPS[name]
            batches = self.training
            programs = {who: self.steps(network, full, windows) for who, network in self.networks().items()}
        else:
            full, windows = False, EVALUATIONS[name]
            batches = self.testing
            programs = {who: self.evaluation(network, windows) for who, network in self.networks().items()}
        looks = 1 + windows
        passes = looks * (3 if full else 1)
        if name == KEPT:
            passes = 0
            programs["ours"] = self.evaluation(self.model, windows, kept=KeptTokens(self.device))
        if not alone:
            programs["tower"] = self.bare_tower(batches, looks, backward=full)
        return self.row(name, rounds, batches, passes, programs)

    def networks(self) -> Dict[str, DSVA]:
        if self.published is None:
            return {"ours": self.model}
        return {"ours": self.model, "published": self.published}

    def row(
        self, name: str, rounds: int, batches: BatchList, passes: float, programs: Dict[str, Program]
    ) -> Row:
        """Time the programs on these batches, and compare the losses that they return."""
        losses, seconds = time_alternately(programs, rounds, self.device)
        ours, published = losses["ours"], losses.get("published")
        if published is not None and abs(ours - published) > AGREE[self.opt.precision] * abs(published):
            raise AssertionError(f"{name}: the loss is {ours}, and in the published order {published}")
        return Row(name, len(batches), sum(len(labels) for _, labels in batches), passes, seconds)

    # ---- programs -----------------------------------------------------------------------------------

    def steps(self, network: DSVA, full: bool, windows: bool, batches: Optional[Batches] = None) -> Program:
        """Updates on the training batches, or on others. It returns the mean loss."""
        lr = self.opt.classifier_lr if full else self.opt.pretrain_lr
        optimizer = make_optimizer(network, full, lr, (self.opt.beta1, 0.999))

        def program() -> float:
            self.set_precision(network)
            network.learn(everything=full)  # `bare_tower` may have chosen otherwise
            losses = train_one_epoch(
                network,
                self.criterion,
                optimizer,
                self.training if batches is None else batches,
                self.data.class_attributes,
                self.data.seen,
                full,
                windows,
                title="",
            )
            return sum(losses.values())

        return program

    def evaluation(
        self,
        network: DSVA,
        windows: bool,
        batches: Optional[Batches] = None,
        kept: Optional[KeptTokens] = None,
    ) -> Program:
        """Probabilities of all classes for the test batches, or for others.  kept: their tokens"""
        classes = self.data.candidates(gzsl=True)

        def program():
            self.set_precision(network)
            tested = self.testing if batches is None else batches
            evaluate(network, tested, self.data.class_attributes, classes, windows, "", kept)

        return program

    def bare_tower(self, batches: BatchList, looks: int, backward: bool = False) -> Program:
        """What cannot be left out: every image, as often as it is looked at, through the tower."""

        def program():
            self.set_precision(self.model)
            self.model.tower.requires_grad_(backward)
            for images, _ in batches:
                self.model.tower.zero_grad()
                with torch.set_grad_enabled(backward):
                    for _ in range(looks):
                        tokens = self.model.encode(images)
                        if backward:
                            tokens.backward(torch.ones_like(tokens))

        return program

    def set_precision(self, network: DSVA):
        """TF32 is a switch of the whole process, and the published program knows none."""
        use_tf32(self.opt.precision == "tf32" and network is self.model)


def exhaust(loader: Iterable):
    """Go through all batches."""
    for _ in loader:
        pass


# ---- time, and the machine's limits ----------------------------------------------------------------


def time_alternately(
    programs: Dict[str, Program], rounds: int, device: torch.device
) -> Tuple[Dict[str, Any], Dict[str, float]]:
    """Run the programs one after another, `rounds` times, so that noise strikes all alike.

    Returns what each returned in a first round, to warm up, and its median seconds in those that follow.
    """
    first: Dict[str, Any] = {}
    seconds: Dict[str, List[float]] = {who: [] for who in programs}
    for who, program in programs.items():
        first[who] = program()
    for _ in range(rounds):
        for who, program in programs.items():
            wait(device)
            started = time.perf_counter()
            program()
            wait(device)
            seconds[who].append(time.perf_counter() - started)
    return first, {who: median(times) for who, times in seconds.items()}


def wait(device: torch.device):
    """Until a GPU has done all that it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def matmul_peak(device: torch.device, precision: str, side: int) -> float:
    """FLOP/s of a product of two square matrices, in this precision."""
    use_tf32(precision == "tf32")
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    left, right = torch.randn(2, side, side, device=device).to(kind)
    _, seconds = time_alternately({"product": lambda: left @ right}, 5, device)
    return 2 * side**3 / seconds["product"]


def pass_flops(config) -> float:
    """Of one image, forward through a tower: multiplications and additions in matrix products."""
    width, patches = config.hidden_size, (config.image_size // config.patch_size) ** 2
    tokens = 1 + patches
    projections = 4 * width**2
    mlp = 2 * width * config.intermediate_size
    attention = 2 * tokens * width
    layer = projections + mlp + attention  # of each token
    return 2 * (patches * 3 * config.patch_size**2 * width + config.num_hidden_layers * tokens * layer)


def memory(device: torch.device) -> float:
    """The most that was ever taken, in GiB: of the GPU, or else by the process."""
    return peak_memory()["gpu" if device.type == "cuda" else "process"] / 1024

"""Contrastive learning of images and captions: the loss, and one epoch.

Shapes: `B` images of a batch, `S` pixels a side, `k` captions of each image, `U` different captions of
them all, `L` tokens, `D` width of the vision tower, `P` dimensions of the common space.
"""

import math
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Dict, List

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPModel

from clip.augmentation import Augmentation
from clip.captions import Captions
from clip.checkpoint import first_not_finite
from clip.picture_batches import PictureBatches
from clip.teachers import distance_to_teachers
from support.errors import InputError
from support.gradients import all_gather_rows, all_reduce_gradients, scale_shared_gradient
from support.processes import all_reduce, check_divisible, shard_slice, world_size

MAX_LOGIT_SCALE = math.log(100)  # as in CLIP
NO_CANDIDATE = -1e4  # logit; finite, since an image may have no negatives at all


@dataclass(frozen=True)
class Training:
    """How a CLIP is trained. Each field is explained at the option of its name in `finetune_clip.py`.

    lr:             highest learning rate
    warmup:         share of the steps in which it rises, 0 to 1
    patch_drop:     share of the patches that the vision tower does not see, 0 to 0.9
    whole_epochs:   so many epochs, the last ones, without dropped patches
    teacher_weight: weight of the distance to the teachers
    precision:      auto, fp32 or bf16
    """

    epochs: int
    batch_size: int
    captions_per_image: int
    lr: float
    warmup: float
    clip_grad: float
    patch_drop: float
    whole_epochs: int
    teacher_weight: float
    precision: str
    seed: int

    def learning_rate(self, epochs_done: float) -> float:
        """When so many epochs are done, of which the last may be a part."""
        return self.lr * schedule(epochs_done / self.epochs, self.warmup)

    def patch_drop_in(self, epoch: int) -> float:
        """epoch: from 1"""
        return self.patch_drop if epoch <= self.epochs - self.whole_epochs else 0


# ---- the loss --------------------------------------------------------------------------------------


def contrastive_loss(images: Tensor, texts: Tensor, scale: Tensor, pairs: Tensor, true: Tensor) -> Tensor:
    """Each image finds each of its texts among those not true of it, and each text its image likewise.

    images: [B, P] and texts: [U, P], of length 1
    scale:  inverse temperature
    pairs:  [B, k], the texts of each image
    true:   [B, U], is this text true of that image? No true text counts as a negative
    """
    logits = scale * images @ texts.T  # [B, U]
    negatives = logits.masked_fill(true, NO_CANDIDATE)
    positives = logits.gather(1, pairs)  # [B, k]
    image_to_text = F.softplus(negatives.logsumexp(dim=1)[:, None] - positives)
    text_to_image = F.softplus(negatives.logsumexp(dim=0)[pairs] - positives)
    return (image_to_text + text_to_image).mean() / 2


# ---- one epoch -------------------------------------------------------------------------------------


def train_one_epoch(
    model: CLIPModel,
    teachers: nn.ModuleDict,
    optimizer: torch.optim.Optimizer,
    images: PictureBatches,
    captions: Captions,
    augmentation: Augmentation,
    training: Training,
    epoch: int,
) -> Dict[str, float]:
    """Every image once, with some of its captions. Returns a line of the log.

    All that is random depends on the seed and the epoch alone. Of several processes each encodes its part
    of every batch, and all compute the loss of the whole batch.

    teachers: "image" and "text", as far as there are any
    epoch:    from 1
    """
    started = time.perf_counter()
    rng = np.random.default_rng([training.seed, epoch])
    order = np.array_split(rng.permutation(len(images)), math.ceil(len(images) / training.batch_size))
    check_divisible(min(map(len, order)), "images")
    size = model.config.vision_config.image_size
    patch_drop = training.patch_drop_in(epoch)
    losses = []
    model.train()
    own_images = images.batches([batch[shard_slice()] for batch in order], f"epoch {epoch}")
    for step, (pixels, batch) in enumerate(zip(own_images, order)):
        set_learning_rate(optimizer, training.learning_rate(epoch - 1 + (step + 0.5) / len(order)))
        drawn = captions.draw(batch, training.captions_per_image, rng)  # [B, k]
        texts, pairs = drawn.unique(return_inverse=True)  # [U] caption numbers, [B, k] places among them
        check_divisible(len(texts), "different captions")
        pixels = images.normalize(augmentation(pixels, size, len(batch), rng))

        with mixed_precision(images.device, training.precision):
            with dropped_patches(model, patch_drop, len(batch), rng):
                features = model.vision_model(pixel_values=pixels).pooler_output  # [own images, D]
                image_vectors = unit(model.visual_projection(features))
            own_texts = captions.token_batches(texts[shard_slice()], training.batch_size)
            text_vectors = [embed_texts(model, tokens.to(images.device)) for tokens in own_texts]
            distance = distance_to_teachers(model, teachers, features, batch, rng)
        loss = contrastive_loss(
            all_gather_rows(image_vectors, len(batch)),
            all_gather_rows(torch.cat(text_vectors), len(texts)),
            scale_shared_gradient(model.logit_scale.exp()),
            pairs.to(images.device),
            captions.are_true(batch, texts).to(images.device),
        )
        optimizer.zero_grad()
        (loss + training.teacher_weight * distance).backward()
        update(model, teachers, optimizer, training.clip_grad)
        losses.append(loss.detach() / world_size() + training.teacher_weight * distance.detach())

    loss_of_epoch = mean_loss(losses, epoch)
    check_weights(model, epoch)
    return {
        "epoch": epoch,
        "loss": loss_of_epoch,
        "temperature": model.logit_scale.exp().item(),
        "lr": optimizer.param_groups[0]["lr"],
        "seconds": time.perf_counter() - started,
    }


def update(model: CLIPModel, teachers: nn.ModuleDict, optimizer: torch.optim.Optimizer, clip_grad: float):
    """A step by the gradients of all processes."""
    all_reduce_gradients([*model.parameters(), *teachers.parameters()])
    torch.nn.utils.clip_grad_norm_(model.parameters(), clip_grad)
    optimizer.step()
    model.logit_scale.data.clamp_(max=MAX_LOGIT_SCALE)


def mean_loss(losses: List[Tensor], epoch: int) -> float:
    """Over an epoch and all processes. It is read once, so that a GPU never waits."""
    loss = all_reduce(torch.stack(losses).mean()).item()
    if not math.isfinite(loss):
        raise InputError(
            f"the loss became {loss} in epoch {epoch}: try a lower --lr; the last finished epoch is kept"
        )
    return loss


def check_weights(model: CLIPModel, epoch: int):
    """The last step may break them, which no loss tells any more."""
    broken = first_not_finite(model.named_parameters())
    if broken:
        raise InputError(
            f"{broken} became NaN or infinite in epoch {epoch}: try a lower --lr; "
            "the last finished epoch is kept"
        )


# ---- optimisation ----------------------------------------------------------------------------------


def make_optimizer(model: CLIPModel, teachers: nn.ModuleDict, weight_decay: float) -> torch.optim.AdamW:
    """AdamW that decays matrices, not norms, biases, temperature and embeddings."""
    decayed = []
    others = []
    for name, parameter in [*model.named_parameters(), *teachers.named_parameters()]:
        is_embedding = "token_embedding" in name or "position_embedding" in name
        if parameter.ndim < 2 or is_embedding:
            others.append(parameter)
        else:
            decayed.append(parameter)
    return torch.optim.AdamW(
        [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}],
        betas=(0.9, 0.98),
        eps=1e-6,
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float):
    """The same for all parameters."""
    for group in optimizer.param_groups:
        group["lr"] = lr


def schedule(done: float, warmup: float) -> float:
    """Share of the highest learning rate: up in a line, then down in half a cosine.

    done, warmup: shares of all steps, 0 to 1
    """
    if done < warmup:
        return done / warmup
    return 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup)))


def mixed_precision(device: torch.device, precision: str) -> torch.autocast:
    """auto: bf16 on a GPU that has it. Few CPUs gain by it: those with AMX or AVX-512 BF16."""
    auto = device.type == "cuda" and torch.cuda.is_bf16_supported()
    enabled = precision == "bf16" or (precision == "auto" and auto)
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


@contextmanager
def dropped_patches(model: CLIPModel, share: float, images: int, rng: np.random.Generator):
    """Hide a share of the patches of each image of a batch from the vision tower (FLIP, arXiv 2212.00794).

    The tower takes that much less time. The class token is always seen.
    """
    if not share:
        yield
        return
    embeddings = model.vision_model.embeddings
    patches = embeddings.num_patches
    shuffled = rng.random((images, patches)).argsort(axis=1)
    kept = 1 + shuffled[:, : patches - int(share * patches)]  # places among the tokens
    kept = np.pad(kept, ((0, 0), (1, 0)))  # and the class token, 0, before them
    places = torch.from_numpy(kept)[shard_slice(), :, None]  # [own images, tokens, 1]

    def keep(module: nn.Module, inputs: tuple, tokens: Tensor) -> Tensor:
        return tokens.gather(1, places.to(tokens.device).expand(-1, -1, tokens.shape[2]))

    hook = embeddings.register_forward_hook(keep)
    try:
        yield
    finally:
        hook.remove()


# ---- images and captions as vectors ----------------------------------------------------------------


def embed_images(model: CLIPModel, pixels: Tensor) -> Tensor:
    """[B, 3, S, S] normalised -> [B, P] of length 1"""
    return unit(model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output))


def embed_texts(model: CLIPModel, tokens: Tensor) -> Tensor:
    """[B, L] -> [B, P] of length 1. What follows the end token does not count."""
    return unit(model.text_projection(model.text_model(input_ids=tokens).pooler_output))


def unit(vectors: Tensor) -> Tensor:
    """float32, of length 1"""
    return F.normalize(vectors.float(), dim=1)

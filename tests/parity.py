"""Rebuilds a parity case with our own network, losses and updates.

A case has fixed weights and inputs, and numbers that the original implementation gives for them.
`run_case("tests/cases/case_a.json")` returns every array of case_a.npz by name, and `trajectory`.
"""

import json
import sys
import zlib
from pathlib import Path

import numpy as np
import torch
from transformers import CLIPVisionConfig

sys.path.insert(0, str(Path(__file__).parents[1] / "model"))
from clip.checkpoint import build_tower  # noqa: E402
from dsva.engine import make_optimizer, training_step  # noqa: E402
from dsva.losses import Criterion  # noqa: E402
from dsva.network import DSVA  # noqa: E402
from support.machine import use_tf32  # noqa: E402

WARMUP_LR, FULL_LR, BETAS = 1e-3, 1e-5, (0.5, 0.999)
TERM_NAMES = {
    "xe": "l_xe_final",
    "attri": "l_attri_final",
    "regular": "l_regular_final",
    "l_xe": "l_xe_layer",
    "l_attri": "l_attri_layer",
    "l_regular": "l_regular_layer",
    "cpt": "l_cpt",
    "xe_pro": "l_xe_pro",
}


def run_case(json_path, dtype: torch.dtype = torch.float32, device: str = "cpu") -> dict:
    """Every array of the case's .npz by its name, and "trajectory", the list of six updates.

    dtype:  precision of weights, inputs and updates: torch.float32, or torch.float64 for the cases case64_*
    device: that computes
    """
    use_tf32(False)
    case = json.loads(Path(json_path).read_text(encoding="utf-8"))
    model = build_model(case).to(device, dtype)
    criterion = Criterion(case["weights"], list(case["groups"].values()), grid=model.grid).to(device, dtype)
    images, class_attributes, labels = build_inputs(case)
    images, class_attributes = images.to(device, dtype), class_attributes.to(device, dtype)
    labels = labels.to(device)

    result = {"image_probe": images[:, :, ::56, ::56], "labels": labels}
    result.update(outputs(model, images, class_attributes))
    result["peak_distance"] = criterion.distances.unflatten(1, (model.grid, model.grid))
    trajectory = []
    for stage in ("warmup", "full"):
        optimizer = start(model, stage)
        for step in range(3):
            record = update(model, criterion, optimizer, images, class_attributes, labels, stage, step)
            trajectory.append(record)
    trained = outputs(model, images, class_attributes)
    result["trained.probs"] = trained["plain.probs"]
    result["trained.probs_attention"] = trained["plain.probs_attention"]

    arrays = {name: value.detach().cpu().numpy() for name, value in result.items()}
    return {**arrays, "trajectory": trajectory}


def z(name: str, shape) -> torch.Tensor:
    values = np.random.RandomState(zlib.crc32(name.encode()) & 0xFFFFFFFF).standard_normal(shape)
    return torch.from_numpy(values.astype(np.float32))


def build_model(case: dict) -> DSVA:
    config = CLIPVisionConfig(
        hidden_size=768,
        num_attention_heads=12,
        intermediate_size=512,
        image_size=224,
        patch_size=32,
        num_hidden_layers=case["layers"],
    )
    model = DSVA(
        build_tower(config),
        case["attributes"],
        list(case["groups"].values()),
        case["pro_thr"],
        case["pro_weight"],
    )
    with torch.no_grad():
        for name, parameter in model.tower.named_parameters():
            fill(parameter, f"{case['seed']}/backbone/{name}")
        for name in ("norm.weight", "norm.bias", "linear.weight", "linear.bias"):
            fill(model.get_parameter(name), f"{case['seed']}/{name}")
        model.prototypes.copy_(0.05 * z(f"{case['seed']}/prototypes", (case["attributes"], 768, 1))[:, :, 0])
    return model


def fill(parameter: torch.Tensor, name: str):
    is_norm_weight = name.endswith("weight") and "norm" in name
    value = z(name, tuple(parameter.shape))
    parameter.copy_(1 + 0.1 * value if is_norm_weight else 0.05 * value)


def build_inputs(case: dict):
    random = np.random.RandomState(case["seed"])
    images = random.standard_normal((case["batch"], 3, 224, 224)).astype(np.float32)
    class_attributes = random.uniform(0, 1, (case["attributes"], case["classes"])).astype(np.float32)
    labels = random.randint(0, case["classes"], (case["batch"],))
    smooth = torch.nn.functional.avg_pool2d(torch.from_numpy(images), 17, stride=1, padding=8) * 8
    return smooth, torch.from_numpy(class_attributes), torch.from_numpy(labels).long()


@torch.no_grad()
def outputs(model: DSVA, images, class_attributes) -> dict:
    plain, proposal = model(images, class_attributes), model(images, class_attributes, windows=True)
    return {
        "plain.probs": plain.final.softmax(1),
        "plain.probs_attention": plain.attention.softmax(1),
        "plain.attr_attention": plain.attributes_attention,
        "plain.attr_projection": plain.attributes_projection,
        "plain.attention_maps": plain.maps,
        "proposal.probs": proposal.final.softmax(1),
        "proposal.probs_proposal": proposal.window.softmax(1),
        "proposal.box_hw": proposal.boxes[:, 2:],
        "proposal.window_probe": proposal.windows[:, :, ::32, ::32],
    }


def start(model: DSVA, stage: str) -> torch.optim.Optimizer:
    full = stage == "full"
    return make_optimizer(model, full, FULL_LR if full else WARMUP_LR, BETAS)


def update(model, criterion, optimizer, images, class_attributes, labels, stage, step) -> dict:
    """One update, and the numbers that the case has of it."""
    windows = step == 2
    full = stage == "full"
    terms = training_step(model, criterion, optimizer, images, labels, class_attributes, full, windows)
    record = {"stage": stage, "step": step, "proposal": windows, "total": sum(terms.values())}
    for name, value in terms.items():
        if name in TERM_NAMES:
            record[TERM_NAMES[name]] = value
        else:
            assert value == 0, (
                f"the loss term {name!r} is not in the authors' program: let Criterion.forward compute it "
                "only if its weight is given, or add what they call it to TERM_NAMES of tests/parity.py"
            )
    record["prototype_grad_norm"] = model.prototypes.grad.norm()
    record["prototype_norm"] = model.prototypes.norm()
    record["linear_norm"] = model.linear.weight.norm()
    record["patch_embed_norm"] = model.tower.embeddings.patch_embedding.weight.norm()
    record["q_proj_sum"] = model.tower.encoder.layers[0].self_attn.q_proj.weight.double().sum()
    return {name: value.item() if torch.is_tensor(value) else value for name, value in record.items()}

"""What a contrastive training prints: its data and network, and a line for each epoch."""

from typing import Any, Dict, Optional

import torch
from transformers import CLIPModel

from clip.captions import CaptionsByImage


def print_start(
    model: CLIPModel,
    captions: Dict[str, CaptionsByImage],
    init: Optional[str],
    finished: int,
    device: torch.device,
):
    """What is trained, on what.

    init: the checkpoint that it starts from, if any;  finished: epochs of an interrupted run
    """
    facts = []
    for name, numbers in count_captions(captions).items():
        facts.append(f"{name} {numbers['images']} images, {numbers['captions']} captions")
    print(f"data    {', '.join(facts)}")
    millions = count_parameters(model) / 1e6
    print(f"model   {millions:.1f} M parameters on {device}; {init or 'from scratch'}")
    both = captions["train"].keys() & captions.get("test", {}).keys()
    if both:
        print(f"note: {len(both)} of the {len(captions['test'])} held-out images are trained on")
    if finished:
        print(f"going on after epoch {finished}", flush=True)


def count_parameters(model: CLIPModel) -> int:
    """Of both towers and what joins them."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_captions(captions: Dict[str, CaptionsByImage]) -> Dict[str, Dict[str, int]]:
    """Images and captions of each part."""
    counts = {}
    for name, by_image in captions.items():
        counts[name] = {"images": len(by_image), "captions": sum(map(len, by_image.values()))}
    return counts


def shown_epoch(line: Dict[str, Any]) -> str:
    """A line of log.jsonl, for people."""
    words = [f"loss {line['loss']:.3f}"]
    for name in ("image_to_text", "text_to_image"):
        if name in line:
            percentages = " ".join(f"{value:.1f}" for value in line[name].values())
            words.append(f"{name.replace('_', ' ')} R@1/5/10 {percentages}")
    if "class_name_top1" in line:
        words.append(f"top-1 by class name {line['class_name_top1']:.1f}")
    words.append(f"{line['seconds']:.0f} s")
    return "  ".join(words)

"""What a contrastive training prints: its data and network, and a line for each epoch."""

from typing import Any, Dict, List, Optional

import torch
from transformers import CLIPModel

from clip.captions import CaptionsByImage
from support.notes import counted


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
        images, written = counted(numbers["images"], "image"), counted(numbers["captions"], "caption")
        facts.append(f"{name} {images}, {written}")
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
    words = [f"loss {line['loss']:.3f}", *scores_in_words(line), f"{line['seconds']:.0f} s"]
    return "  ".join(words)


def kept_before(history: List[Dict[str, Any]]) -> Dict[str, Any]:
    """{"before": scores from before the first step}, from the line of the first epoch; {} if it has none."""
    if history and "before" in history[0]:
        return {"before": history[0]["before"]}
    return {}


def shown_before(scores: Dict[str, Any]) -> str:
    """The scores before the first step, under those of the epochs."""
    return "  ".join(["before training", *scores_in_words(scores)])


def shown_change(before: Dict[str, Any], after: Dict[str, Any]) -> str:
    """What the training changed in the first of each kind of score, in percent."""
    words = []
    for name in ("image_to_text", "text_to_image"):
        if name in before and name in after:
            change = f"{before[name]['R@1']:.1f} -> {after[name]['R@1']:.1f}"
            words.append(f"{name.replace('_', ' ')} R@1 {change}")
    if "class_name_top1" in before and "class_name_top1" in after:
        change = f"{before['class_name_top1']:.1f} -> {after['class_name_top1']:.1f}"
        words.append(f"top-1 by class name {change}")
    return f"before -> after  {'  '.join(words)}"


def scores_in_words(line: Dict[str, Any]) -> List[str]:
    """Of a test, as far as there was one."""
    words = []
    for name in ("image_to_text", "text_to_image"):
        if name in line:
            percentages = " ".join(f"{value:.1f}" for value in line[name].values())
            words.append(f"{name.replace('_', ' ')} R@1/5/10 {percentages}")
    if "class_name_top1" in line:
        words.append(f"top-1 by class name {line['class_name_top1']:.1f}")
    return words

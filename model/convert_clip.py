"""A state dict of open_clip or of OpenAI's CLIP to a folder in Hugging Face's form, for main.py --clip.

    python model/convert_clip.py RemoteCLIP-ViT-B-32.pt --output flax-community/remoteclip
    python model/convert_clip.py RS5M_ViT-B-32.pt --output flax-community/georsclip --activation quick_gelu

Any ViT CLIP: plain or under `state_dict`, with `module.` in front or without, in any precision. No code in
the file is run. Two things the weights do not tell:

--activation  gelu: open_clip's default, and LAION's models.
              quick_gelu: OpenAI's models, and what open_clip calls "quickgelu".
              The wrong one is no error, and costs accuracy. If in doubt, convert with both, and compare what
              zero_shot_clip.py says by class names.
--tokenizer   all these CLIPs share one vocabulary of words. It is taken from an installed open_clip_torch, or
              from the folder of any CLIP in Hugging Face's form that has it.
"""

import argparse
import shutil
from pathlib import Path

from support.cli import Parser, number, path

ACTIVATIONS = ("gelu", "quick_gelu")


def get_parser() -> Parser:
    parser = Parser(
        prog="convert_clip.py",
        allow_abbrev=False,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("checkpoint", type=path, help="a .pt, .pth, .bin or .safetensors file")
    parser.add_argument(
        "--output", type=path, required=True, metavar="FOLDER", help="a new folder, for main.py --clip"
    )
    parser.add_argument(
        "--activation",
        choices=ACTIVATIONS,
        help="of both towers (default: quick_gelu for a file in OpenAI's own form, else gelu)",
    )
    parser.add_argument(
        "--tokenizer",
        type=path,
        metavar="FOLDER",
        help="a CLIP whose vocabulary this one shares (default: that of an installed open_clip_torch)",
    )
    heads = number(int, 1)
    parser.add_argument(
        "--vision_heads", type=heads, help="attention heads (default: width / 64; ViT-H, g, bigG as they are)"
    )
    parser.add_argument("--text_heads", type=heads, help="attention heads (default: width / 64)")
    return parser


if __name__ == "__main__":
    get_parser().start()

from clip.convert import clip_config, convert, is_half, is_openais, read_state_dict  # noqa: E402
from clip.saving import copy_tokenizer, image_processor_config, save_clip  # noqa: E402
from clip.tokenizer import write_openai_tokenizer  # noqa: E402
from support.errors import InputError, exits_cleanly  # noqa: E402
from support.files import write_json  # noqa: E402
from support.packages import install  # noqa: E402


@exits_cleanly
def main(arguments=None):
    opt = get_parser().parse_args(arguments)
    output = Path(opt.output)
    if output.exists() and any(output.iterdir()):
        raise InputError(f"--output {output} is not empty: name a new folder")
    weights = read_state_dict(Path(opt.checkpoint))
    activation = opt.activation or ("quick_gelu" if is_openais(weights) else "gelu")
    config = clip_config(weights, activation, opt.vision_heads, opt.text_heads)
    model = convert(weights, config)

    unfinished = output.with_name(output.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        has_words = write_tokenizer(unfinished, config.text_config, opt.tokenizer)
        write_json(
            unfinished / "preprocessor_config.json", image_processor_config(config.vision_config.image_size)
        )
        save_clip(unfinished, model, half=is_half(weights))
        if output.exists():
            output.rmdir()
        unfinished.rename(output)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    print_clip(config, activation, opt.activation is not None, has_words)
    print(f"wrote   {output}")


def write_tokenizer(folder: Path, text, tokenizer) -> bool:
    """The tokenizer's files, from a CLIP's folder or from open_clip_torch. Returns whether there is one.

    text:      the text tower's config
    tokenizer: --tokenizer
    """
    if tokenizer:
        copy_tokenizer(Path(tokenizer), folder, text.vocab_size)
        return True
    return write_openai_tokenizer(folder, text.vocab_size, text.max_position_embeddings)


def print_clip(config, activation: str, was_given: bool, has_words: bool):
    vision, text = config.vision_config, config.text_config
    print(
        f"vision  {vision.image_size} pixels in patches of {vision.patch_size}, "
        f"width {vision.hidden_size}, {vision.num_hidden_layers} layers, {vision.num_attention_heads} heads"
    )
    print(
        f"text    {text.vocab_size} tokens, width {text.hidden_size}, {text.num_hidden_layers} layers, "
        f"{text.num_attention_heads} heads"
    )
    print(
        f"activation {activation}"
        + ("" if was_given else ", which the weights do not tell: see --activation")
    )
    if not has_words:
        print(
            "note: no tokenizer: main.py can train with this CLIP, and nothing that reads words will work. "
            f"{install('open_clip_torch')}, or give --tokenizer FOLDER, and convert again"
        )


if __name__ == "__main__":
    main()

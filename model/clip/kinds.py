"""What a file or a folder is that was given as a checkpoint, found out before anything is loaded.

`kind_of` recognises what people have on their disks: CLIPs in several forms, other networks, and files that
are no checkpoint at all, such as a Git LFS pointer or a web page. Its answer says in words what it is, and
what to do.
"""

import os
from pathlib import Path
from typing import List, Optional

from clip.file_kinds import ANEW, Kind, kind_of_file, kind_of_names
from clip.weight_names import read_index
from support.errors import one_line

SAFETENSORS = ("model.safetensors", "model.safetensors.index.json")
TORCH = ("pytorch_model.bin", "pytorch_model.bin.index.json")


def kind_of(path: Path) -> Kind:
    """What a file or folder is. Never raises."""
    try:
        if not path.exists():
            return Kind("missing", "not there: no such file or folder", "check its name")
        if path.is_dir():
            return kind_of_folder(path)
        if not path.is_file():
            return Kind("device", "neither a file nor a folder", "name another")
        return kind_of_file(path)[0]
    except (OSError, ValueError) as error:  # no right to read it, or a name that no file can have
        return Kind("unreadable", f"not readable ({one_line(str(error))})", "check its name and its rights")


# ---- folders ---------------------------------------------------------------------------------------


def kind_of_folder(folder: Path) -> Kind:
    """By its weights; where there are none, by what else lies in it."""
    problem = shards_problem(folder)
    if problem:
        return problem
    names: List[str] = []
    for file in loaded_files(folder):
        kind, content = kind_of_file(file)
        if kind.name in ("dsva", "torchscript", "unfinished", "other") or not content.names:
            return Kind(kind.name, f"a folder whose {file.name} is {kind.what}", kind.todo)
        names += content.names
    if names:
        return kind_of_names(names)
    return kind_by_other_files(folder)


def loaded_files(folder: Path) -> List[Path]:
    """The files that transformers loads a folder's weights from; none if it has none."""
    for single, index in (SAFETENSORS, TORCH):
        if (folder / single).is_file():
            return [folder / single]
        if (folder / index).is_file():
            return [folder / name for name in read_index(folder / index)]
    return []


def shards_problem(folder: Path) -> Optional[Kind]:
    """What is wrong with weights that lie in several files; None if nothing is."""
    for single, index in (SAFETENSORS, TORCH):
        if (folder / single).is_file():
            return None
        stem, ending = single.rsplit(".", 1)
        shards = sorted(folder.glob(f"{stem}-*-of-*.{ending}"))
        if not (folder / index).is_file():
            if shards:
                return Kind(
                    "shards",
                    f"a folder with {len(shards)} parts of its weights, the first is {shards[0].name}, "
                    f"but without their {index}",
                    f"download {index} into it, too",
                )
            continue
        try:
            files = read_index(folder / index)
        except (OSError, ValueError) as error:
            what = f"a folder whose {index} cannot be read: {one_line(str(error))}"
            return Kind("shards", what, "download it anew")
        for name in files:
            if Path(name).name != name or name in ("", "..", "."):
                what = f"a folder whose {index} names {name[:60]!r}, which is no file in it"
                return Kind("shards", what, "download it anew")
            if not os.path.isfile(folder / name):  # noqa: PTH113, is_file raises on a name too long
                what = f"a folder without {name[:60]}, one of the {len(files)} parts of its weights"
                return Kind("shards", what, "download it into the folder")
        return None
    return None


def kind_by_other_files(folder: Path) -> Kind:
    """A folder without weights where they are expected."""
    snapshots = sorted(folder.glob("snapshots/*/config.json"))
    if snapshots:
        inside = snapshots[-1].parent
        return Kind("hub cache", "a folder of the Hugging Face hub's cache", f"name {inside}, inside of it")
    if (folder / "state.pt").is_file():
        return kind_of_file(folder / "state.pt")[0]
    if (folder / "last.safetensors").is_file() or (folder / "results.json").is_file():
        todo = "name the folder of the CLIP that it was trained from"
        return Kind("run", "the folder of a run, not of a CLIP", todo)
    if (folder / "adapter_config.json").is_file():
        return Kind(
            "adapter", "an adapter (PEFT), which changes a CLIP that is not in it", "merge the two first"
        )
    for file in variants(folder):
        kind = kind_of_file(file)[0]
        if kind.name in ("clip", "vision tower"):
            expected = SAFETENSORS[0] if file.suffix == ".safetensors" else TORCH[0]
            return Kind("renamed", f"a CLIP whose weights are called {file.name}", f"copy them as {expected}")
        return Kind(kind.name, f"a folder whose {file.name} is {kind.what}", kind.todo)
    return Kind("no weights", "a folder without weights", ANEW)


def variants(folder: Path) -> List[Path]:
    """Files of weights under other names, those first that are read here."""
    found: List[Path] = []
    for ending in ("safetensors", "bin", "pt", "pth", "ckpt", "msgpack", "h5", "onnx", "gguf"):
        found += sorted(folder.glob(f"*.{ending}"))
    return [file for file in found if file.name != "training_args.bin"]

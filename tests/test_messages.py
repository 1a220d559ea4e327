"""No message advises an option that its program lacks.

A message is any string of the code, but for docstrings and the declarations of options. A program may say it
if its place can be reached: a name leads to what it means in its module, and an attribute to all methods that
are called so. More is reached in this way than ever happens, and never less. Each option in a message must be
one of every program that reaches it, or of those that the sentence names before: "annotate.py --output".
"""

import argparse
import ast
import importlib
import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Dict, List, Set, Tuple

import pytest

from runs.options import NO_EFFECT

MODEL = Path(__file__).parents[1] / "model"
PROGRAMS = sorted(file.stem for file in MODEL.glob("*.py"))
OPTION = re.compile(r"(?<![\w-])--([a-zA-Z][\w-]*)")
DECLARATIONS = ("add_argument", "add_argument_group", "Parser")  # calls; what they say is in --help
NOT_OURS = {
    "runs.options": None,  # declares the options of main.py, of which other programs read recorded ones
    "support.machine": {"porcelain", "untracked-files"},  # of git
    "pages.html": {"v", "size"},  # names of CSS
    "pages.heat_map": {"v", "size"},
    "pages.map_page": {"share", "hue"},
    "bench.suite": {"tb", "junitxml"},  # of pytest
    "bench.runs_of_main": {"standalone", "nproc_per_node"},  # of torchrun
    "pages.app_views": {"low", "scale", "start", "length"},
    "support.workers": {"shm-size", "workers"},  # of Docker; programs without workers cannot lose them
}
NEVER = {  # (program, module) of messages that names lead to, but no run
    ("prepare", "prepare"): "prints options for other programs",
    ("held_out", "data.bands"): "the dataset was read before, with the run's --bands",
    ("report", "data.bands"): "the same",
    ("app", "clip.embedding_file"): "keeps no embeddings",
    ("app", "clip.file_kinds"): "what it says are options of convert_clip.py",
    (
        "app",
        "inference.candidates",
    ): "asks for all, the unseen or none of a run's classes, and checks that some are left",
    (
        "app",
        "inference.clip_classifier",
    ): "takes the option that a message begins with away: pages.app_page.sentence",
    ("app", "inference.new_classes"): "the same",
    ("app", "support.files"): "locks no folder",
    ("report", "clip.embedding_file"): "embeds nothing",
    ("report", "inference.candidates"): "has the classes of the run alone, and adds none",
    ("report", "inference.new_classes"): "the same",
    ("report", "inference.new_columns"): "the same",
}


@dataclass(eq=False)
class Unit:
    """A function, a method, the body of a class, or a statement of a module.

    names:      all that are mentioned in it
    attributes: (name before the dot if it is one, attribute) of all that are mentioned
    texts:      (line, string) of all strings in it
    """

    module: str
    names: Set[str] = field(default_factory=set)
    attributes: Set[Tuple[str, str]] = field(default_factory=set)
    texts: List[Tuple[int, str]] = field(default_factory=list)


@dataclass
class Module:
    """What a file holds.

    units:   name -> what it means: a function, a class with what others call of it, or a constant
    methods: name -> methods that are called so
    aliases: name -> (module, name in it, or "" if it is a module)
    start:   what runs when the file is imported
    """

    units: Dict[str, List[Unit]] = field(default_factory=lambda: defaultdict(list))
    methods: Dict[str, List[Unit]] = field(default_factory=lambda: defaultdict(list))
    aliases: Dict[str, Tuple[str, str]] = field(default_factory=dict)
    start: List[Unit] = field(default_factory=list)


# ---- reading the code ------------------------------------------------------------------------------


@cache
def read_module(name: str) -> Module:
    module = Module()
    tree = ast.parse(file_of(name).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and file_of(node.module):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                target = (inner, "") if file_of(inner) else (node.module, alias.name)
                module.aliases[alias.asname or alias.name] = target
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if file_of(alias.name):
                    module.aliases[alias.asname or alias.name] = (alias.name, "")
    for node in tree.body:
        add_statement(node, name, module)
    return module


def file_of(module: str):
    """The file of a module of ours; None of others."""
    place = MODEL / module.replace(".", "/")
    files = [file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()]
    return files[0] if files else None


def add_statement(node, name: str, module: Module):
    if isinstance(node, ast.FunctionDef):
        module.units[node.name].append(read_unit([node], name))
    elif isinstance(node, ast.ClassDef):
        add_class(node, name, module)
    elif isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in ast.walk(ast.Tuple(targets)):
            if isinstance(target, ast.Name):
                module.units[target.id].append(read_unit([node], name))
    elif not is_docstring(node):
        module.start.append(read_unit([node], name))


def add_class(node: ast.ClassDef, name: str, module: Module):
    methods = [part for part in node.body if isinstance(part, ast.FunctionDef)]
    rest = [part for part in node.body if part not in methods and not is_docstring(part)]
    module.units[node.name].append(read_unit([*rest, *node.bases, *node.decorator_list], name))
    for method in methods:
        unit = read_unit([method], name)
        module.methods[method.name].append(unit)
        if node.bases or method.name.startswith("__"):  # others may call it, as PyTorch does `forward`
            module.units[node.name].append(unit)


def is_docstring(node) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def read_unit(nodes, module: str) -> Unit:
    unit = Unit(module)
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if is_docstring(node):
            continue
        if isinstance(node, ast.Name):
            unit.names.add(node.id)
        elif isinstance(node, ast.Attribute):
            unit.attributes.add((getattr(node.value, "id", ""), node.attr))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            unit.texts.append((node.lineno, node.value))
        elif isinstance(node, ast.Call) and called(node) in DECLARATIONS:
            waiting += [word.value for word in node.keywords if word.arg in ("type", "action")]
            continue
        elif isinstance(node, ast.JoinedStr):  # "..." stands for what is put in
            parts = [part.value if isinstance(part, ast.Constant) else "..." for part in node.values]
            unit.texts.append((node.lineno, "".join(parts)))
            waiting += [part for part in node.values if not isinstance(part, ast.Constant)]
            continue
        waiting += ast.iter_child_nodes(node)
    return unit


def called(node: ast.Call) -> str:
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


# ---- what a program can say, and which options it has ----------------------------------------------


@cache
def imported(program: str) -> Set[str]:
    """All modules of ours that a program imports, at once or ever, with their packages."""
    found: Set[str] = set()
    waiting = [program]
    while waiting:
        name = waiting.pop()
        if name and name not in found and file_of(name):
            found.add(name)
            waiting += [
                name.rpartition(".")[0],
                *(module for module, _ in read_module(name).aliases.values()),
            ]
    return found


def meant(module: str, name: str) -> List[Unit]:
    """What a name means in a module, perhaps by way of others."""
    here = read_module(module)
    if name in here.units:
        return here.units[name]
    source, original = here.aliases.get(name, ("", ""))
    return meant(source, original) if original else []


@cache
def reached(program: str) -> List[Unit]:
    """Everything that may run in a program."""
    modules = imported(program)
    found: Dict[int, Unit] = {}
    units = [unit for name in modules for unit in read_module(name).start] + meant(program, "main")
    while units:
        unit = units.pop()
        if id(unit) in found:
            continue
        found[id(unit)] = unit
        for name in unit.names:
            units += meant(unit.module, name)
        for before, attribute in unit.attributes:
            if attribute.startswith("__"):  # of a class that is mentioned, too
                continue
            source, original = read_module(unit.module).aliases.get(before, ("", "name"))
            if not original:
                units += meant(source, attribute)
            for module in modules:
                units += read_module(module).methods.get(attribute, [])
    return list(found.values())


class StopError(Exception):
    """Instead of reading a command line."""


@cache
def parser_of(program: str) -> argparse.ArgumentParser:
    found = []

    def parse(parser, *_, **__):
        found.append(parser)
        raise StopError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_known_args", parse)
        patch.setattr(argparse.ArgumentParser, "parse_known_intermixed_args", parse)
        with pytest.raises(StopError):
            importlib.import_module(program).main(["x"])
    return found[0]


def options_of(program: str) -> Set[str]:
    """The names of all options, without their dashes."""
    own = {option[2:] for option in parser_of(program)._option_string_actions if option.startswith("--")}
    hands_on = program in ("benchmark", "gpu_check")  # others to main.py
    return own | options_of("main") if hands_on else own


def lacking(program: str, text: str) -> Set[str]:
    """Options in a text that neither the program has, nor those that the sentence names before."""
    missing = set()
    for sentence in re.split(r"(?<=[.;:]) |\n", text):
        for option in OPTION.finditer(sentence):
            named = re.findall(r"(\w+)\.py\b", sentence[: option.start()])
            others = [name for name in named if name in PROGRAMS and name != program]
            is_theirs = bool(others) and all(option[1] in options_of(name) for name in others)
            if not is_theirs and option[1] not in options_of(program):
                missing.add(f"--{option[1]}")
    return missing


# ---- the tests -------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_message_advises_an_option_that_its_program_lacks(program):
    wrong = []
    for unit in reached(program):
        others = NOT_OURS.get(unit.module, set())
        if others is None or (program, unit.module) in NEVER:
            continue
        for line, text in unit.texts:
            missing = sorted(option for option in lacking(program, text) if option[2:] not in others)
            if missing:
                wrong.append(f"{program}.py, {unit.module}, line {line}: {', '.join(missing)} in {text!r}")
    assert not wrong, "\n".join(sorted(wrong))


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_help_speaks_of_the_programs_own_options(program):
    parser = parser_of(program)
    texts = [parser.description or ""]
    for group in parser._action_groups:
        texts += [group.description or "", *(action.help or "" for action in group._group_actions)]
    hidden = set(NO_EFFECT) if program == "main" else set()
    assert {option for text in texts for option in lacking(program, text)} <= hidden


@pytest.mark.parametrize(
    "program, text, missing",
    [
        ("predict", "name it with --root", {"--root"}),
        ("predict", "name it with --output, --ways", {"--ways"}),
        ("predict", "annotate.py and main.py take --root", set()),
        ("main", "predict.py and held_out.py take --tile", {"--tile"}),
        ("predict", "main.py wrote it. Take --root", {"--root"}),
        ("main", "take --root", set()),
        ("main", "--no-additional_loss is one; of git is -u", set()),
    ],
)
def test_what_a_text_asks_for(program, text, missing):
    assert lacking(program, text) == missing


def test_what_a_program_reaches():
    """A network is called by PyTorch, an error is raised three rooms below, and prediction trains nothing."""
    units = {unit.module for unit in reached("predict")}
    assert {"inference.saved", "data.images", "runs.checkpoint", "dsva.network", "support.errors"} <= units
    assert "runs.folder" not in units
    said = " ".join(text for unit in reached("predict") for _, text in unit.texts)
    assert "is not a readable checkpoint" in said and "cannot read the image" in said

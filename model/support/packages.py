"""Are the packages of requirements.txt there? If not, a newcomer's first program would end in a traceback.

And how are others installed, which only some need?
"""

import os
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

# by the names under which the programs import them
NEEDED = (
    "torch",
    "torchvision",
    "transformers",
    "safetensors",
    "numpy",
    "scipy",
    "PIL",
    "tqdm",
    "matplotlib",
)
REPOSITORY = Path(__file__).resolve().parents[2]


def need_packages():
    """Ends with code 2 and one line if the running Python lacks some of them."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if not missing:
        return
    environment = REPOSITORY / ".venv"
    if (environment / "bin" / "python").exists() and not Path(sys.prefix).samefile(environment):
        what_to_do = f"use the project's environment: source {environment / 'bin' / 'activate'}"
    else:
        what_to_do = "run ./script/setup.sh, then source .venv/bin/activate"
    print(f"error: {sys.executable} lacks {', '.join(missing)}: {what_to_do}", file=sys.stderr)
    sys.exit(2)


def install(*words: str) -> str:
    """The command that installs packages for the Python that runs, as a message says it.

    words: packages, and options of pip

    A bare `pip` may belong to another Python: our scripts find .venv without its being activated.
    """
    return " ".join([shlex.quote(running_python()), "-m pip install", *words])


def running_python() -> str:
    """The Python that runs, as a user can type it here: below this folder .venv/bin/python, else in full."""
    program = sys.executable or "python3"
    try:
        near = os.path.relpath(program)
    except (OSError, ValueError):  # this folder has been deleted; another drive
        return program
    is_below = os.sep in near and not near.startswith(os.pardir)
    return near if is_below else program

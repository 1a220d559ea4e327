#!/usr/bin/env bash
# Makes a virtual environment in .venv with all of requirements.txt, unless there is one already: run it as often as you like.
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

has_requirements && exit
[ -x "$ROOT/.venv/bin/python" ] || "$PYTHON" -m venv "$ROOT/.venv"
echo "installing requirements.txt into $ROOT/.venv, which takes some minutes"
"$ROOT/.venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$ROOT/requirements.txt"

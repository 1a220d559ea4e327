#!/usr/bin/env bash
# Installs requirements.txt unless all is there: into the active virtual environment, or into .venv,
# which it makes.
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

has $PROGRAMS $TESTS && exit
if "$PYTHON" -c 'import sys; sys.exit(sys.prefix != sys.base_prefix)'; then  # no virtual environment
  "$PYTHON" -m venv "$ROOT/.venv"
  PYTHON="$ROOT/.venv/bin/python"
fi
echo "installing requirements.txt for $PYTHON, which takes some minutes"
"$PYTHON" -m pip install --quiet --disable-pip-version-check -r "$ROOT/requirements.txt"

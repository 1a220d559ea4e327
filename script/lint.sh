#!/usr/bin/env bash
# Form, linter, types, and which room imports which, in seconds. What is checked is in script/pyproject.toml.
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

need $PROGRAMS $TESTS
cd "$ROOT"
awk 'length > 110 { print "error: " FILENAME ", line " FNR ": longer than 110 characters"; bad = 1 }
     END { exit bad }' script/*.sh script/aid/*.sh >&2
"$PYTHON" -m ruff format --check --quiet --config script/pyproject.toml ||
  { echo "error: run ruff format --config script/pyproject.toml" >&2; exit 1; }
"$PYTHON" -m ruff check --quiet --config script/pyproject.toml
"$PYTHON" -m mypy --no-error-summary --config-file script/pyproject.toml

cd script  # where import-linter finds pyproject.toml
IMPORTS='import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))'
FOUND=$(PYTHONPATH="$ROOT/model" "$PYTHON" -c "$IMPORTS") || { echo "$FOUND"; exit 1; }

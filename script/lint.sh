#!/usr/bin/env bash
# Linter and type checker, some seconds. What they check is in script/pyproject.toml.
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

need $PROGRAMS $TESTS
cd "$ROOT"
"$PYTHON" -m ruff check --quiet --config script/pyproject.toml
"$PYTHON" -m mypy --no-error-summary --config-file script/pyproject.toml

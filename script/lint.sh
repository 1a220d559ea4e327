#!/usr/bin/env bash
# Linter and type checker, some seconds. What they check is in pyproject.toml.
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

need_requirements
cd "$ROOT"
"$PYTHON" -m ruff check --quiet
"$PYTHON" -m mypy --no-error-summary

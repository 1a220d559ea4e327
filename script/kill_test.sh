#!/usr/bin/env bash
# Kills trainings of a tiny dataset at every file operation and at random moments, and compares what they end with. Options: tests/kill_runs.py --help
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

exec nice "$PYTHON" "$ROOT/tests/kill_runs.py" "$@"

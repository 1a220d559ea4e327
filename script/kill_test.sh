#!/usr/bin/env bash
# Kills trainings of a tiny dataset at every file operation and at random moments, and compares what they
# end with. It takes some 25 minutes on one core.
# Options: tests/kill_runs.py --help; --every 25 --random 2 takes about one.
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

exec nice "$PYTHON" "$ROOT/tests/kill_runs.py" "$@"

#!/usr/bin/env bash
# Everything that waits for a GPU, in one command of about 10 minutes: is it right, how fast is it, and how
# long do the published experiments take? Nothing is downloaded. Without a GPU: --small.
# Extra arguments go to gpu_check.py: --parts correctness, --output FOLDER, ...
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

run_model gpu_check "$@"

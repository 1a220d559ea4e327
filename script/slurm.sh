#!/usr/bin/env bash
#SBATCH --job-name=dsva
#SBATCH --nodes=1
#SBATCH --gpus-per-node=4                   # as many processes on a node
#SBATCH --ntasks-per-node=1                 # torchrun starts the processes
#SBATCH --cpus-per-task=32
#SBATCH --mem=64G
#SBATCH --time=02:00:00
#SBATCH --requeue                           # an interrupted training goes on where it was
# One training on several GPUs, of one node or more; the same numbers as on one.
# An example to adapt, from the repository's top:
#   sbatch script/slurm.sh --image_embedding 61 --use_group --manualSeed 4702 --cache disk
source "${SLURM_SUBMIT_DIR:-$(dirname "${BASH_SOURCE[0]}")/..}/script/env.sh"

need $PROGRAMS
GPUS=${SLURM_GPUS_ON_NODE:-1}
CPUS=$(( ${SLURM_CPUS_PER_TASK:-$GPUS} / GPUS ))   # of a process
export OMP_NUM_THREADS=$CPUS
launch=(
  --nnodes "${SLURM_JOB_NUM_NODES:-1}"
  --nproc_per_node "$GPUS"
  --rdzv_backend c10d
  --rdzv_id "${SLURM_JOB_ID:-0}"
  --rdzv_endpoint "$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1):29500"
)
exec srun "$PYTHON" -m torch.distributed.run "${launch[@]}" "$ROOT/model/main.py" --workers "$CPUS" "$@"

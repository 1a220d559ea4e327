"""What `benchmark.py` and `gpu_check.py` measure, on pictures and weights that they draw themselves.

workload           the parts of a training, and beside them the bare CLIP tower; start here
rows               their names
table              the same as lines of a table
as_published       the same network, working in the order of the published program
generated          a dataset of random pictures, and a CLIP tower of random weights

Of gpu_check.py alone:

checks             something that must hold, as a row of a table
suite              the project's own tests on the device
episode            losses, gradients and windows, beside those of the CPU
runs_of_main       trainings: the same twice, killed and continued, divided among processes
speed, kernels     the benchmark's table in every precision, and how many kernels a step has
loading            images a second of each --cache
full_data          a dataset as large as RSSDIVCS, in seconds
published_scripts  the options of the six experiments
experiments        how long they take, from measured steps; one of them in full
record             gpu.json
check_tables       what gpu_check.py prints of it

It may import every other room, and is imported by these two programs alone.
"""

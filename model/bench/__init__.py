"""What `benchmark.py` times: the parts of a training, on pictures and weights that it draws itself.

workload      the parts, and beside them the bare CLIP tower; start here
rows          their names
as_published  the same network, working in the order of the published program
generated     a dataset of random pictures, and a CLIP tower of random weights

It may import every other room, and is imported by benchmark.py alone.
"""

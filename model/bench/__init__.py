"""What benchmark.py measures, and nothing else uses.

generated     a dataset of random pictures and a CLIP tower of random weights
workload      the parts of a training, and the tower's own share of each
as_published  the same parts in the order of the published program

It may import every other room; none imports it. Start with workload.py.
"""

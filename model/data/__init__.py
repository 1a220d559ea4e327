"""The data: .mat files of the published format, divisions into seen and unseen classes, and pictures.

May import: support.

    benchmark.py   one benchmark, read and checked: `load_benchmark(find_files(...))`. Start here
    pipeline.py    from a picture file to what a network takes, and loaders of batches
    images.py      picture files of any kind: read as RGB, or refused
    samplers.py    which training images, in which order

    prompts.py     the sentences in which CLIP reads a name
    matlab.py      reading and writing .mat files; their 1-based indices
    checks.py      what the parts of a benchmark must be
    divisions.py   random divisions into seen and unseen classes
    folders.py     the images of a new dataset: a folder for each class
    cache.py       pictures that are kept decoded: decoded.py in one array, decoding.py makes them,
                   store.py is the file
"""

"""The data: .mat files of the published format, divisions into seen and unseen classes, and pictures.

May import: support.

    benchmark.py   one benchmark, read and checked: `load_benchmark(find_files(...))`. Start here
    pipeline.py    from a picture file to what a network takes, and loaders of batches
    images.py      picture files of any kind: read as 8-bit RGB, or refused
    stretch.py     how values of more than 8 bits become 8; deep.py and rasters.py read them, by Pillow and
                   by rasterio; bands.py says which bands are red, green and blue
    appearance.py  how pictures look, whatever they show: colour, brightness, sharpness, contrast
    ranges.py      how much of their range the pictures of a dataset use
    samplers.py    which training images, in which order

    prompts.py     the sentences in which CLIP reads a name
    names.py       what classes are called: readable words, class_names.json, what a user types
    naming.py      from folders to names: numbering and joined words, see joined.py and scene_words.txt
    clip_words.py  the words that a CLIP's tokenizer knows
    notes.py       what a user should read once about the data

    matlab.py      reading and writing .mat files; their 1-based indices
    classes.py     classes by their attributes, without images
    checks.py      what the parts of a benchmark must be
    divisions.py   random divisions into seen and unseen classes
    describing.py  which images describe the classes
    unseen.py      which classes are unseen in each of them
    folders.py     the images of a new dataset: a folder for each class
    levels.py      are these folders the classes, or is it others above or below?
    image_lists.py lists of images, and captions about them
    archives.py    a zip or a tar where a folder is expected
    published.py   writing the published format
    xlsa17.py      CUB, AWA2 and SUN as xlsa17 has them
    cache.py       pictures that are kept decoded: decoded.py in one array, decoding.py makes them,
                   store.py is the file
"""

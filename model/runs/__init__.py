"""A run: its options, its folder, its checkpoints, what it prints, and how it is repeated.

options             every option of main.py, under its published name
clip_options        those of finetune_clip.py
command_line        reads them: as given, recorded in a file, or set by a recipe
settings            from options to the plain values that the other rooms take
small_data          what is lowered where the data are few
build               from settings to data and network
loaders             from options to batches of images
folder              the run folder: a line an epoch, checkpoints, tables, results; going on when interrupted
checkpoint          our own checkpoints, checked when they are read
saved_classes       the classes in a checkpoint, which need no dataset
saved_looks         how its training images look
chosen              a run folder stands for the checkpoint that its protocol chose
fingerprints        SHA-256 of the files that a run read
records             what a finished or running run has written, read again
results             what finished runs and baselines scored, and of which epoch each score is
several             the runs of divisions, seeds and methods below a folder
prediction_records  what a folder of predictions, or of maps, tells
console             what a run prints
repeat              main.py --repeat

It may import `dsva`, `clip`, `data` and `support`. Here argparse ends: no room below sees an option's name.
Start with folder.py, whose `Run` lists the files of a run folder. `options`, `clip_options`, `chosen` and
`records` do without torch.
"""

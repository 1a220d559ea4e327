"""What every program stands on and no paper describes: options, error lines, files, processes, the machine.

errors      wrong input ends with one line and exit code 2, an interruption with 130 or 143
packages    those of requirements.txt: are they there? How are others installed?
cli         types of options, and the options that several programs share
files       files that are written completely or not at all, and the lock of a folder
resumable   may this program go on with what a folder holds?
processes   several processes that torchrun started, as torch.distributed has them; the progress bar
loader      DataLoader, whose workers' failures end in one line
workers     what to do when they fail
figures     matplotlib, and fonts that have the letters of any name
local_page  a page of gradio that is on this machine alone
utf8        names of files in UTF-8, whatever the locale is
streams     stdout and stderr, which may lack letters or have no reader
gradients   sums over processes that are exact, where those of DistributedDataParallel are not
machine     what a run records to be repeatable: versions, commit, devices
untrusted   guards for JSON, archives and .mat files that come from outside

It imports none of the other rooms. Start with errors.py. `errors` and `cli` import neither torch nor numpy,
so that a program answers --help at once.
"""

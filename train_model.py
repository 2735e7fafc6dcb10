"""`python train_model.py`: train the first reference system's whole network on dataset/audios and dataset/videos.

The same as `emofuse train recipes/mfcc-cnn3d.toml --data dataset --validate --bundle`: another recipe, another --data
folder, and every other option of `emofuse train` may be given.
"""

import sys

from emofuse.cli.main import run

if __name__ == "__main__":
    arguments = sys.argv[1:]
    if not any(argument.endswith(".toml") for argument in arguments):
        arguments = ["recipes/mfcc-cnn3d.toml", *arguments]
    if not any(argument.partition("=")[0] == "--data" for argument in arguments):
        arguments += ["--data", "dataset"]
    run(["train", *arguments, "--validate", "--bundle"])

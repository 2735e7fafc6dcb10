"""`python run_inference.py --video_path X`: boxes and labels on a video, by the network that train_model.py saved.

The same as `emofuse analyze X --bundle runs/mfcc-cnn3d/bundle`, or without --bundle, so with the networks that ship,
where there is no such folder. Every option of `emofuse analyze` may be given.
"""

import sys
from pathlib import Path

from emofuse.cli.main import run

TRAINED = Path("runs/mfcc-cnn3d/bundle")

if __name__ == "__main__":
    arguments = [argument.removeprefix("--video_path=") for argument in sys.argv[1:] if argument != "--video_path"]
    has_bundle = any(argument.partition("=")[0] == "--bundle" for argument in arguments)
    run(["analyze", *arguments, *(["--bundle", str(TRAINED)] if TRAINED.is_dir() and not has_bundle else [])])

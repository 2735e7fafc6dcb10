"""`python run_inference.py --video_path X ...`: the same as `emofuse analyze X ...`."""

import sys

from emofuse.cli.main import run

if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "--video_path"]
    run(["analyze", *(argument.removeprefix("--video_path=") for argument in arguments)])

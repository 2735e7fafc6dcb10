"""`python run_inference.py --video_path X [--audio_path Y]`: boxes and labels on a video, by the network that
train_model.py saved.

The same as `emofuse analyze X --bundle runs/mfcc-cnn3d/bundle`, or without --bundle, so with the networks that ship,
where there is no such folder. With --audio_path the sound is that of another file, in place of the video's own. Every
option of `emofuse analyze` may be given.
"""

import sys
import tempfile
from pathlib import Path

from emofuse.cli.console import print_error
from emofuse.cli.main import run
from emofuse.errors import EmofuseError, UsageError
from emofuse.media.dubbing import dub

TRAINED = Path("runs/mfcc-cnn3d/bundle")


def take(arguments: list[str], name: str) -> str | None:
    """Take `--name VALUE` or `--name=VALUE` out of the arguments."""
    for i, argument in enumerate(arguments):
        option, equals, value = argument.partition("=")
        if option == name:
            taken = [value] if equals else arguments[i + 1 : i + 2]
            if not taken or not taken[0]:
                raise UsageError(f"{name} names no file")
            del arguments[i : i + (1 if equals else 2)]
            return taken[0]
    return None


def main() -> None:
    """Run `emofuse analyze` with the arguments of this script."""
    arguments = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="emofuse-") as folder:
        try:
            video, audio = take(arguments, "--video_path"), take(arguments, "--audio_path")
            if audio is not None and video is None:
                raise UsageError("--audio_path goes with --video_path")
            if audio is not None and video is not None:
                video = str(dub(video, audio, Path(folder) / f"{Path(video).stem}.mkv"))
        except EmofuseError as error:
            print_error(error)
            sys.exit(2 if isinstance(error, UsageError) else 1)
        has_bundle = any(argument.partition("=")[0] == "--bundle" for argument in arguments)
        bundle = ["--bundle", str(TRAINED)] if TRAINED.is_dir() and not has_bundle else []
        run(["analyze", *([] if video is None else [video]), *arguments, *bundle])


if __name__ == "__main__":
    main()

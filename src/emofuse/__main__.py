"""`python -m emofuse`: the same as the command `emofuse`."""

from emofuse.cli.main import run

if __name__ == "__main__":
    run()

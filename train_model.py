"""`python train_model.py [RECIPE.toml] ...`: the same as `emofuse train`; without a recipe, the voice network's."""

import sys

from emofuse.cli.main import run

if __name__ == "__main__":
    arguments = sys.argv[1:]
    has_recipe = any(argument.endswith(".toml") for argument in arguments)
    run(["train", *([] if has_recipe else ["recipes/voice.toml"]), *arguments])

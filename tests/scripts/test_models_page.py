"""docs/models.md is of the recipes that there are: a row for each network, with the parameters that it has."""

from __future__ import annotations

import re
from pathlib import Path

from emofuse.emotions import BASE, FERPLUS, LABEL_SETS
from emofuse.research.models.fusion.settings import FeatureNetSettings
from emofuse.research.models.settings import SvmSettings
from emofuse.research.recipes.data import FaceDataSettings, TextDataSettings
from emofuse.research.recipes.recipe import LateFusionSettings, load_recipe, single_recipes
from emofuse.research.training.jobs import make_network

ROOT = Path(__file__).parents[2]


def test_every_network_has_its_row() -> None:
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([\w-]+)` \| [^|]+ \| ([\d,]+) \|", page, re.MULTILINE))
    recipes = {path.stem: load_recipe(path) for path in single_recipes(ROOT / "recipes")}
    networks = {
        name: recipe
        for name, recipe in recipes.items()
        if not isinstance(recipe.model, SvmSettings | LateFusionSettings | FeatureNetSettings)
    }
    assert set(rows) == set(networks)
    for name, recipe in networks.items():
        own = {FaceDataSettings: FERPLUS, TextDataSettings: BASE}
        labels = own.get(type(recipe.data)) or LABEL_SETS[recipe.data.labels]
        network = make_network(recipe, len(labels))
        assert rows[name] == f"{sum(p.numel() for p in network.parameters()):,}", name

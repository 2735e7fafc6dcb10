"""What licences allow, and which bundles may be used commercially."""

from __future__ import annotations

import json
import re

import pytest

from emofuse.errors import BundleError
from emofuse.inference.bundle import BUNDLES, MANIFEST, load_bundle
from emofuse.inference.bundle_writer import PAGE, page
from emofuse.inference.licences import Licence, allows_commerce, check_permissive, in_the_way, sources_of


@pytest.mark.parametrize(
    ("licence", "allows"),
    [
        ("CC BY 4.0 (Google Research; comments by users of Reddit)", Licence.YES),
        ("CC BY-SA 3.0", Licence.YES),
        ("CC0", Licence.YES),
        ("Apache-2.0", Licence.YES),
        ("MIT (weights)", Licence.YES),
        ("ODbL 1.0", Licence.YES),
        ("CC BY-NC-SA 4.0", Licence.NO),
        ("CC BY-NC-SA 4.0, research only", Licence.NO),
        ("free for research (no licence stated)", Licence.NO),
        ("research only, given on request", Licence.NO),
        ("no licence, citation asked for", Licence.NO),
        ("by agreement with USC SAIL", Licence.NO),
        ("MIT (labels), over web images", Licence.UNCLEAR),
        ("BSD-3-Clause (torchvision); the pictures have their owners' licences", Licence.UNCLEAR),
        ("GPL-3", Licence.UNCLEAR),
        ("as its manifest says", Licence.UNCLEAR),
        ("", Licence.UNCLEAR),
    ],
)
def test_a_licence_is_read_by_its_name(licence: str, allows: Licence) -> None:
    assert allows_commerce(licence) is allows


def test_the_base_bundle_is_refused_for_its_faces_and_voices() -> None:
    base = load_bundle("base")
    assert {one.modality for one in in_the_way(sources_of(base))} == {"face", "voice"}
    with pytest.raises(BundleError, match=r"may not be used commercially.*and \d+ more") as refusal:
        check_permissive(base)
    assert "permissive" in refusal.value.hint


def test_the_permissive_bundle_is_the_words_of_the_base_bundle() -> None:
    loaded, base = load_bundle("permissive"), load_bundle("base")
    check_permissive(loaded)
    assert list(loaded.networks) == ["text"]
    assert loaded.networks["text"].sha256 == base.networks["text"].sha256
    settings, theirs = loaded.manifest.modalities["text"], base.manifest.modalities["text"]
    assert settings.model_copy(update={"file": theirs.file}) == theirs
    certainty, whole = loaded.manifest.certainty, base.manifest.certainty
    assert certainty is not None and whole is not None  # python scripts/make_permissive_bundle.py makes it anew
    assert certainty == whole.model_copy(update={"modalities": {"text": whole.modalities["text"]}})
    assert (BUNDLES / "permissive" / PAGE).read_text("utf-8") == page(loaded)
    assert json.loads((BUNDLES / "permissive" / MANIFEST).read_text("utf-8"))["modalities"].keys() == {"text"}


@pytest.mark.parametrize("name", ["base", "large", "languages", "permissive"])
def test_cards_that_ship_name_no_folder_of_whoever_made_them(name: str) -> None:
    for network in load_bundle(name).networks.values():
        texts = [network.card.recipe, *(score.command for score in network.card.scores)]
        assert not [text for text in texts if re.search(r"(?<![\w.~-])/\w|[A-Z]:\\", text)]

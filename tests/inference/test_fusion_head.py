"""A bundle with a trained fusion: any subset of modalities, both modes, and what does not go together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from emofuse.errors import BundleError
from emofuse.inference.analyzer import Analyzer, AnalyzerSettings
from emofuse.inference.answers import AnswerMaker
from emofuse.inference.bundle import Bundle, load_bundle
from emofuse.inference.bundle_writer import BundleEntry, compose, entries_of_bundle, head_of_bundle
from emofuse.inference.fusion_head import FusionHead
from emofuse.inference.licences import sources_of
from emofuse.types import Line, Moment, Scores
from made_streams import Loud, Told, frames, merged, voice
from make_heads import sizes_of, write_head

SAYS = {"face": "sad", "voice": "angry", "text": "angry"}


@pytest.fixture(scope="module")
def dims() -> dict[str, int]:
    return sizes_of(load_bundle())


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, dims: dict[str, int]) -> Bundle:
    folder = tmp_path_factory.mktemp("heads")
    return with_head(folder / "made", write_head(folder / "head.onnx", dims, SAYS))


def with_head(folder: Path, head: Path) -> Bundle:
    base = load_bundle()
    compose(folder, "headed", base.labels, entries_of_bundle(base), head=BundleEntry(head))
    return load_bundle(folder)


def embedded(dims: Mapping[str, int], *modalities: str) -> dict[str, Scores]:
    labels = load_bundle().labels
    flat = np.full(len(labels), 1 / len(labels), np.float32)
    random = np.random.default_rng(1)
    return {
        m: Scores(m, labels, flat, 0.0, 1.0, embedding=random.normal(0, 1, dims[m]).astype(np.float32))
        for m in modalities
    }


def stream(bundle: Bundle, mode: str, lines: bool = True) -> list[Moment]:
    settings = AnalyzerSettings.model_validate({"mode": mode})
    said = [Line("I did not expect this from you.", 0.0, 3.0)] if lines else None
    analyzer = Analyzer(bundle, Told(), settings, lines=said, speech=Loud())
    made = [m for packet in merged(frames(75), voice(3.0)) for m in analyzer.push(packet)]
    return made + analyzer.flush()


@pytest.mark.parametrize("mode", ["queue", "frame"])
def test_it_answers_for_every_moment_with_two_modalities(bundle: Bundle, mode: str) -> None:
    moments = stream(bundle, mode)
    fused = [m.fused for m in moments if len(m.by_modality) == 3]
    assert len(fused) > 2
    assert {one.label for one in fused if one is not None} == {"angry"}  # two modalities of three speak for it
    pooled = [m.fused for m in stream(load_bundle(), mode) if len(m.by_modality) == 3]
    assert {one.label for one in pooled if one is not None} != {"angry"}


def test_two_of_three(bundle: Bundle) -> None:
    without_words = [m for m in stream(bundle, "queue", lines=False) if set(m.by_modality) == {"face", "voice"}]
    assert without_words
    for moment in without_words:
        assert moment.fused is not None and moment.fused.evidence[2] == pytest.approx(moment.fused.evidence[3], abs=0.1)


def test_one_alone_is_answered_by_its_own_network(bundle: Bundle) -> None:
    analyzer = Analyzer(bundle, Told(), AnalyzerSettings(), speech=Loud())
    moments = [m for packet in frames(30) for m in analyzer.push(packet)]
    assert moments and all(
        m.fused is not None and m.fused.evidence.argmax() == m.by_modality["face"].evidence.argmax() for m in moments
    )


def test_any_subset_in_any_order(bundle: Bundle, dims: dict[str, int]) -> None:
    head = FusionHead(bundle)
    whole = embedded(dims, *dims)
    for chosen in combinations(dims, 2):
        found = [head.fuse({m: whole[m] for m in order}) for order in (chosen, chosen[::-1])]
        assert found[0] is not None and found[1] is not None
        np.testing.assert_array_equal(found[0], found[1])
        votes = {SAYS[m] for m in chosen}
        assert bundle.labels[int(found[0].argmax())] in votes
        assert found[0].sum() == pytest.approx(1, abs=1e-5)
    assert head.fuse({"face": whole["face"]}) is None and head.fuse({}) is None


def test_a_modality_without_an_embedding_leaves_it_to_the_pool(bundle: Bundle, dims: dict[str, int]) -> None:
    answers = AnswerMaker.of_bundle(bundle, bundle.weights, bundle.pool)
    plain = AnswerMaker.of_bundle(load_bundle(), bundle.weights, bundle.pool)
    found = embedded(dims, "face", "voice", "text")
    found["text"] = replace(found["text"], embedding=None)
    _, fused = answers.fuse(found)
    _, pooled = plain.fuse(found)
    assert fused is not None and pooled is not None
    np.testing.assert_array_equal(fused.evidence, pooled.evidence)


def test_the_order_of_its_modalities_is_its_own(tmp_path: Path, bundle: Bundle, dims: dict[str, int]) -> None:
    turned = dict(reversed(dims.items()))
    other = with_head(tmp_path / "made", write_head(tmp_path / "head.onnx", turned, SAYS))
    found = embedded(dims, *dims)
    ours, theirs = FusionHead(bundle).fuse(found), FusionHead(other).fuse(found)
    assert ours is not None and theirs is not None
    assert ours.argmax() == theirs.argmax()


def test_another_size_is_refused_in_one_line(tmp_path: Path, dims: dict[str, int]) -> None:
    head = write_head(tmp_path / "head.onnx", {**dims, "voice": 5}, SAYS)
    with pytest.raises(
        BundleError, match=rf"^fusion.onnx takes 5 numbers of the voice: voice.onnx gives {dims['voice']} \(train"
    ):
        with_head(tmp_path / "made", head)
    assert not (tmp_path / "made").exists()


def test_a_fusion_of_other_modalities_is_refused(tmp_path: Path, dims: dict[str, int]) -> None:
    head = write_head(tmp_path / "head.onnx", {"clip": 4, "face": dims["face"]}, {"clip": "sad", "face": "sad"})
    with pytest.raises(BundleError, match=r"fuses clip, face: the bundle has face, voice, text"):
        with_head(tmp_path / "made", head)


def test_another_network_is_no_fusion(tmp_path: Path) -> None:
    base = load_bundle()
    with pytest.raises(BundleError, match="is a face network, not a fusion"):
        compose(
            tmp_path / "made", "x", base.labels, entries_of_bundle(base), head=BundleEntry(base.networks["face"].path)
        )


def test_the_bundle_tells_of_it(bundle: Bundle) -> None:
    assert "trained fusion" in (bundle.networks["face"].path.parent / "card.md").read_text()
    assert any(source.modality == "fusion" and source.name == "made up" for source in sources_of(bundle))
    assert [one.role for one in Analyzer(bundle).models()][:2] == ["fusion", "trained fusion"]
    part = head_of_bundle(bundle)
    assert part is not None and part.file.name == "fusion.onnx"
    assert head_of_bundle(load_bundle()) is None

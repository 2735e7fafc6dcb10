"""How far two accounts of one recording agree: emofuse's and a person's, or those of two runs."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from emofuse.cells import unescape_cell
from emofuse.emotions import SPELLINGS
from emofuse.errors import UsageError
from emofuse.formatting import pluralise
from emofuse.reading import one_line, read_bytes
from emofuse.settings import shown
from emofuse.timeline import Timeline

STEP_S: Final = 0.1  # between the times at which two accounts are compared
_MOST_MB: Final = 64.0  # of an annotation
_MOST_STEPS: Final = 10_000_000
_STARTS, _ENDS = ("start_s", "start", "onset", "begin"), ("end_s", "end", "offset", "stop")
_LABELS: Final = ("label", "emotion", "annotation", "value")


@dataclass(frozen=True, slots=True)
class Account:
    """What a recording shows, by one account.

    Attributes:
        name: What to call it.
        stretches: (start_s, end_s, label), in the order of time.
        valence: (time_s, value) in the order of time; each stands for the time since the one before it.
    """

    name: str
    stretches: tuple[tuple[float, float, str], ...]
    valence: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two accounts agree where both have a label.

    Attributes:
        compared_s: Seconds in which both have a label.
        only_s: Seconds in which only the first has one, and only the second.
        labels: All that either has, in their order in `confusion`.
        confusion: Seconds by the label of the first (rows) and of the second.
        agreement: The share of the time in which both have the same label; None where nothing was compared.
        kappa: Cohen's kappa (doi:10.1177/001316446002000104): the agreement beyond chance; None where one label is all
            that both have.
        concordance: Lin's concordance correlation of valence (doi:10.2307/2532051); None unless both have it.

    Example:
        >>> a = Account("a", ((0.0, 2.0, "happy"),))
        >>> b = Account("b", ((0.0, 1.0, "joy"), (1.0, 2.0, "sad")))
        >>> compare_accounts(a, b).agreement
        0.5
    """

    compared_s: float
    only_s: tuple[float, float]
    labels: tuple[str, ...]
    confusion: tuple[tuple[float, ...], ...] = field(repr=False)
    agreement: float | None = None
    kappa: float | None = None
    concordance: float | None = None


def agree(
    first: Timeline | str | os.PathLike[str],
    second: Timeline | str | os.PathLike[str],
    *,
    tier: str | None = None,
    step_s: float = STEP_S,
) -> Agreement:
    """Compare two accounts of one recording: timelines, or the files of timelines and of a person's annotations.

    Args:
        first: A timeline, or a file: its JSON, or an annotation as .eaf of ELAN or as .csv (`read_account`).
        second: Another one, of the same recording.
        tier: Of an ELAN file; by default the only one whose every annotation is the name of an emotion.
        step_s: Seconds between the times that are compared.

    Returns:
        How far they agree where both have a label.

    Raises:
        UsageError: A file cannot be read, there is no such tier, or the step is none.

    Example:
        >>> import emofuse
        >>> from emofuse.cli.demo import CLIP
        >>> timeline = emofuse.analyze(CLIP)
        >>> emofuse.agree(timeline, timeline).agreement
        1.0
    """
    accounts = [account_of(one) if isinstance(one, Timeline) else read_account(one, tier) for one in (first, second)]
    return compare_accounts(accounts[0], accounts[1], step_s)


def read_account(path: str | os.PathLike[str], tier: str | None = None) -> Account:
    """Read what a recording shows from a timeline's JSON, or from a person's ELAN or CSV annotation.

    Args:
        path: .json, .eaf or .csv. A CSV has columns for the start, the end and the label of each stretch, or for the
            time and the label of moments; and, where it has one, for the valence, from -1 to 1.
        tier: Of an ELAN file; by default the only one whose every annotation is the name of an emotion.

    Returns:
        The account.

    Raises:
        UsageError: It cannot be read, or there is no such tier.
    """
    file = Path(path)
    readers: dict[str, Callable[[bytes], Account]] = {
        ".eaf": lambda data: _read_eaf(data, file.name, tier),
        ".csv": lambda data: _read_csv(data, file.name),
    }
    if file.suffix.lower() == ".json":
        return account_of(Timeline.load(file))
    reader = readers.get(file.suffix.lower())
    if reader is None:
        raise UsageError(f"{file} is not an annotation that is read", "give .json of emofuse, .eaf of ELAN or .csv")
    try:
        return reader(read_bytes(file, _MOST_MB))
    except UsageError:
        raise
    except (OSError, ValueError, LookupError, ET.ParseError, csv.Error) as error:
        raise UsageError(f"cannot read {file}: {one_line(error)}") from None


def account_of(timeline: Timeline) -> Account:
    """Return what a timeline shows: its segments, and the valence that is derived from it."""
    stretches = tuple((s.start_s, s.end_s, s.label) for s in timeline.segments())
    valence = tuple((affect.time_s, affect.valence) for affect in timeline.affect)
    return Account(timeline.source.path, stretches, valence)


def compare_accounts(first: Account, second: Account, step_s: float = STEP_S) -> Agreement:
    """Compare two accounts of one recording, at times that are step_s apart.

    Labels are compared by their meaning: "joy" and "happiness" are "happy".

    Raises UsageError for a step that is none.
    """
    if not (math.isfinite(step_s) and step_s > 0):
        raise UsageError(f"step_s: {step_s} s is not a step", "give one above 0, such as 0.1")
    end_s = max((end for account in (first, second) for _, end, _ in account.stretches), default=0.0)
    n_steps = math.ceil(end_s / step_s - 1e-9)
    if n_steps > _MOST_STEPS:
        raise UsageError(f"step_s: {step_s} s is too small for {end_s:.0f} s", "give a larger one")
    times = (np.arange(n_steps, dtype=np.float64) + 0.5) * step_s
    meanings = [[_meaning(label) for _, _, label in account.stretches] for account in (first, second)]
    labels = tuple(dict.fromkeys(label for account in meanings for label in account))
    codes = [[labels.index(meaning) for meaning in account] for account in meanings]
    a, b = _at(times, first.stretches, codes[0]), _at(times, second.stretches, codes[1])
    both = (a >= 0) & (b >= 0)
    counts = np.zeros((len(labels), len(labels)))
    np.add.at(counts, (a[both], b[both]), 1.0)
    agreement, kappa = _kappa(counts)
    only = (float(((a >= 0) & (b < 0)).sum()), float(((a < 0) & (b >= 0)).sum()))
    return Agreement(
        round(float(both.sum()) * step_s, 3),
        (round(only[0] * step_s, 3), round(only[1] * step_s, 3)),
        labels,
        tuple(tuple(round(float(n) * step_s, 3) for n in row) for row in counts),
        agreement,
        kappa,
        _concordance(first.valence, second.valence, step_s),
    )


def _kappa(counts: NDArray[np.float64]) -> tuple[float | None, float | None]:
    """Return the share of a table that is on its diagonal, and how far that is beyond chance."""
    total = counts.sum()
    if total == 0:
        return None, None
    observed = float(np.trace(counts) / total)
    by_chance = float(counts.sum(axis=0) @ counts.sum(axis=1) / total**2)
    kappa = None if by_chance > 1 - 1e-12 else round((observed - by_chance) / (1 - by_chance), 4)
    return round(observed, 4), kappa


def _concordance(
    first: Sequence[tuple[float, float]], second: Sequence[tuple[float, float]], step_s: float
) -> float | None:
    """Return Lin's concordance of two courses over the time that both have."""
    if not first or not second:
        return None
    start_s, end_s = max(first[0][0], second[0][0]), min(first[-1][0], second[-1][0])
    times = np.arange(start_s, end_s + step_s / 2, step_s)
    if len(times) < 2:
        return None
    found = concordance(_course_at(times, first), _course_at(times, second))
    return None if found is None else round(found, 4)


def concordance(x: NDArray[np.float64], y: NDArray[np.float64]) -> float | None:
    """Return Lin's concordance correlation (doi:10.2307/2532051) of two ratings, (N,) each; None of one same constant.

    Example:
        >>> round(concordance(np.array([0.0, 1.0]), np.array([0.0, 0.5])), 3)
        0.667
    """
    spread = x.var() + y.var() + (x.mean() - y.mean()) ** 2
    return float(2 * ((x - x.mean()) * (y - y.mean())).mean() / spread) if spread else None


def _course_at(times: NDArray[np.float64], course: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    stamps, values = (np.array(column) for column in zip(*course, strict=True))
    return np.asarray(values[np.searchsorted(stamps, times - 1e-9).clip(max=len(values) - 1)])


def _at(
    times: NDArray[np.float64], stretches: Sequence[tuple[float, float, str]], codes: Sequence[int]
) -> NDArray[np.int64]:
    """Return the label's number at each time, -1 where there is none."""
    found = np.full(len(times), -1, np.int64)
    for (start_s, end_s, _), code in zip(stretches, codes, strict=True):
        found[np.searchsorted(times, start_s) : np.searchsorted(times, end_s)] = code
    return found


def _meaning(label: str) -> str:
    plain = label.strip().lower()
    return next((meaning for meaning, spellings in SPELLINGS.items() if plain in spellings), plain)


def _read_eaf(data: bytes, name: str, tier: str | None) -> Account:
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise UsageError(f"{name} defines entities of its own, which no ELAN document does")
    root = ET.fromstring(data)
    slots = {slot.attrib["TIME_SLOT_ID"]: slot.get("TIME_VALUE") for slot in root.iter("TIME_SLOT")}
    tiers: dict[str, list[tuple[float, float, str]]] = {}
    for element in root.iter("TIER"):
        found = []
        for one in element.iter("ALIGNABLE_ANNOTATION"):
            start, end = slots.get(one.attrib["TIME_SLOT_REF1"]), slots.get(one.attrib["TIME_SLOT_REF2"])
            value = (one.findtext("ANNOTATION_VALUE") or "").strip()
            if start is not None and end is not None and value:
                found.append((int(start) / 1000, int(end) / 1000, value))
        tiers[element.attrib["TIER_ID"]] = sorted(found)
    fitting = [key for key, found in tiers.items() if found and all(_is_emotion(label) for _, _, label in found)]
    chosen = tier if tier is not None else (fitting[0] if len(fitting) == 1 else None)
    if chosen is None or chosen not in tiers:
        problem = (
            f"has no tier {shown(tier)}" if tier is not None else f"has {pluralise(len(fitting), 'tier')} of emotions"
        )
        raise UsageError(f"{name} {problem}", f"choose a tier: {', '.join(tiers) or 'it has none'}")
    return Account(f"{name}, {chosen}", tuple(tiers[chosen]))


def _is_emotion(label: str) -> bool:
    return _meaning(label) in SPELLINGS


def _read_csv(data: bytes, name: str) -> Account:
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    columns = list(rows[0]) if rows else []
    start, end = (next((c for c in names if c in columns), None) for names in (_STARTS, _ENDS))
    label, time = next((c for c in _LABELS if c in columns), None), "time_s" if "time_s" in columns else None
    if label is None or not ((start and end) or time):
        hint = "columns start_s, end_s and label, or time_s and label; valence where there is one"
        raise UsageError(f"{name} has no such columns: {', '.join(columns) or 'it is empty'}", hint)
    stretches: list[tuple[float, float, str]] = []
    valence: list[tuple[float, float]] = []
    before_s = 0.0
    for row in rows:
        start_s, end_s = (float(row[start]), float(row[end])) if start and end else (before_s, float(row[str(time)]))
        if not (math.isfinite(start_s) and end_s >= start_s):
            raise UsageError(f"{name}: the interval from {start_s} to {end_s} s is not valid", "times rise, in seconds")
        if row[label]:
            stretches.append((start_s, end_s, unescape_cell(row[label])))
        if row.get("valence"):
            valence.append((end_s, float(row["valence"])))
        before_s = end_s
    return Account(name, tuple(stretches), tuple(valence))

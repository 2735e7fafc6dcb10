"""The answer for a whole recording in a line: the same word and the same number in everything that is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from emofuse.types import UNCERTAIN, CertaintyWord, Json, Scores, in_order

LONG_S: Final = 60.0  # of a longer recording, the share of time tells more than a mean over all of it
SHARE: Final = "share of time"
MEAN: Final = "mean over the recording"


@dataclass(frozen=True, slots=True)
class Headline:
    """What a recording shows as a whole.

    Attributes:
        label: The emotion.
        value: How much of it, 0 to 1.
        basis: What `value` is: SHARE, of the time in which something was read, or MEAN, of the probability.
        certainty: How reliable it is, as a word; None if the bundle is not calibrated for it.
        agreement: The answers of the modalities, in a sentence.
        abstains: Whether the answer is too likely to be wrong to be given.

    Example:
        >>> Headline("happy", 0.62, SHARE, "likely", "Face and voice agree.").text
        'happy, likely: 62 % share of time'
    """

    label: str
    value: float
    basis: str
    certainty: CertaintyWord | None
    agreement: str
    abstains: bool = False

    @property
    def title(self) -> str:
        """The word, and how sure it is: "happy, likely", or "happy, uncertain" where it should not be relied on."""
        if self.abstains:
            return f"{self.label}, {UNCERTAIN}"
        return self.label if self.certainty is None else f"{self.label}, {self.certainty}"

    @property
    def number(self) -> str:
        """The number with its name: "62 % share of time"."""
        return f"{100 * self.value:.0f} % {self.basis}"

    @property
    def text(self) -> str:
        """The headline in a line: "happy, likely: 62 % share of time"."""
        return f"{self.title}: {self.number}"

    def to_json(self) -> Json:
        """Return the headline as JSON documents contain it.

        Returns:
            The attributes by name, and `text`.

        Example:
            >>> Headline("sad", 0.5, MEAN, None, "From the face alone.").to_json()["text"]
            'sad: 50 % mean over the recording'
        """
        return {
            "label": self.label,
            "value": round(self.value, 4),
            "basis": self.basis,
            "certainty": self.certainty,
            "agreement": self.agreement,
            "text": self.text,
        }


def make_headline(
    fused: Scores | None,
    by_modality: Mapping[str, Scores | None],
    shares: Mapping[str, float],
    duration_s: float | None,
) -> Headline | None:
    """Sum a recording up.

    Args:
        fused: The fused answer over all of it.
        by_modality: What each modality gave over all of it.
        shares: Seconds by label, the longest first.
        duration_s: Of the recording; None where it is not known.

    Returns:
        The headline; None where nothing was read.
    """
    if fused is None:
        return None
    rounded = fused.as_dict()  # as a document has it, so that one that is read back says the same
    label = max(rounded, key=lambda one: rounded[one])
    value, basis = rounded[label], MEAN
    length_s = sum(shares.values())
    if shares and (duration_s if duration_s is not None else length_s) > LONG_S:
        label, seconds = next(iter(shares.items()))
        value, basis = seconds / length_s, SHARE
    # what is known of the mean's certainty is known of its label alone
    certainty = fused.certainty if fused.label == label else None
    given = ((modality, by_modality[modality]) for modality in in_order(by_modality))
    found = {modality: scores.label for modality, scores in given if scores is not None}
    word, abstains = (None, False) if certainty is None else (certainty.word, certainty.abstains)
    return Headline(label, value, basis, word, _agreement(found, label), abstains)


def _agreement(found: Mapping[str, str], label: str) -> str:
    """Say what the modalities gave: that they agree, or each with its own word."""
    names = list(found)
    if not names:
        return ""
    if len(names) == 1:
        return f"From the {names[0]} alone."
    if set(found.values()) == {label}:
        return f"{', '.join(names[:-1])} and {names[-1]} agree.".capitalize()
    each = ", ".join(f"{modality} {own}" for modality, own in found.items())
    return f"{each[0].upper()}{each[1:]}: together {label}."

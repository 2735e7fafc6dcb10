"""Adaptation to a person: what a network predicts for them on average is taken out of each prediction."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

HALFWAY: Final = 10.0  # utterances known at which half of their mean is taken out
_LEAST: Final = 1e-6  # probability: a label that was ruled out once must not decide the mean


class PersonBaseline:
    """The mean log-probabilities of one person in one modality, and predictions corrected by it.

    A person who always sounds a little angry gets less anger than the network predicts. Of n utterances known, the mean
    counts for n / (n + halfway), so that little evidence changes little: if the utterance that is corrected is the only
    one known, its label stays.

    Without a reference, what is known must be of several emotions (an interview, many clips): of recordings in one
    mood the mood itself would be taken away. With one, it must be what the reference is of, as neutral recordings of
    the person are: then only how they differ from the reference is taken out.

    Example:
        >>> import numpy as np
        >>> person = PersonBaseline(n_labels=2)
        >>> person.add(np.array([[0.9, 0.1], [0.8, 0.2], [0.9, 0.1]] * 10))
        >>> print(person.correct(np.array([0.6, 0.4])).round(2))
        [0.26 0.74]
    """

    def __init__(self, n_labels: int, reference: NDArray[np.floating] | None = None, halfway: float = HALFWAY) -> None:
        """Begin with nothing known.

        Args:
            n_labels: C.
            reference: (C,) mean log-probabilities of other people's utterances of the kind that will be added; None:
                every label alike.
            halfway: How many utterances, above 0, must be known for half of their mean to be taken out.

        Raises:
            ValueError: for a reference of another shape, or a halfway that is not above 0.
        """
        if reference is not None and reference.shape != (n_labels,):
            raise ValueError(f"a reference for {n_labels} labels is ({n_labels},), not {reference.shape}")
        if not halfway > 0:
            raise ValueError(f"halfway must be above 0 utterances, not {halfway}")
        self.n_labels = n_labels
        self.n_known = 0.0
        self._reference = np.zeros(n_labels) if reference is None else reference.astype(np.float64)
        self.halfway = halfway
        self._sum = np.zeros(n_labels)

    def add(self, probabilities: NDArray[np.floating], weight: float = 1.0) -> None:
        """Learn from predictions that were not corrected.

        Args:
            probabilities: (C,) of one utterance, or (N, C) of several.
            weight: Utterances that each counts as: windows of one utterance count 1 together.

        Raises:
            ValueError: for another number of labels, or a negative weight.
        """
        if weight < 0:
            raise ValueError(f"a weight is 0 or more, not {weight}")
        rows = np.atleast_2d(self._logs(probabilities))
        self._sum += weight * rows.sum(axis=0)
        self.n_known += weight * len(rows)

    def correct(self, probabilities: NDArray[np.floating]) -> NDArray[np.float32]:
        """Take the person's mean out of predictions.

        Args:
            probabilities: (C,) or (N, C), which may be among those that were added.

        Returns:
            The same shape, float32, each row adding up to 1; what came in, where nothing is known.

        Raises:
            ValueError: for another number of labels.
        """
        logs = self._logs(probabilities)
        if self.n_known == 0:
            return probabilities.astype(np.float32)
        share = self.n_known / (self.n_known + self.halfway)
        logs = logs - share * (self._sum / self.n_known - self._reference)
        powers = np.exp(logs - logs.max(axis=-1, keepdims=True))
        corrected: NDArray[np.float32] = (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)
        return corrected

    def to_json(self) -> dict[str, Any]:
        """Return all that corrections depend on, as JSON can hold it."""
        return {
            "n_known": self.n_known,
            "sum": self._sum.tolist(),
            "reference": self._reference.tolist(),
            "halfway": self.halfway,
        }

    def _logs(self, probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
        if probabilities.ndim not in (1, 2) or probabilities.shape[-1] != self.n_labels:
            wanted = f"({self.n_labels},) or (N, {self.n_labels})"
            raise ValueError(f"predictions are {wanted}, not {probabilities.shape}")
        logs: NDArray[np.float64] = np.log(np.maximum(probabilities, _LEAST), dtype=np.float64)
        return logs

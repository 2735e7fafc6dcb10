"""What `--help` puts options together under, in every command that has them; the others stand first, as "Options"."""

from __future__ import annotations

from typing import Final

INPUT: Final = "Input"
WORDS: Final = "Words"
ANSWERS: Final = "Answers"
MODELS: Final = "Models"
FACES: Final = "Faces"
PERSON: Final = "Adapt to a person"
FILM: Final = "Annotated film"
REPORT: Final = "Report and data"
SPEED: Final = "Speed"
BATCH: Final = "Many recordings"
LIMITS: Final = "Limits"

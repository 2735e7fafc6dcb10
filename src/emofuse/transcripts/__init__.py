"""What was said and when: transcripts read from files, fitted to a recording, and cut into sentences."""

from emofuse.transcripts.reading import SUFFIXES, read_transcript, subtitle_transcript
from emofuse.transcripts.transcript import Transcript

__all__ = ["SUFFIXES", "Transcript", "read_transcript", "subtitle_transcript"]

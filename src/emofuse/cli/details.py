"""`--verbose`: what is loaded, each model with the hash of its file, and how long the steps took."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.markup import escape

from emofuse.cli.console import ERR
from emofuse.inference.analyzer import Analyzer, AnalyzerSettings
from emofuse.inference.bundle import Bundle
from emofuse.provenance import ModelFile, TranscriptOrigin, with_hash
from emofuse.recordings.one import Outcome

VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Also print the models that are loaded, with their hashes.")
]


class Details:
    """Prints to standard error what a command does, each model once.

    Args:
        is_wanted: Whether anything is printed.
    """

    def __init__(self, is_wanted: bool) -> None:
        self._is_wanted = is_wanted
        self._printed: set[ModelFile] = set()
        self._began_s = time.monotonic()

    def print_loaded(self, bundle: Bundle, settings: AnalyzerSettings) -> None:
        """Print which bundle is used, and the detectors that are used beside its networks."""
        if not self._is_wanted:
            return
        models = Analyzer(bundle, settings=settings).models()
        spent_s = time.monotonic() - self._began_s
        manifest = bundle.manifest
        self._print(f"bundle {manifest.name} {manifest.version} on {bundle.device}, loaded in {spent_s:.2f} s")
        self._print_models(models)

    def print_recognizer(self, origin: TranscriptOrigin) -> None:
        """Print what recognises speech."""
        if self._is_wanted:
            self._print(f"  speech recogniser: {with_hash(origin.name, origin.sha256)}")

    def print_done(self, outcome: Outcome) -> None:
        """Print what was loaded for a recording alone, and how long each step of the work on it took."""
        if not self._is_wanted:
            return
        provenance = None if outcome.digest is None else outcome.digest.provenance
        if provenance is not None:
            self._print_models(provenance.models)
            for what, value in provenance.entries():
                if what == "transcript":
                    self._print(f"{outcome.source.name}: {what}: {value}")
        if outcome.steps:
            steps = ", ".join(f"{step} {spent_s:.2f} s" for step, spent_s in outcome.steps)
            whole_s = sum(spent_s for _, spent_s in outcome.steps)
            self._print(f"{outcome.source.name}: {steps}; {whole_s:.2f} s in all")

    def _print_models(self, models: tuple[ModelFile, ...]) -> None:
        for model in models:
            if model not in self._printed:
                self._printed.add(model)
                self._print(f"  {model.role}: {with_hash(model.name, model.sha256)}")

    def _print(self, line: str) -> None:
        ERR.print(f"[dim]{escape(line)}[/dim]")

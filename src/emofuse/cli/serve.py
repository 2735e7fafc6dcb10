"""`emofuse serve`: the web service and its page. It needs the extra [serve]."""

from __future__ import annotations

import logging
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.markup import escape

from emofuse.assets import cache_folder
from emofuse.cli.answer_options import DEFAULTS, CoverageOption, PriorOption, RiskOption, answer_settings, check_answers
from emofuse.cli.console import ERR, OUT
from emofuse.cli.details import Details, VerboseOption
from emofuse.cli.model_options import BundleOption, PermissiveOption, check_allowed
from emofuse.cli.panels import FACES, LIMITS, WORDS
from emofuse.errors import UsageError
from emofuse.inference.asr import MODEL, load_recognizer

_NEEDED: Final = ("fastapi", "uvicorn", "python_multipart", "prometheus_client", "websockets")


def serve(
    host: Annotated[
        str, typer.Option(help="The address to listen on; any other than this machine requires a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8000,
    folder: Annotated[
        Path | None, typer.Option(help="The folder of the queue and the results; default: in the cache.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Recordings to analyse at once.")] = 1,
    origin: Annotated[list[str] | None, typer.Option(help="Another site whose pages may use the service.")] = None,
    bundle: BundleOption = "base",
    permissive_only: PermissiveOption = False,
    asr_model: Annotated[
        str,
        typer.Option(help="The model for speech recognition: Whisper's size, or a folder.", rich_help_panel=WORDS),
    ] = MODEL,
    live_asr: Annotated[
        bool,
        typer.Option(
            "--live-asr", help="Allow live clients to have their speech recognised (extra: asr).", rich_help_panel=WORDS
        ),
    ] = False,
    max_upload_mb: Annotated[float, typer.Option(min=1, help="Of one recording.", rich_help_panel=LIMITS)] = 500,
    max_duration_s: Annotated[float, typer.Option(min=1, help="Of one recording.", rich_help_panel=LIMITS)] = 3600,
    max_queue: Annotated[
        int,
        typer.Option(
            min=1, help="Recordings that may wait; further ones are refused with 429.", rich_help_panel=LIMITS
        ),
    ] = 64,
    max_live: Annotated[int, typer.Option(min=0, help="Live clients at once.", rich_help_panel=LIMITS)] = 2,
    job_timeout_s: Annotated[float, typer.Option(min=1, help="For one recording.", rich_help_panel=LIMITS)] = 3600,
    job_memory_mb: Annotated[float, typer.Option(min=700, help="For one recording.", rich_help_panel=LIMITS)] = 3000,
    keep_s: Annotated[float, typer.Option(min=1, help="How long results are kept.", rich_help_panel=LIMITS)] = 3600,
    risk: RiskOption = DEFAULTS.risk,
    coverage: CoverageOption = None,
    prior: PriorOption = "flat",
    measure_faces: Annotated[
        bool,
        typer.Option(
            "--measure-faces",
            help="Allow clients to request measurements of faces (extra: landmarks).",
            rich_help_panel=FACES,
        ),
    ] = False,
    verbose: VerboseOption = False,
) -> None:
    """Serve the page, a REST interface and a live WebSocket, by default on this machine only.

    The token is read from the environment variable EMOFUSE_TOKEN, so that it does not appear in process lists.

    Examples:

        emofuse serve                                  http://127.0.0.1:8000
        EMOFUSE_TOKEN=$(openssl rand -hex 24) emofuse serve --host 0.0.0.0
        emofuse serve --workers 4 --max-upload-mb 2000 --keep-s 86400
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise UsageError(f"{', '.join(missing)} is not installed", "pip install 'emofuse[serve]'")
    from emofuse.inference.bundle import load_bundle
    from emofuse.inference.landmarker import FaceLandmarker
    from emofuse.service.app import open_store
    from emofuse.service.server import run
    from emofuse.service.settings import ServiceSettings

    settings = ServiceSettings(
        host=host,
        port=port,
        token=_token(),
        origins=tuple(origin or ()),
        folder=folder or cache_folder() / "service",
        bundle=bundle,
        asr_model=asr_model,
        workers=workers,
        max_upload_mb=max_upload_mb,
        max_duration_s=max_duration_s,
        max_queue=max_queue,
        max_live=max_live,
        job_timeout_s=job_timeout_s,
        job_memory_mb=job_memory_mb,
        keep_s=keep_s,
        measure_faces=measure_faces,
        live_asr=live_asr,
        **answer_settings(risk, coverage, prior),
    )
    settings.check()
    details = Details(verbose)
    loaded = load_bundle(bundle)  # what is wrong is said now, not by every job
    details.print_loaded(loaded, settings.analyzer())
    check_allowed(loaded, permissive_only)
    check_answers(loaded, settings.analyzer())
    if measure_faces:
        FaceLandmarker()  # fetched now, not by a job
    if live_asr:
        # what is wrong with it is shown now, and no client waits for it
        details.print_recognizer(load_recognizer(asr_model, is_live=True).origin)
    open_store(settings.folder).close()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    run(settings, lambda url: OUT.print(f"emofuse listens on [bold]{escape(url)}[/bold]; Ctrl-C ends it"))
    ERR.print("the service has ended; what was waiting or running goes on when it is started again")


def _token() -> str | None:
    """Return the token that is set, None where none is. Raises UsageError for one that will not do, not showing it."""
    from emofuse.service.settings import is_fit_token

    token = os.environ.get("EMOFUSE_TOKEN") or None
    if token is not None and not is_fit_token(token):
        raise UsageError(
            "EMOFUSE_TOKEN is not a token",
            "16 to 500 printable ASCII characters and no space, such as `openssl rand -hex 24` prints",
        )
    return token

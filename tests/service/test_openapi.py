"""The OpenAPI document says what the service does: schemathesis asks it everything that the document allows, and not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed: pip install '.[dev]'")

from schemathesis.config import SchemathesisConfig

from emofuse.service import process
from emofuse.service.app import create_app
from emofuse.service.settings import ServiceSettings
from harness import STAND_IN, in_thread, recording
from run_service import until

TOKEN = "a-token-of-some-length"
AUTHORISED = {"authorization": f"Bearer {TOKEN}"}
# A body of any bytes is allowed by the document, and few of them are a recording.
CONFIG = {
    "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", 400, 404, 409, 413, 415, 429]}},
    "phases": {"coverage": {"enabled": True}},
}
plainly = hypothesis.settings(
    max_examples=15, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "COMMAND", STAND_IN)
        folder = tmp_path_factory.mktemp("openapi")
        with in_thread(ServiceSettings(folder=folder, token=TOKEN, max_upload_mb=0.5, max_queue=20)) as found:
            yield found


@pytest.fixture(scope="module")
def done(url: str) -> str:
    """Return the id of an analysis that is done."""
    with httpx.Client(base_url=url, headers=AUTHORISED) as client:
        job_id = str(client.post("/v1/analyses", content=recording()).json()["id"])
        until(lambda: client.get(f"/v1/analyses/{job_id}").json()["state"] == "done", 30, "it is not done")
    return job_id


# of the application alone: nothing runs until a test asks for `url`
document = create_app(ServiceSettings(folder=Path("unused"), token=TOKEN)).openapi()
api = schemathesis.openapi.from_dict(document, config=SchemathesisConfig.from_dict(CONFIG))


@api.parametrize()
@plainly
def test_every_operation_is_as_documented(case: Any, url: str) -> None:
    case.call_and_validate(base_url=url, headers=AUTHORISED)


@api.include(path_regex="analysis_id", method="GET").parametrize()
@plainly
def test_what_is_done_is_as_documented(case: Any, url: str, done: str) -> None:
    if "analysis_id" in case.path_parameters:
        case.path_parameters["analysis_id"] = done
    case.call_and_validate(base_url=url, headers=AUTHORISED)

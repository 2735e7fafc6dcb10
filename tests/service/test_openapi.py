"""The OpenAPI document says what the service does: schemathesis asks everything that it allows, and does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig

from emofuse.service import process
from emofuse.service.app import create_app
from emofuse.service.settings import ServiceSettings
from run_service import until
from service_harness import STAND_IN, in_thread, recording

TOKEN = "a-token-of-some-length"
AUTHORISED = {"authorization": f"Bearer {TOKEN}"}
# A body of any bytes is allowed by the document, and few of them are a recording.
CONFIG = {
    "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", 400, 404, 409, 413, 415, 429]}},
    "auth": {"openapi": {"token": {"bearer": TOKEN}}},
}
plainly = hypothesis.settings(
    max_examples=15, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "COMMAND", STAND_IN)
        folder = tmp_path_factory.mktemp("openapi")
        with in_thread(
            ServiceSettings(folder=folder, token=TOKEN, max_upload_mb=0.5, max_queue=20, measure_faces=True)
        ) as found:
            yield found


@pytest.fixture(scope="module")
def done(url: str) -> str:
    """Return the id of an analysis that is done."""
    with httpx.Client(base_url=url, headers=AUTHORISED) as client:
        job_id = str(client.post("/v1/analyses", content=recording()).json()["id"])
        until(lambda: client.get(f"/v1/analyses/{job_id}").json()["state"] == "done", 30, "it is not done")
    return job_id


# of the application alone: nothing runs until a test asks for `url`
document = create_app(ServiceSettings(folder=Path("unused"), token=TOKEN, measure_faces=True)).openapi()
api = schemathesis.openapi.from_dict(document, config=SchemathesisConfig.from_dict(CONFIG))


@api.parametrize()
@plainly
def test_every_operation_is_as_documented(case: Any, url: str) -> None:
    case.call_and_validate(base_url=url)


@api.include(path_regex="analysis_id", method="GET").parametrize()
@plainly
def test_what_is_done_is_as_documented(case: Any, url: str, done: str) -> None:
    if "analysis_id" in case.path_parameters:
        case.path_parameters["analysis_id"] = done
    case.call_and_validate(base_url=url)


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def test_the_document_names_every_operation_who_may_ask_and_how_it_can_fail() -> None:
    found = dict(operations())
    assert set(found) == {
        "post /v1/analyses",
        "get /v1/analyses/{analysis_id}",
        "delete /v1/analyses/{analysis_id}",
        "get /v1/analyses/{analysis_id}/results/{kind}",
        "get /v1/analyses/{analysis_id}/archive",
        "post /v1/analyses/{analysis_id}/people",
        "get /v1/health",
        "get /v1/metrics",
    }
    for name, operation in found.items():
        assert operation["summary"] and operation["description"], name
        assert operation["security"] == ([{}] if name == "get /v1/health" else [{"token": []}])
        assert {"401", "403", "421", "503"} <= set(operation["responses"]), name
    assert {"400", "408", "413", "415", "422", "429", "507"} <= set(found["post /v1/analyses"]["responses"])


def test_every_refusal_and_body_has_an_example() -> None:
    schemas = document["components"]["schemas"]
    assert all(schemas[name]["examples"] for name in ("Analysis", "Health"))
    for name, operation in operations():
        for status, answer in operation["responses"].items():
            if int(status) < 400:
                continue
            examples = answer["content"]["application/json"]["examples"]
            for code, example in examples.items():
                assert example["value"]["error"]["code"] == code and example["value"]["error"]["message"], name


def test_without_a_token_nothing_is_said_to_need_one() -> None:
    plain = create_app(ServiceSettings(folder=Path("unused"))).openapi()
    assert all(operation["security"] == [{}] for methods in plain["paths"].values() for operation in methods.values())

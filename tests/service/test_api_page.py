"""The page about the REST interface."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from emofuse.service.api_page import api_page
from emofuse.service.app import create_app
from emofuse.service.settings import ServiceSettings
from service_harness import Client

TOKEN = "a-token-of-some-length"


def test_the_page_tells_of_every_operation(tmp_path: Path) -> None:
    document = create_app(ServiceSettings(folder=tmp_path, token=TOKEN)).openapi()
    page = api_page(document, "http://127.0.0.1:8000")
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert f"<code>{method.upper()} {path}</code>" in page
            assert f'id="{operation["operationId"]}"' in page and f'href="#{operation["operationId"]}"' in page
            for parameter in operation.get("parameters", ()):
                assert f"<code>{parameter['name']}</code>" in page
            for answer in operation["responses"].values():
                for code in answer.get("content", {}).get("application/json", {}).get("examples", {}):
                    assert f"<code>{code}</code>" in page
    assert "curl -H &quot;authorization: Bearer TOKEN&quot; -F file=@interview.mp4" in page
    assert "http://127.0.0.1:8000/v1/analyses/ID/results/json" in page
    assert re.findall(r'(?:src|href)="(?:https?:)?//', page) == [] and "<script" not in page


def test_the_example_in_python_runs(serve: Callable[..., None], tmp_path: Path) -> None:
    page = api_page(create_app(ServiceSettings(folder=tmp_path)).openapi(), "http://here")
    example = re.search(r"<code>(import time.*?)</code>", page, re.DOTALL)
    assert example is not None and "TOKEN" not in example[1]
    compile(example[1].replace("&quot;", '"').replace("&#x27;", "'"), "example", "exec")


def test_the_page_is_open_and_says_nothing_of_who_asks(serve: Callable[..., None]) -> None:
    async def story(client: Client) -> None:
        answer = await client.get("/docs")
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/html")
        assert TOKEN not in answer.text
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert (await client.head("/docs")).status_code == 200

    serve(story, token=TOKEN)

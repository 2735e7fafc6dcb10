"""Who may ask: tokens, other sites, other names, and what every answer says to browsers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emofuse.errors import UsageError
from emofuse.service import security
from emofuse.service.security import HEADERS
from emofuse.service.settings import ServiceSettings, is_fit_token, is_loopback
from service_harness import Client, recording

Serve = Callable[..., None]
Make = Callable[..., ServiceSettings]
TOKEN = "a-token-of-some-length"
SITE = "https://site.example"


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"authorization": f"Bearer {TOKEN}"}, 200),
        ({"authorization": f"bearer  {TOKEN} "}, 200),
        ({"authorization": f"Basic {TOKEN}"}, 401),
        ({"authorization": TOKEN}, 401),
        ({"authorization": f"Bearer {TOKEN[:-1]}"}, 401),
        ({"authorization": f"Bearer {TOKEN}x"}, 401),
        ({"authorization": b"Bearer \xff\xfe"}, 401),
        ({"authorization": "Bearer"}, 401),
        ({}, 401),
    ],
)
def test_a_token_opens_what_is_not_open_to_all(serve: Serve, given: dict[str, str], status: int) -> None:
    async def story(client: Client) -> None:
        for path in ("/v1/metrics", "/openapi.json"):
            answer = await client.get(path, headers=given)
            assert answer.status_code == status
            if status == 401:
                assert answer.json()["error"]["code"] == "no_token"
                assert answer.headers["www-authenticate"] == "Bearer" and TOKEN not in answer.text
        for path in ("/", "/v1/health", "/static/app.js", "/static/player/player.js"):
            assert (await client.get(path, headers=given)).status_code == 200
        sent = await client.post("/v1/analyses", content=recording(), headers=given)
        assert sent.status_code == (202 if status == 200 else 401)
        if status == 401:
            assert (await client.get("/v1/analyses/x", headers=given)).status_code == 401
            assert client.app.state.service.store.ids() == set()

    serve(story, token=TOKEN)


@pytest.mark.parametrize("token", ["short", "with a space in the middle", "x" * 501, "größer-als-sechzehn", ""])
def test_tokens_that_are_none(settings: Make, token: str) -> None:
    assert not is_fit_token(token)
    with pytest.raises(UsageError, match=r"^token: ") as caught:
        settings(token=token)
    assert not token or token not in str(caught.value)  # which may end in a log


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost", 200),
        ("LOCALHOST:1", 200),
        ("[::1]:8000", 200),
        ("127.8.9.1", 200),
        ("evil.example", 421),
        ("evil.example:8000", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example", 421),
        ("evil@127.0.0.1:8000@evil.example", 421),
        ("0.0.0.0:8000", 421),
        ("[::1", 421),
        ("]", 421),
        ("", 421),
        ("größe", 421),
    ],
)
def test_a_name_that_leads_here_is_not_ours(serve: Serve, host: str, status: int) -> None:
    """DNS rebinding: a page of evil.example asks evil.example, whose address has become 127.0.0.1."""

    async def story(client: Client) -> None:
        answer = await client.get("/v1/health", headers={"host": host.encode()})
        assert answer.status_code == status
        if status == 421:
            assert answer.json()["error"]["code"] == "wrong_host"

    serve(story)


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 202),
        ("http://127.0.0.1:8000", 202),
        ("https://127.0.0.1:8000", 202),  # a proxy's
        ("http://127.0.0.1:9000", 403),
        ("http://127.0.0.1", 403),
        ("http://evil.example", 403),
        ("null", 403),
        ("", 403),
        ("http://[", 403),
        ("file://", 403),
        (SITE, 403),
    ],
)
def test_pages_of_other_sites_are_refused(serve: Serve, origin: str | None, status: int) -> None:
    async def story(client: Client) -> None:
        headers = {} if origin is None else {"origin": origin}
        answer = await client.post("/v1/analyses", content=recording(), headers=headers)
        assert answer.status_code == status
        if status == 403:
            assert answer.json()["error"]["code"] == "foreign_origin"
        preflight = await client.options("/v1/analyses", headers={**headers, "access-control-request-method": "POST"})
        assert preflight.status_code == (403 if status == 403 else 405)
        for found in (answer, preflight):
            assert not [name for name in found.headers if name.startswith("access-control")]

    serve(story)


def test_a_site_that_is_named_may_use_the_service(serve: Serve) -> None:
    async def story(client: Client) -> None:
        ask = {"origin": SITE, "access-control-request-method": "POST"}
        preflight = await client.options("/v1/analyses", headers=ask)
        assert (preflight.status_code, preflight.content) == (204, b"")
        assert preflight.headers["access-control-allow-origin"] == SITE
        assert "POST" in preflight.headers["access-control-allow-methods"]
        assert "authorization" in preflight.headers["access-control-allow-headers"]
        assert "access-control-allow-credentials" not in preflight.headers
        answer = await client.get("/v1/health", headers={"origin": SITE})
        assert answer.headers["access-control-allow-origin"] == SITE
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
        missing = await client.get("/v1/analyses/x", headers={"origin": SITE})
        assert (missing.status_code, missing.headers["access-control-allow-origin"]) == (404, SITE)
        plain = await client.get("/v1/health")
        assert "access-control-allow-origin" not in plain.headers and plain.headers["vary"] == "origin"
        assert (await client.get("/v1/health", headers={"origin": "https://other.example"})).status_code == 403
        assert (await client.get("/v1/health", headers={"host": "site.example"})).status_code == 200  # behind a proxy

    serve(story, origins=(SITE,))


@pytest.mark.parametrize("origin", ["site.example", "https://", "ftp://a", "https://a/", "https://a/b", "*", "null"])
def test_origins_that_are_none(settings: Make, origin: str) -> None:
    with pytest.raises(UsageError, match="an origin is"):
        ServiceSettings(**{**settings().model_dump(), "origins": (origin,)})


def test_every_answer_has_the_headers_that_protect(serve: Serve) -> None:
    async def story(client: Client) -> None:
        job_id = await client.submit()
        await client.reaches(job_id, "done")
        answers = [
            await client.get("/"),
            await client.get("/static/app.js"),
            await client.get("/static/nothing"),
            await client.get("/v1/health"),
            await client.get(f"/v1/analyses/{job_id}/results/json"),
            await client.get(f"/v1/analyses/{job_id}/results/json", headers={"range": "bytes=99999-"}),
            await client.get("/v1/analyses/x"),
            await client.put("/v1/analyses"),
            await client.post("/v1/analyses?mode=x"),
            await client.get("/", headers={"host": "evil.example"}),
            await client.get("/", headers={"origin": "http://evil.example"}),
            await client.delete(f"/v1/analyses/{job_id}"),
        ]
        for answer in answers:
            assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, answer
        policy = HEADERS["content-security-policy"]
        assert "unsafe" not in policy and "http" not in policy  # nothing inline, and no other host
        assert "attachment" in answers[4].headers["content-disposition"]
        assert [a.headers.get("cache-control") for a in answers[:2]] == ["no-store", None]

    serve(story)


def test_too_many_requests_at_once_are_told_so(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "MOST_REQUESTS", 0)

    async def story(client: Client) -> None:
        answer = await client.get("/v1/health")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "busy")
        assert int(answer.headers["retry-after"]) >= 5

    serve(story)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "service.example", ""])
def test_no_address_that_others_reach_without_a_token(settings: Make, host: str) -> None:
    with pytest.raises(UsageError, match="there is no token"):
        settings(host=host).check()
    settings(host=host, token=TOKEN).check()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.1.2.3"])
def test_this_machine_needs_no_token(settings: Make, host: str) -> None:
    settings(host=host).check()
    assert is_loopback(host)


def test_a_token_is_not_shown_by_mistake(settings: Make) -> None:
    assert TOKEN not in repr(settings(token=TOKEN))

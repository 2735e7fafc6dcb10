"""The page about the REST interface, made from the OpenAPI document: no script, and nothing from another host."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

_PYTHON: Final = """\
import time
import requests  # pip install requests

url = "{url}"
headers = {headers}
files = {{"file": open("interview.mp4", "rb"), "transcript": open("interview.srt", "rb")}}
sent = requests.post(f"{{url}}/v1/analyses", files=files, data={{"mode": "queue"}}, headers=headers)
sent.raise_for_status()
job = sent.json()
while job["state"] not in ("done", "failed"):
    time.sleep(1)
    job = requests.get(f"{{url}}/v1/analyses/{{job['id']}}", headers=headers).json()
if job["state"] == "failed":
    raise SystemExit(job["error"]["message"])
timeline = requests.get(f"{{url}}{{job['results']['json']}}", headers=headers).json()
print(timeline["summary"]["headline"]["text"])
requests.delete(f"{{url}}/v1/analyses/{{job['id']}}", headers=headers)
"""
_ID: Final = "ID"


def api_page(document: Mapping[str, Any], url: str) -> str:
    """Return the page as HTML.

    Args:
        document: As OpenAPI has it.
        url: Of the service, as the reader reaches it.
    """
    needs_token = any("token" in need for operation in _operations(document) for need in operation[2]["security"])
    named = [(f"{method} {path}", method, path, operation) for path, method, operation in _operations(document)]
    contents = "".join(
        f'<li><a href="#{operation["operationId"]}"><code>{escape(name)}</code></a> {escape(operation["summary"])}</li>'
        for name, _, _, operation in named
    )
    headers = '{"authorization": "Bearer TOKEN"}' if needs_token else "{}"
    python = _PYTHON.format(url=url, headers=headers)
    sections = "".join(_section(document, url, needs_token, *each) for each in named)
    with_token = " (with the token)" if needs_token else ""
    title = f"{document['info']['title']} {document['info']['version']}: REST interface"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n"
        '<link rel="icon" href="static/icon.svg" type="image/svg+xml">\n'
        '<link rel="stylesheet" href="static/player/page.css">\n<link rel="stylesheet" href="static/app.css">\n'
        "</head>\n<body>\n"
        '<header><h1><img src="static/icon.svg" alt="" width="28" height="28"> '
        f'{escape(title)}</h1></header>\n<main class="api">\n'
        f"{_paragraphs(document['info']['description'])}"
        f'<p>The same as a document for programs: <a href="openapi.json">openapi.json</a>{with_token}. '
        'The page for people: <a href="./">emofuse</a>.</p>\n'
        f"<h2>In Python</h2>\n{_code(python)}<h2>Endpoints</h2>\n<ul>{contents}</ul>\n{sections}"
        "</main>\n</body>\n</html>\n"
    )


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def _section(
    document: Mapping[str, Any], url: str, needs_token: bool, name: str, method: str, path: str, operation: Any
) -> str:
    parameters = list(operation.get("parameters", ()))
    fields = {
        key: value
        for content in operation.get("requestBody", {}).get("content", {}).values()
        for key, value in content["schema"].get("properties", {}).items()
    }
    rows = [(one["name"], one["in"], one["schema"], one.get("description", "")) for one in parameters]
    in_query = {name for name, *_ in rows}
    rows += [(key, "form", own, own.get("description", "")) for key, own in fields.items() if key not in in_query]
    told = "".join(
        f"<tr><td><code>{escape(key)}</code></td><td>{escape(where)}</td><td>{escape(_kind(schema))}</td>"
        f"<td>{escape(text)}</td></tr>"
        for key, where, schema, text in rows
    )
    table = _table("Parameters", operation["summary"], ("name", "in", "type", "meaning"), told) if told else ""
    answers = "".join(
        f"<tr><td>{escape(status)}</td><td>{escape(answer['description'])}</td><td>{_codes(answer)}</td></tr>"
        for status, answer in sorted(operation["responses"].items())
    )
    example = _example(document, operation)
    return (
        f'<section id="{operation["operationId"]}"><h2>{escape(operation["summary"])}</h2>\n'
        f"<p><strong><code>{escape(name)}</code></strong></p>\n{_paragraphs(operation['description'])}"
        f"{_code(_curl(url, method, path, needs_token and operation['security'] != [{}]))}{table}"
        f"{_table('Answers', operation['summary'], ('status', 'when', 'codes'), answers)}"
        + (f"<p>An answer:</p>\n{_code(json.dumps(example, indent=2, ensure_ascii=False))}" if example else "")
        + "</section>\n"
    )


def _curl(url: str, method: str, path: str, needs_token: bool) -> str:
    """Return how to ask for it on a command line."""
    parts = ["curl"]
    if needs_token:
        parts.append('-H "authorization: Bearer TOKEN"')
    if method == "POST" and path.endswith("/analyses"):
        parts.append("-F file=@interview.mp4 -F transcript=@interview.srt -F mode=queue")
    elif method == "POST":
        parts.append('-H "content-type: application/json" -d \'{"names": {"1": "Anna"}, "merge": [[2, 3]]}\'')
    elif method != "GET":
        parts.append(f"-X {method}")
    if path.endswith(("{kind}", "/archive")):
        parts.append("-OJ")
    return " ".join([*parts, url + path.replace("{analysis_id}", _ID).replace("{kind}", "json")])


def _kind(schema: Mapping[str, Any]) -> str:
    """Return in words what a value may be."""
    options = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    said = []
    for one in options:
        if "enum" in one:
            said.append(", ".join(map(str, one["enum"])))
            continue
        low, high = one.get("minimum"), one.get("maximum")
        between = f", {low:g} to {high:g}" if low is not None and high is not None else ""
        kind = "file" if one.get("format") == "binary" else one.get("type", "")
        said.append(f"{kind}{between}")
    default = schema.get("default")
    return " or ".join(said) + (f"; {json.dumps(default)} by default" if default is not None else "")


def _codes(answer: Mapping[str, Any]) -> str:
    examples = answer.get("content", {}).get("application/json", {}).get("examples", {})
    return ", ".join(f"<code>{escape(code)}</code>" for code in examples)


def _example(document: Mapping[str, Any], operation: Any) -> Any:
    """Return the example of what it answers with; None where there is none."""
    for status, answer in operation["responses"].items():
        schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
        if status < "300" and "$ref" in schema:
            found = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
            return next(iter(found.get("examples", ())), None)
    return None


def _table(title: str, of: str, heads: tuple[str, ...], rows: str) -> str:
    """Return a table in a box that scrolls by itself where the screen is narrow."""
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{escape(title)}: {escape(of)}">'
        f"<table><caption>{title}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>\n"
    )


def _code(text: str) -> str:
    return f'<pre tabindex="0"><code>{escape(text)}</code></pre>\n'


def _paragraphs(text: str) -> str:
    """Return text with paragraphs and `code` as HTML."""
    parts = []
    for paragraph in text.split("\n\n"):
        pieces = escape(paragraph).split("`")
        marked = "".join(f"<code>{piece}</code>" if i % 2 else piece for i, piece in enumerate(pieces))
        parts.append(f"<p>{marked}</p>\n")
    return "".join(parts)

"""The API's description (OpenAPI 3.1) and a page to read it, without anything from elsewhere."""

import html
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Annotated, Any

import msgspec
from litestar import MediaType, Response, get
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from nsl.identity.model import Public

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Neo Service Layer API</title>
<style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;
padding:0 1rem}code{font:14px ui-monospace,monospace}td,th{text-align:left;padding:.2rem 1rem .2rem 0;
vertical-align:top}h2{margin-top:2.5rem;text-transform:capitalize}details{border-top:1px solid #8884;padding:.4rem 0}
summary{cursor:pointer}.method{display:inline-block;width:4.5rem;font-weight:600}.scope{opacity:.7}</style></head><body>
<h1>Neo Service Layer API</h1><p>Ask <code>POST /oauth2/token</code> for an access token and send it as
<code>Authorization: Bearer TOKEN</code>. Errors are <code>application/problem+json</code>: branch on
<code>code</code>. The machine-readable description is <a href="/openapi.json">/openapi.json</a>.</p>
"""


class Description:
    """The description and its page, made when first asked for: ``make`` takes some tenths of a second."""

    def __init__(self, make: Callable[[], dict[str, Any]]) -> None:
        self._make = make

    @cached_property
    def schema(self) -> bytes:
        """OpenAPI 3.1 as JSON."""
        return msgspec.json.encode(self._made)

    @cached_property
    def page(self) -> str:
        """The same as HTML."""
        return page(self._made)

    @cached_property
    def _made(self) -> dict[str, Any]:
        return self._make()


@get("/openapi.json", operation_id="openapi", summary="This description", include_in_schema=False)
async def openapi(
    caller: Annotated[None, Public("documentation")],
    description: NamedDependency[SkipValidation[Description]],
) -> Response[bytes]:
    return Response(description.schema, media_type=MediaType.JSON)


@get("/docs", operation_id="docs", summary="A page of it", include_in_schema=False)
async def docs(
    caller: Annotated[None, Public("documentation")],
    description: NamedDependency[SkipValidation[Description]],
) -> Response[str]:
    headers = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return Response(description.page, media_type=MediaType.HTML, headers=headers)


#: what the application mounts
HANDLERS = (openapi, docs)


def page(schema: Mapping[str, Any]) -> str:
    """The description for people: every operation with what it takes, answers and requires."""
    sections: dict[str, list[str]] = {}
    objects: Mapping[str, Any] = schema["components"]["schemas"]
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            tag = operation.get("tags", ["other"])[0]
            sections.setdefault(tag, []).append(_operation(method, path, operation, objects))
    return _PAGE + "".join(f"<h2>{_text(tag)}</h2>{''.join(rows)}" for tag, rows in sections.items()) + "</body></html>"


def _operation(method: str, path: str, operation: Mapping[str, Any], objects: Mapping[str, Any]) -> str:
    scopes = [scope for each in operation.get("security", []) for named in each.values() for scope in named]
    needs = "a token" if operation.get("security") else "nothing"
    parts = [
        f'<details><summary><span class="method">{method.upper()}</span> <code>{_text(path)}</code> ',
        f"{_text(operation.get('summary', ''))}</summary>",
        f'<p class="scope">Needs {_text(" ".join(scopes)) or needs}.</p>',
    ]
    rows = [
        (each["name"], _type(each["schema"]), each.get("description", "")) for each in operation.get("parameters", [])
    ]
    parts.append(_table("Parameters", rows))
    bodies = {"Body": operation.get("requestBody", {})}
    bodies |= {f"Answer {code}": answer for code, answer in operation["responses"].items() if code < "300"}
    parts += [
        _table(title, _fields(content["schema"], objects))
        for title, body in bodies.items()
        for content in (body.get("content") or {}).values()
    ]
    errors = [(code, answer["description"], "") for code, answer in operation["responses"].items() if code >= "400"]
    return "".join([*parts, _table("Errors", errors), "</details>"])


def _fields(schema: Mapping[str, Any], objects: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    made = objects.get(_name(schema), schema)
    required = made.get("required", [])
    return [
        (name if name in required else f"{name}?", _type(each), each.get("description", ""))
        for name, each in made.get("properties", {}).items()
    ]


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return _name(schema)
    for several in ("oneOf", "anyOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(map(_type, schema[several])))
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type") or "any")


def _name(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _table(title: str, rows: list[tuple[str, str, str]]) -> str:
    if not rows:
        return ""
    lines = "".join(
        f"<tr><td><code>{_text(first)}</code></td><td>{_text(second)}</td><td>{_text(third)}</td></tr>"
        for first, second, third in rows
    )
    return f"<table><caption>{_text(title)}</caption>{lines}</table>"


def _text(text: str) -> str:
    return html.escape(str(text))

"""The API's description and the page made of it, written from the application itself."""

import json
from pathlib import Path
from typing import Any

from nsl.http.app import description

DOCS = Path(__file__).parents[2] / "docs"
OPENAPI = DOCS / "openapi.json"
PAGE = DOCS / "reference" / "http-api.md"

_HEAD = """\
# HTTP API

Written from [openapi.json](../openapi.json) by `make golden`; a running layer serves the same at `/openapi.json`.

- Every call under `/v1` needs `Authorization: Bearer TOKEN` ([authenticate](../how-to/authenticate.md)).
- Bodies and answers are JSON; only `POST /oauth2/token` takes a form.
- Amounts are decimal text in the asset's unit, such as `"1.5"`. Bytes are lower-case hex without `0x`; EVM addresses
  and all hashes carry `0x`; Neo N3 addresses are Base58.
- Lists answer `items` and `next_cursor`; send `cursor` to read on.
- Errors are `application/problem+json` ([errors](errors.md)).
- Every answer carries `X-Request-Id`, and `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` where a limit
  applies.
"""


def schema() -> dict[str, Any]:
    """OpenAPI 3.1, as the application serves it; no service is called for it."""
    return description()


def golden() -> dict[Path, str]:
    """Each file with what belongs in it."""
    made = schema()
    return {OPENAPI: json.dumps(made, indent=1, ensure_ascii=False) + "\n", PAGE: page(made)}


def regenerate() -> None:
    for path, text in golden().items():
        path.write_text(text, encoding="utf-8")


def page(made: dict[str, Any]) -> str:
    """Endpoints by tag, then the objects that they take and answer."""
    lines = [_HEAD]
    tags: dict[str, list[str]] = {}
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            tags.setdefault(operation["tags"][0], []).append(_operation(method, path, operation))
    for tag, operations in tags.items():
        lines += [f"## {tag.capitalize()}\n", *operations]
    lines.append("## Objects\n")
    for name, each in sorted(made["components"]["schemas"].items()):
        lines += _object(name, each)
    return "\n".join(lines).rstrip() + "\n"


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    lines = [f"### {method.upper()} {path}\n", f"{operation.get('summary', '')}.\n"]
    lines.append(f"{_authority(operation)}\n")
    if operation.get("description"):
        lines.append(f"{operation['description'].strip()}\n")
    parameters = operation.get("parameters", [])
    if parameters:
        lines += ["| parameter | in | type | required | meaning |", "|---|---|---|---|---|"]
        for each in parameters:
            required = "yes" if each.get("required") else "no"
            meaning = _cell(each.get("description", ""))
            lines.append(f"| `{each['name']}` | {each['in']} | {_type(each['schema'])} | {required} | {meaning} |")
        lines.append("")
    if body := operation.get("requestBody"):
        lines.append(f"Body: {_content(body)}\n")
    for status, answer in sorted(operation["responses"].items()):
        if status < "400":  # errors are alike everywhere, and have a page of their own
            lines.append(f"Answer {status}: {_content(answer) or _cell(answer.get('description', ''))}\n")
    return "\n".join(lines)


def _authority(operation: dict[str, Any]) -> str:
    """Who may call, as the endpoint's signature states it."""
    required = operation.get("security")
    if not required:
        return "Scope: none, and no token."
    scopes = [scope for each in required for found in each.values() for scope in found]
    return "Scope: " + (", ".join(f"`{scope}`" for scope in scopes) or "any valid token") + "."


def _content(part: dict[str, Any]) -> str:
    return " or ".join(f"{_type(each.get('schema', {}))} (`{kind}`)" for kind, each in part.get("content", {}).items())


def _object(name: str, made: dict[str, Any]) -> list[str]:
    lines = [f"### {name}\n"]
    if made.get("description"):
        lines.append(f"{_prose(made['description'])}\n")
    if "properties" not in made:
        return [*lines, f"{_type(made)}\n"]
    required = set(made.get("required", []))
    lines += ["| field | type | required | meaning |", "|---|---|---|---|"]
    for field, each in made["properties"].items():
        need = "yes" if field in required else "no"
        lines.append(f"| `{field}` | {_type(each)} | {need} | {_cell(each.get('description', ''))} |")
    return [*lines, ""]


def _type(made: dict[str, Any]) -> str:
    """A schema in a table's cell."""
    if reference := made.get("$ref"):
        name = reference.rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for several in ("oneOf", "anyOf"):
        if several in made:
            return " or ".join(dict.fromkeys(map(_type, made[several])))
    if "enum" in made:
        return ", ".join(f"`{value}`" for value in made["enum"])
    if "const" in made:
        return f"`{made['const']}`"
    kind = made.get("type", "any")
    if isinstance(kind, list):
        return " or ".join(kind)
    if kind == "array":
        return f"list of {_type(made.get('items', {}))}"
    name = f"{kind} ({made['format']})" if "format" in made else str(kind)
    bounds = [f"{word} {made[key]:g}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in made]
    bounds += [f"default {made['default']}"] if made.get("default") is not None else []
    return ", ".join([name, *bounds])


def _prose(text: str) -> str:
    return " ".join(text.replace("``", "`").split())


def _cell(text: str) -> str:
    return _prose(text).replace("|", "\\|")

"""The API's description (OpenAPI 3.1) and a page to read it, without anything from elsewhere."""

import html
from typing import Annotated, Any

from litestar import MediaType, Request, Response, get

from nsl.identity.model import Public

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Neo Service Layer API</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}}
code{{font:14px ui-monospace,monospace}}td,th{{text-align:left;padding:.3rem .8rem .3rem 0;vertical-align:top}}
h2{{margin-top:2rem;text-transform:capitalize}}.method{{font-weight:600}}</style></head><body>
<h1>Neo Service Layer API</h1><p>Ask <code>POST /oauth2/token</code> for an access token and send it as
<code>Authorization: Bearer TOKEN</code>. The machine-readable description is <a href="/openapi.json">/openapi.json</a>.
</p>{sections}</body></html>"""


@get("/openapi.json", operation_id="openapi", summary="This description", tags=["operations"], include_in_schema=False)
async def openapi(
    caller: Annotated[None, Public("documentation")],
    request: Request[Any, Any, Any],
) -> dict[str, Any]:
    return request.app.openapi_schema.to_schema()


@get("/docs", operation_id="docs", include_in_schema=False, media_type=MediaType.HTML)
async def docs(
    caller: Annotated[None, Public("documentation")],
    request: Request[Any, Any, Any],
) -> Response[str]:
    page = _page(request.app.openapi_schema.to_schema())
    headers = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return Response(page, media_type=MediaType.HTML, headers=headers)


#: what the application mounts
HANDLERS = (openapi, docs)


def _page(schema: dict[str, Any]) -> str:
    sections: dict[str, list[str]] = {}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            if not isinstance(operation, dict):
                continue
            row = (
                f'<tr><td class="method">{method.upper()}</td><td><code>{html.escape(path)}</code></td>'
                f"<td>{html.escape(str(operation.get('summary', '')))}</td></tr>"
            )
            sections.setdefault(operation.get("tags", ["other"])[0], []).append(row)
    body = "".join(
        f"<h2>{html.escape(tag)}</h2><table>{''.join(rows)}</table>" for tag, rows in sorted(sections.items())
    )
    return _PAGE.format(sections=body)

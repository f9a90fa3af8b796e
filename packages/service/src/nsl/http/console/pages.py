"""Templates, static files, and the headers that every page carries."""

import re
from hashlib import sha256
from importlib.resources import files
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import MediaType, Response, get
from litestar.datastructures import Cookie
from litestar.params import FromPath

from nsl.identity.model import Public
from nsl.kit.errors import Missing

STATIC_SECONDS: Final = 3600
_KINDS: Final = {"console.css": "text/css", "console.js": "text/javascript"}
_STATIC: Final = {name: (files("nsl.http.console") / "static" / name).read_bytes() for name in _KINDS}
_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d+)?")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")

_templates = Environment(loader=PackageLoader("nsl.http.console"), autoescape=True, undefined=StrictUndefined)
# A page asks for the files that it was written with, whatever the browser has kept.
_templates.globals["version"] = sha256(b"".join(_STATIC.values())).hexdigest()[:12]


def page(
    template: str,
    *,
    status: int = 200,
    redirect_uri: str | None = None,
    headers: dict[str, str] | None = None,
    cookies: list[Cookie] | None = None,
    **values: Any,
) -> Response[str]:
    """A page. ``redirect_uri``: where the answer to its form may lead, besides ourselves."""
    return Response(
        _templates.get_template(template).render(values),
        status_code=status,
        media_type=MediaType.HTML,
        headers=_headers(redirect_uri) | (headers or {}),
        cookies=cookies or [],
    )


def _headers(redirect_uri: str | None) -> dict[str, str]:
    targets = " ".join(["'self'", *_form_targets(redirect_uri)])
    policy = (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
        f"form-action {targets}; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    return {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
    }


def _form_targets(redirect_uri: str | None) -> list[str]:
    """Browsers apply form-action to the redirects that follow a form, so the application's origin must be in it."""
    if redirect_uri is None:
        return []
    parts = urlsplit(redirect_uri)
    if parts.scheme in ("http", "https") and _HOST.fullmatch(parts.netloc):
        return [f"{parts.scheme}://{parts.netloc}"]
    # A private scheme of a program, or an IPv6 address, which the policy's grammar does not have.
    return [f"{parts.scheme}:"] if _SCHEME.fullmatch(parts.scheme) else []


@get("/console/static/{name:str}", include_in_schema=False)
async def static(
    caller: Annotated[None, Public("style and script of the sign-in pages")], name: FromPath[str]
) -> Response[bytes]:
    if name not in _STATIC:
        raise Missing("There is no such file.")
    headers = {"cache-control": f"public, max-age={STATIC_SECONDS}", "x-content-type-options": "nosniff"}
    return Response(_STATIC[name], media_type=_KINDS[name], headers=headers)


HANDLERS = (static,)

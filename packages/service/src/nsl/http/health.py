"""Whether the process lives, and whether everything it depends on answers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import SkipValidation
from litestar.status_codes import HTTP_200_OK, HTTP_503_SERVICE_UNAVAILABLE

from nsl.identity.model import Public
from nsl.kit.clock import monotonic
from nsl.kit.errors import Unavailable

CHECK_TIMEOUT_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Dependency:
    """``check`` raises Unavailable. Without an essential one nothing works; without another, something waits."""

    check: Callable[[], Awaitable[object]]
    essential: bool


class CheckView(msgspec.Struct, frozen=True):
    ok: bool
    essential: bool
    latency_ms: float
    detail: str | None = None


class HealthView(msgspec.Struct, frozen=True):
    status: str
    checks: dict[str, CheckView]


class Health:
    """What the API depends on, by name."""

    def __init__(self, dependencies: Mapping[str, Dependency]) -> None:
        self._dependencies = dependencies

    async def checks(self) -> dict[str, CheckView]:
        """Ask all of them at once."""
        found = await asyncio.gather(*map(self._check, self._dependencies.values()))
        return dict(zip(self._dependencies, found, strict=True))

    async def _check(self, dependency: Dependency) -> CheckView:
        began, detail = monotonic(), None
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
                await dependency.check()
        except Unavailable as error:
            detail = error.detail
        except TimeoutError:
            detail = f"No answer within {CHECK_TIMEOUT_SECONDS:g} s."
        latency_ms = round((monotonic() - began) * 1000, 3)
        return CheckView(detail is None, dependency.essential, latency_ms, detail)


@get("/health/live", operation_id="live", summary="Whether the process lives", tags=["operations"])
async def live(caller: Annotated[None, Public("asked by whoever restarts the process")]) -> HealthView:
    return HealthView("live", {})


@get("/health/ready", operation_id="ready", summary="Whether what it depends on answers", tags=["operations"])
async def ready(
    caller: Annotated[None, Public("asked by load balancers")],
    health: NamedDependency[SkipValidation[Health]],
) -> Response[HealthView]:
    checks = await health.checks()
    if all(each.ok for each in checks.values()):
        return Response(HealthView("ready", checks), status_code=HTTP_200_OK)
    if all(each.ok for each in checks.values() if each.essential):
        return Response(HealthView("degraded", checks), status_code=HTTP_200_OK)
    return Response(HealthView("unavailable", checks), status_code=HTTP_503_SERVICE_UNAVAILABLE)


#: what the application mounts
HANDLERS = (live, ready)

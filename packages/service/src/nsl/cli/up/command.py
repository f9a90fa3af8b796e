"""`nsl up`: bring the layer up, let the tour run where it is asked for, and stay until a signal says to end."""

import asyncio
import json
import signal
import sys
from dataclasses import dataclass
from typing import Any

from nsl.cli.up.stack import Stack, StackOptions
from nsl.cli.up.tour import TourResult, run_tour
from nsl.kit.clock import monotonic
from nsl.kit.errors import Failure

INTERRUPTED = 130  # as shells say it: ended by SIGINT, here before it was done
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, kw_only=True)
class UpOptions:
    """What the command line says. ``exit_when_done``: end after the start, or after the tour, instead of staying."""

    stack: StackOptions
    tour: bool = False
    exit_when_done: bool = False
    as_json: bool = False


def run_up(options: UpOptions) -> int:
    """Run `nsl up`: its exit status. Progress goes to standard error, results to standard output."""
    return asyncio.run(_run(options))


async def _run(options: UpOptions) -> int:
    staying = asyncio.Event()
    stopping = asyncio.Event()
    session = asyncio.create_task(_session(options, staying, stopping))

    def end() -> None:
        """Stop in order. More signals change nothing: stopping takes a bounded time, and cutting it loses data."""
        if stopping.is_set():
            return
        _progress("stopping")
        stopping.set()
        if not staying.is_set():
            session.cancel()

    loop = asyncio.get_running_loop()
    for ending in _ENDING:
        loop.add_signal_handler(ending, end)
    try:
        status = await session
    except asyncio.CancelledError:
        status = INTERRUPTED
    except Failure as failure:
        if options.as_json:
            _print_json({"ready": False, "code": failure.code, "detail": failure.detail})
        _say(f"nsl up: {failure.detail}")
        return 1
    _progress("stopped; nothing runs any more")
    return status


async def _session(options: UpOptions, staying: asyncio.Event, stopping: asyncio.Event) -> int:
    """Until everything that was asked for is done, and then until it is told to stop; the exit status."""
    async with Stack(options.stack, _progress) as stack:
        if options.as_json:
            _print_json(_ready(stack))
        else:
            _say(f"\nThe Neo Service Layer is ready after {stack.ready_seconds:.1f} s: {stack.base_url}/docs")
            _say(f"Console: {stack.base_url}/console")
            _say(f"Credentials of the platform administrator: {stack.credentials}")
            _say(f"What verifies a receipt: nsl verify receipt.json --trust {stack.trust}\n")
        status = 0
        if options.tour:
            result = await run_tour(stack, _progress)
            status = _report(result, as_json=options.as_json)
        staying.set()
        if not options.exit_when_done:
            _progress("Ctrl-C stops everything")
            await stopping.wait()
        return status


def _report(result: TourResult, *, as_json: bool) -> int:
    if as_json:
        _print_json(result.document())
    else:
        result.print()
    return 0 if result.ok else 1


def _ready(stack: Stack) -> dict[str, Any]:
    """The first line of ``--json``. The RPC addresses are those of the devnets, for wallets and for checks."""
    chains = {"neo-n3": stack.n3, "neo-x": stack.neox}
    return {
        "ready": True,
        "base_url": stack.base_url,
        "console": f"{stack.base_url}/console",
        "credentials": str(stack.credentials),
        "trust": str(stack.trust),
        "ready_seconds": round(stack.ready_seconds, 3),
        "rpc": {name: node.url for name, node in chains.items() if node is not None},
    }


_began = monotonic()


def _progress(text: str) -> None:
    _say(f"[{monotonic() - _began:6.1f} s] {text}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - this is the command line


def _print_json(document: dict[str, Any]) -> None:
    print(json.dumps(document), flush=True)  # noqa: T201 - this is the command line

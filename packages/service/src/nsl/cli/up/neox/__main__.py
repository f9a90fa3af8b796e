"""The process of the Neo X devnet: anvil below, the mining loop, and the guard in front."""

import argparse
import asyncio
import json
import signal
from pathlib import Path

from nsl.cli.up.neox.chain import Chain
from nsl.cli.up.neox.guard import handle
from nsl.cli.up.neox.rpc import serve


async def run(options: argparse.Namespace) -> None:
    """Until SIGTERM or SIGINT, then save the chain and end. Ends with an error when the node dies."""
    chain = Chain(options.anvil, options.node_port, options.directory)
    stopping = asyncio.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(ending, stopping.set)
    try:
        await chain.start()
        server = await serve(options.port, options.node_port, handle)
        print(json.dumps({"ready": True, "port": options.port}), flush=True)  # noqa: T201 - read by the supervisor
        mining = asyncio.create_task(chain.mine(options.block_time_ms))
        stopped = asyncio.create_task(stopping.wait())
        await asyncio.wait({mining, stopped}, return_when=asyncio.FIRST_COMPLETED)
        server.close()
        if mining.done():
            mining.result()  # raises what ended it
        mining.cancel()
        await asyncio.gather(mining, return_exceptions=True)
        # A call that was cancelled in the middle has closed its connection; saving opens another.
        await chain.save()
    finally:
        await chain.stop()


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(prog="nsl.cli.up.neox")
    parser.add_argument("--anvil", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--node-port", type=int, required=True)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--block-time-ms", type=int, required=True)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()

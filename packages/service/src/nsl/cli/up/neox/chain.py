"""The anvil node: started from what is on disk, mined at our pace, saved as it grows."""

import asyncio
import signal
from pathlib import Path

from nsl.cli.up.errors import NotReady, StateDamaged
from nsl.cli.up.neox.rpc import Upstream
from nsl.cli.up.neox.rules import BASE_FEE_WEI, BLOCK_GAS_MAX, CHAIN_ID, POLICY_ADDRESS, policy_code
from nsl.cli.up.neox.store import ChainStore
from nsl.cli.up.process import Child, ProcessSpec, listens
from nsl.kit.clock import monotonic, pause

SAVE_AFTER_SECONDS = 5.0  # when transactions were mined since the last save
SAVE_IDLE_AFTER_SECONDS = 60.0
GENESIS_GAS = 10_000_000  # each of ten accounts
HISTORY_BLOCKS = 128  # states that can be asked for, as many as a geth that is no archive


class Chain:
    """One anvil process and its chain."""

    def __init__(self, binary: Path, port: int, directory: Path) -> None:
        self._binary = binary
        self._port = port
        self._directory = directory
        self._store = ChainStore(directory)
        self._node: Child | None = None
        self._upstream = Upstream(port)

    async def start(self) -> None:
        """Start the node on the newest readable copy of the chain, or on a new chain where there was none.

        Raises:
            StateDamaged: there was a chain, and no copy of it can be loaded.
            NotReady: the node does not start.
        """
        if not self._store.exists:
            await self._run()
            # The first save makes "no chain on disk" mean "never started".
            await self.save()
            return
        loading = self._directory / "loading.json"
        for path, document in self._store.whole():
            loading.write_bytes(document)
            try:
                await self._run("--load-state", str(loading))
            except NotReady as error:
                print(f"{path.name} is not loaded: {error.detail}", flush=True)  # noqa: T201 - this process's log
                continue
            finally:
                loading.unlink()
            print(f"chain loaded from {path.name}", flush=True)  # noqa: T201 - this process's log
            return
        raise StateDamaged("No copy of the Neo X devnet's chain can be read: `nsl up --fresh` begins a new one.")

    async def mine(self, block_time_ms: int) -> None:
        """Make a block every ``block_time_ms``, until cancelled or the node is gone (OSError)."""
        saved_at, saved_pending = monotonic(), False
        due = monotonic()
        while True:
            due = max(due + block_time_ms / 1000, monotonic())
            await pause(due - monotonic())
            pool = await self._upstream.call("txpool_status")
            saved_pending = saved_pending or pool["pending"] != "0x0"
            await self._upstream.call("evm_mine")
            await self._fix_base_fee()
            since = monotonic() - saved_at
            if since > (SAVE_AFTER_SECONDS if saved_pending else SAVE_IDLE_AFTER_SECONDS):
                await self.save()
                saved_at, saved_pending = monotonic(), False

    async def save(self) -> None:
        """Write the chain to disk."""
        dump = await self._upstream.call("anvil_dumpState")
        await asyncio.to_thread(self._store.save, bytes.fromhex(dump.removeprefix("0x")))

    async def stop(self) -> None:
        """End the node; what was not saved is lost."""
        self._upstream.close()
        if self._node is not None:
            await self._node.kill()

    async def _run(self, *more: str) -> None:
        spec = ProcessSpec(
            name="anvil",
            command=(
                str(self._binary), "--silent", "--host", "127.0.0.1", "--port", str(self._port),
                "--chain-id", str(CHAIN_ID), "--balance", str(GENESIS_GAS), "--no-mining", "--order", "fifo",
                "--block-base-fee-per-gas", str(BASE_FEE_WEI), "--gas-limit", str(BLOCK_GAS_MAX),
                "--prune-history", str(HISTORY_BLOCKS), *more,
            ),
            ready=lambda _: listens(self._port),
            advice="",
            death_signal=signal.SIGKILL,
        )  # fmt: skip
        self._node = Child(spec, self._directory / "anvil.log")
        await self._node.spawn()
        await self._node.until_ready()
        await self._upstream.call("anvil_setCode", POLICY_ADDRESS, policy_code())
        await self._fix_base_fee()

    async def _fix_base_fee(self) -> None:
        """anvil lets the base fee drift, whatever its flags; this holds for the next block only."""
        await self._upstream.call("anvil_setNextBlockBaseFeePerGas", hex(BASE_FEE_WEI))

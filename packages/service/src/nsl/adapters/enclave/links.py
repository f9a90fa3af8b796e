"""Connections to the replicas of one enclave program: enrolled, renewed before they end, and left for the next one."""

import asyncio
import ssl
from collections.abc import Sequence

import structlog

from nsl.adapters.enclave.channel import CONNECT_TIMEOUT_SECONDS, Channel, connect
from nsl.adapters.enclave.enrolment import Identity, Leaf, visit
from nsl.adapters.enclave.errors import EnclaveDown, EnclaveRefused, EnclaveUntrusted
from nsl.adapters.enclave.trust import Trust
from nsl.kit.clock import monotonic, now
from nsl.kit.errors import Failure
from nsl_protocol.attestation.policy import Verdict
from nsl_protocol.cluster.manifest import Program
from nsl_protocol.enclave.messages import Answer, Request

CALL_TIMEOUT_SECONDS = 10.0
#: with several replicas: how long one may stay silent before the next is asked
FAILOVER_SECONDS = 0.7
RETRY_CONNECT_SECONDS = 0.1
RETRY_SILENT_SECONDS = 5.0

_log = structlog.get_logger("nsl.adapters")


class _Link:
    """One replica."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.channel: Channel | None = None
        self.leaf: Leaf | None = None
        self.lock = asyncio.Lock()
        self.retry_at = 0.0

    def failed(self, seconds: float) -> None:
        """Leave it alone for a while."""
        self.retry_at = monotonic() + seconds
        if self.channel is not None:
            self.channel.close()
            self.channel = None


class Links:
    """One program at one or more addresses; the one that answered last is asked first."""

    def __init__(
        self, addresses: Sequence[tuple[str, int]], program: Program, trust: Trust, identity: Identity
    ) -> None:
        self._links = [_Link(address) for address in addresses]
        self._program = program
        self._trust = trust
        self._identity = identity
        self._leaf: Leaf | None = None
        self._renew_at = 0.0
        self._enrolling = asyncio.Lock()
        self._renewing: asyncio.Task[None] | None = None

    async def call(self, request: Request, *, patient: bool = False) -> Answer:
        """The answer of whichever replica gives one; every call is safe to repeat.

        Args:
            patient: the call takes its time: do not ask another replica because of silence.

        Raises:
            EnclaveDown: none answers.
            EnclaveUntrusted: what answers is no enclave that the manifest lists.
        """
        failure: Failure = EnclaveDown("The enclave cannot be reached; the request can be repeated.")
        seconds = CALL_TIMEOUT_SECONDS if patient or len(self._links) == 1 else FAILOVER_SECONDS
        # Twice more than there are replicas: a connection may have ended just before it was used, and its certificate.
        for _ in range(len(self._links) + 2):
            link = self._next()
            if link is None:
                break
            try:
                async with asyncio.timeout(seconds):
                    channel = await self._connected(link)
                    return await self._ask(link, channel, request)
            except TimeoutError:
                link.failed(RETRY_SILENT_SECONDS if len(self._links) > 1 else RETRY_CONNECT_SECONDS)
                failure = EnclaveDown("The enclave did not answer in time; the request can be repeated.")
            except (EnclaveDown, EnclaveUntrusted) as error:
                failure = error
        raise failure

    async def verdict(self) -> Verdict:
        """On the enclave that gave us our certificate."""
        return (await self._current_leaf()).verdict

    def close(self) -> None:
        """End all connections."""
        if self._renewing is not None:
            self._renewing.cancel()
        for link in self._links:
            if link.channel is not None:
                link.channel.close()

    def _next(self) -> _Link | None:
        """The first that is not to be left alone; it stays first."""
        present = monotonic()
        for link in self._links:
            if link.retry_at <= present:
                self._links.remove(link)
                self._links.insert(0, link)
                return link
        return None

    async def _ask(self, link: _Link, channel: Channel, request: Request) -> Answer:
        try:
            return await channel.call(request)
        except EnclaveDown:
            # A certificate that is refused shows only now: TLS 1.3 tells the client after the handshake.
            if not channel.answered and not channel.usable:
                self._forget(link.leaf)
            raise

    async def _connected(self, link: _Link) -> Channel:
        leaf = await self._current_leaf()
        if link.channel is not None and link.channel.usable and link.leaf is leaf:
            return link.channel
        async with link.lock:
            if link.channel is None or not link.channel.usable or link.leaf is not leaf:
                former = link.channel
                try:
                    link.channel = await connect(*link.address, leaf.context, self._program)
                except EnclaveDown as error:
                    if isinstance(error.__cause__, ssl.SSLError):
                        self._forget(leaf)
                    else:
                        link.failed(RETRY_CONNECT_SECONDS)
                    raise
                link.leaf = leaf
                if former is not None:
                    former.leave()
            return link.channel

    def _forget(self, leaf: Leaf | None) -> None:
        if leaf is self._leaf:
            self._leaf = None

    async def _current_leaf(self) -> Leaf:
        """Ours; renewed beside the work from half of its life on."""
        leaf, present = self._leaf, now().timestamp()
        if leaf is not None and present < leaf.expires_at:
            if present >= self._renew_at and (self._renewing is None or self._renewing.done()):
                self._renewing = asyncio.create_task(self._renew())
            return leaf
        async with self._enrolling:
            if self._leaf is None or self._leaf is leaf:
                await self._enrol()
            if self._leaf is None:
                raise EnclaveDown("The enclave took its certificate back; the request can be repeated.")
            return self._leaf

    async def _renew(self) -> None:
        try:
            async with self._enrolling:
                await self._enrol()
        except (EnclaveDown, EnclaveUntrusted, EnclaveRefused) as error:
            self._renew_at = now().timestamp() + RETRY_CONNECT_SECONDS
            _log.warning("enclave certificate not renewed", program=self._program, error=error.detail)

    async def _enrol(self) -> None:
        """With the first replica that will; all of them give certificates of the same authority."""
        failure: Failure = EnclaveDown("The enclave cannot be reached; the request can be repeated.")
        for link in list(self._links):
            try:
                async with (
                    asyncio.timeout(CONNECT_TIMEOUT_SECONDS if len(self._links) == 1 else FAILOVER_SECONDS / 2),
                    visit(link.address, self._program, self._trust) as visiting,
                ):
                    leaf = await visiting.enrol(self._identity)
            except (EnclaveDown, EnclaveUntrusted) as error:
                failure = error
            except EnclaveRefused as error:
                failure = EnclaveUntrusted(f"The enclave does not enrol {self._identity.name}: {error.detail}")
            except TimeoutError:
                failure = EnclaveDown("The enclave did not answer in time; the request can be repeated.")
            else:
                present = now().timestamp()
                self._leaf, self._renew_at = leaf, present + (leaf.expires_at - present) / 2
                return
        raise failure

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
#: a connection may have ended just before it was used, and its certificate with it
_TRIES = 3

_log = structlog.get_logger("nsl.adapters")


class Link:
    """One replica: the certificate that it gave us, and the connection that is under it.

    Args:
        only: there is no other replica, so nothing is gained by leaving it alone.
    """

    def __init__(
        self, address: tuple[str, int], program: Program, trust: Trust, identity: Identity, *, only: bool
    ) -> None:
        self._address = address
        self._program = program
        self._trust = trust
        self._identity = identity
        self._only = only
        self._channel: Channel | None = None
        self._leaf: Leaf | None = None
        self._channel_leaf: Leaf | None = None
        self._renew_at = 0.0
        self._renewing: asyncio.Task[None] | None = None
        self._enrolling = asyncio.Lock()
        self._connecting = asyncio.Lock()
        self.retry_at = 0.0

    async def ask(self, request: Request, *, patient: bool = False) -> Answer:
        """This replica's answer.

        Args:
            patient: the call takes its time.

        Raises:
            EnclaveDown: it does not answer, or did not a moment ago.
            EnclaveUntrusted: what answers is no enclave that the manifest lists.
        """
        failure: Failure = EnclaveDown("The enclave cannot be reached; the request can be repeated.")
        seconds = CALL_TIMEOUT_SECONDS if patient or self._only else FAILOVER_SECONDS
        for _ in range(_TRIES):
            if self.retry_at > monotonic():
                break
            try:
                async with asyncio.timeout(seconds):
                    channel = await self._connected()
                    return await self._call(channel, request)
            except TimeoutError:
                self.leave_alone(RETRY_CONNECT_SECONDS if self._only else RETRY_SILENT_SECONDS)
                failure = EnclaveDown("The enclave did not answer in time; the request can be repeated.")
            except (EnclaveDown, EnclaveUntrusted) as error:
                failure = error
        raise failure

    async def verdict(self) -> Verdict:
        """On the enclave that gave us the certificate."""
        return (await self._current_leaf()).verdict

    def leave_alone(self, seconds: float) -> None:
        """Do not ask it for a while."""
        self.retry_at = monotonic() + seconds
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def close(self) -> None:
        """End the connection."""
        if self._renewing is not None:
            self._renewing.cancel()
        if self._channel is not None:
            self._channel.close()

    async def _call(self, channel: Channel, request: Request) -> Answer:
        try:
            return await channel.call(request)
        except EnclaveDown:
            # A certificate that is refused shows only now: TLS 1.3 tells the client after the handshake.
            if not channel.answered and not channel.usable:
                self._forget(self._channel_leaf)
            raise

    async def _connected(self) -> Channel:
        leaf = await self._current_leaf()
        if self._channel is not None and self._channel.usable and self._channel_leaf is leaf:
            return self._channel
        async with self._connecting:
            if self._channel is None or not self._channel.usable or self._channel_leaf is not leaf:
                former = self._channel
                try:
                    self._channel = await connect(*self._address, leaf.context, self._program)
                except EnclaveDown as error:
                    if isinstance(error.__cause__, ssl.SSLError):
                        self._forget(leaf)
                    else:
                        self.leave_alone(RETRY_CONNECT_SECONDS)
                    raise
                self._channel_leaf = leaf
                if former is not None:
                    former.leave()
            return self._channel

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
        except (EnclaveDown, EnclaveUntrusted) as error:
            self._renew_at = now().timestamp() + RETRY_CONNECT_SECONDS
            _log.warning("enclave certificate not renewed", program=self._program, error=error.detail)

    async def _enrol(self) -> None:
        """Let the enclave prove itself, and get a certificate from it. Raises EnclaveDown, EnclaveUntrusted."""
        try:
            async with (
                asyncio.timeout(CONNECT_TIMEOUT_SECONDS if self._only else FAILOVER_SECONDS),
                visit(self._address, self._program, self._trust) as visiting,
            ):
                leaf = await visiting.enrol(self._identity)
        except EnclaveRefused as error:
            raise EnclaveUntrusted(f"The enclave does not enrol {self._identity.name}: {error.detail}") from error
        except TimeoutError as error:
            raise EnclaveDown("The enclave did not answer in time; the request can be repeated.") from error
        present = now().timestamp()
        self._leaf, self._renew_at = leaf, present + (leaf.expires_at - present) / 2


class Links:
    """One program at one or more addresses; the one that answered last is asked first."""

    def __init__(
        self, addresses: Sequence[tuple[str, int]], program: Program, trust: Trust, identity: Identity
    ) -> None:
        only = len(addresses) == 1
        self.replicas = tuple(Link(address, program, trust, identity, only=only) for address in addresses)
        self._order = list(self.replicas)

    async def call(self, request: Request, *, patient: bool = False) -> Answer:
        """The answer of whichever replica gives one; every call is safe to repeat.

        Args:
            patient: the call takes its time: do not ask another replica because of silence.

        Raises:
            EnclaveDown: none answers.
            EnclaveUntrusted: what answers is no enclave that the manifest lists.
        """
        failure: Failure = EnclaveDown("The enclave cannot be reached; the request can be repeated.")
        for _ in self.replicas:
            link = self._next()
            if link is None:
                break
            try:
                return await link.ask(request, patient=patient)
            except (EnclaveDown, EnclaveUntrusted) as error:
                failure = error
                self._order.remove(link)
                self._order.append(link)
        raise failure

    async def call_first(self, request: Request) -> Answer:
        """Of the replica that answered last."""
        return await self._order[0].ask(request)

    def leave_first(self) -> None:
        """The replica that answered last is of no use for a while."""
        self._order[0].leave_alone(RETRY_SILENT_SECONDS)

    async def verdict(self) -> Verdict:
        """On the enclave that answered last."""
        return await self._order[0].verdict()

    def close(self) -> None:
        """End all connections."""
        for link in self.replicas:
            link.close()

    def _next(self) -> Link | None:
        """The first that is not to be left alone; it stays first."""
        present = monotonic()
        for link in self._order:
            if link.retry_at <= present:
                self._order.remove(link)
                self._order.insert(0, link)
                return link
        return None

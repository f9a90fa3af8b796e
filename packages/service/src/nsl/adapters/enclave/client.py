"""What the service asks of the key enclave, as calls."""

import asyncio
from collections.abc import Sequence
from typing import Self

from msgspec.structs import replace

from nsl.adapters.enclave.enrolment import Identity
from nsl.adapters.enclave.errors import EnclaveDown, EnclaveRefused, EnclaveUntrusted
from nsl.adapters.enclave.links import Links
from nsl.adapters.enclave.trust import Trust
from nsl.identity.errors import RootReplaced
from nsl_protocol.attestation.binding import Purpose
from nsl_protocol.cluster.manifest import Program
from nsl_protocol.enclave.membership import GetQuote, Quoted
from nsl_protocol.enclave.messages import (
    SIGN_ORDERS_MAX,
    Answer,
    CreateKey,
    CreateTokenKey,
    Curve,
    GetStatus,
    KeyCreated,
    KeyName,
    Refused,
    Request,
    Rewrap,
    Rewrapped,
    Seal,
    Sealed,
    Sign,
    Signature,
    Signed,
    SignOrder,
    SignToken,
    Status,
    TokenKeyCreated,
    TokenKind,
    TokenSigned,
    Unseal,
    Unsealed,
    WrappedKey,
    WrappedSecret,
    WrappedTokenKey,
)
from nsl_protocol.enclave.wire import HEADER_BYTES

# A batch stays well below a frame: 256 orders of large payloads go in several calls.
BATCH_BYTES_MAX = 700_000
#: what was read before the root was replaced: it has to be read again
ROOT_UNKNOWN = "ROOT_UNKNOWN"


class EnclaveClient:
    """One enclave program, at the address of each of its replicas. Use as an async context manager.

    It connects when first needed, to an enclave that has proven itself.

    Raises:
        EnclaveDown: from every call, when no replica can be reached or answers in time.
        EnclaveUntrusted: from every call, when what answers is not an enclave that the manifest lists.
    """

    def __init__(self, addresses: Sequence[tuple[str, int]], trust: Trust, identity: Identity) -> None:
        self._addresses = tuple(addresses)
        self._trust = trust
        self._identity = identity
        self._links: Links | None = None

    async def __aenter__(self) -> Self:
        self._links = Links(self._addresses, Program.KME, self._trust, self._identity)
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._links is not None:
            self._links.close()

    async def status(self) -> Status:
        """Who answers. Mode and measurement are those of the quote that it proved itself by."""
        status = _expect(Status, await self._call(GetStatus()))
        verdict = await self._connected().verdict()
        if verdict.claims is None or verdict.quote is None:
            raise EnclaveUntrusted("The enclave has not proven itself.")
        return replace(status, mode=verdict.claims.mode, measurement=verdict.quote.measurement.hex())

    async def rewrap(
        self, items: Sequence[WrappedKey | WrappedTokenKey | WrappedSecret]
    ) -> tuple[bytes | Refused, ...]:
        """Up to 256 blobs under the latest root, in order."""
        return _expect(Rewrapped, await self._call(Rewrap(tuple(items)))).results

    async def quote(self, purpose: Purpose, nonce: bytes) -> Quoted:
        """A fresh quote, which nobody has verified here. Raises EnclaveRefused."""
        return _expect(Quoted, await self._call(GetQuote(purpose, nonce)))

    async def create_key(self, name: KeyName, curve: Curve, *, blind_signing: bool) -> KeyCreated:
        """Make a key; only its wrapped form leaves the enclave. Raises EnclaveRefused."""
        return _expect(KeyCreated, await self._call(CreateKey(name, curve, blind_signing)))

    async def sign(self, orders: Sequence[SignOrder]) -> tuple[Signature | Refused, ...]:
        """A result for each order, in order. Raises RootReplaced."""
        parts = [self._call(Sign(tuple(part))) for part in _parts(orders)]
        answers = await asyncio.gather(*parts)
        results = tuple(result for answer in answers for result in _expect(Signed, answer).results)
        for result in results:
            if isinstance(result, Refused) and result.code == ROOT_UNKNOWN:
                raise RootReplaced(result.reason)
        return results

    async def create_token_key(self, kid: str) -> TokenKeyCreated:
        """Make a key that signs access tokens. Raises EnclaveRefused."""
        return _expect(TokenKeyCreated, await self._call(CreateTokenKey(kid), patient=True))

    async def sign_token(self, kind: TokenKind, kid: str, wrapped: bytes, claims: bytes) -> str:
        """A JWT over these claims. Raises EnclaveRefused."""
        return _expect(TokenSigned, await self._call(SignToken(kind, kid, wrapped, claims))).token

    async def seal(self, purpose: str, secret: bytes) -> bytes:
        """Encrypt a secret for one purpose."""
        return _expect(Sealed, await self._call(Seal(purpose, secret))).sealed

    async def unseal(self, purpose: str, sealed: bytes) -> bytes:
        """Open it again. Raises EnclaveRefused."""
        return _expect(Unsealed, await self._call(Unseal(purpose, sealed))).secret

    async def _call(self, request: Request, *, patient: bool = False) -> Answer:
        return await self._connected().call(request, patient=patient)

    def _connected(self) -> Links:
        if self._links is None:
            raise RuntimeError("EnclaveClient is used outside its context")
        return self._links


def _parts(orders: Sequence[SignOrder]) -> list[list[SignOrder]]:
    """Cut into calls of at most 256 orders and of a bounded size."""
    parts: list[list[SignOrder]] = []
    size = 0
    for order in orders:
        weight = HEADER_BYTES + 128 + len(order.wrapped) + len(_payload(order))
        if not parts or len(parts[-1]) == SIGN_ORDERS_MAX or size + weight > BATCH_BYTES_MAX:
            parts.append([])
            size = 0
        parts[-1].append(order)
        size += weight
    return parts


def _payload(order: SignOrder) -> bytes:
    what = order.what
    for name in ("unsigned", "data", "document", "digest"):
        payload = getattr(what, name, None)
        if isinstance(payload, bytes):
            return payload
    return b""


def _expect[T: Answer](kind: type[T], answer: Answer) -> T:
    if isinstance(answer, kind):
        return answer
    if isinstance(answer, Refused):
        raise RootReplaced(answer.reason) if answer.code == ROOT_UNKNOWN else EnclaveRefused(answer)
    raise EnclaveDown("The enclave gave an answer of another kind.")

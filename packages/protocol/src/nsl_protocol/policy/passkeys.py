"""Passkeys as approvers: what a browser and an authenticator sign in the place of a statement. Pure.

W3C Web Authentication, Level 2, section 7.2, for a credential whose public key is known. There is no counter to compare
with: nothing is remembered, and a statement is good for one thing however often it is signed.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

_HASH_BYTES, _HEADER_BYTES = 32, 37
_PRESENT, _VERIFIED, _ATTESTED, _EXTENDED = 0x01, 0x04, 0x40, 0x80
_PORT_MAX = 65_535
#: a browser leaves it out of an origin
_PORT_OF = {"https": "443", "http": "80"}


class Passkey(Struct, frozen=True, forbid_unknown_fields=True):
    """Where it is used. ``rp_id``: the domain that it was made for; ``origin``: of the page that asks for it."""

    rp_id: Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$(?!\n)")]
    origin: Annotated[str, Meta(pattern=r"^(https://[a-z0-9.-]{1,253}|http://localhost)(:[1-9][0-9]{0,4})?$(?!\n)")]

    @property
    def reachable(self) -> bool:
        """Whether a browser can say so: the page is of the domain, and its origin is as browsers write it."""
        scheme, _, rest = self.origin.partition("://")
        host, _, port = rest.partition(":")
        return (
            (host == self.rp_id or host.endswith(f".{self.rp_id}"))
            and all(host.split("."))
            and not host.rpartition(".")[2].isdigit()
            and port != _PORT_OF[scheme]
            and int(port or 0) <= _PORT_MAX
        )


class Assertion(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What ``navigator.credentials.get`` answers, as far as it is signed; ``signature`` is DER for ES256."""

    authenticator_data: Annotated[bytes, Meta(min_length=_HEADER_BYTES, max_length=896)]
    client_data: Annotated[bytes, Meta(max_length=1024)]
    signature: Annotated[bytes, Meta(min_length=8, max_length=72)]

    @property
    def proof(self) -> bytes:
        """As it is carried in the place of a signature."""
        return msgspec.msgpack.encode(self)


class _ClientData(Struct, frozen=True):
    """CollectedClientData; what else it may have says nothing to us."""

    type: Literal["webauthn.get"]
    challenge: str
    origin: str
    crossOrigin: bool = False  # noqa: N815 - the field's name
    topOrigin: str | None = None  # noqa: N815 - the field's name


_assertions = msgspec.msgpack.Decoder(Assertion)
_client_data = msgspec.json.Decoder(_ClientData)


def challenge(content: bytes) -> bytes:
    """What the page asks for: SHA-256 of what an approver with a bare key signs."""
    return hashlib.sha256(content).digest()


def asserted(passkey: Passkey, content: bytes, proof: bytes, verify: Callable[[bytes, bytes], bool]) -> bool:
    """Whether it is an assertion over exactly this content, by a user who was verified, on that page.

    Args:
        verify: whether a signature is the credential's over some bytes.
    """
    try:
        made = _assertions.decode(proof)
        said = _client_data.decode(made.client_data)
        json.loads(made.client_data.decode(), object_pairs_hook=_distinct)
    except (msgspec.DecodeError, ValueError):
        return False
    wanted = base64.urlsafe_b64encode(challenge(content)).rstrip(b"=").decode()
    flags = made.authenticator_data[_HASH_BYTES]
    return (
        made.proof == proof
        and hmac.compare_digest(said.challenge.encode(), wanted.encode())
        and said.origin == passkey.origin
        and not said.crossOrigin
        and said.topOrigin is None
        and made.authenticator_data[:_HASH_BYTES] == hashlib.sha256(passkey.rp_id.encode()).digest()
        and bool(flags & _PRESENT)
        and bool(flags & _VERIFIED)
        and not flags & _ATTESTED
        and bool(flags & _EXTENDED) == (len(made.authenticator_data) > _HEADER_BYTES)
        and verify(made.authenticator_data + hashlib.sha256(made.client_data).digest(), made.signature)
    )


def _distinct(pairs: list[tuple[str, object]]) -> None:
    """Raises ValueError: a name is there twice, and readers differ in which they take."""
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name is there twice")

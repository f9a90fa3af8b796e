"""Tokens: JWTs (RFC 7519), RS256, of three kinds. Headers are built here: a token key signs nothing else.

An ID token has no ``scope`` and an access token no ``events``: even a careless reader takes neither for another.
"""

import json
from base64 import urlsafe_b64encode
from collections import OrderedDict
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from nsl_enclave.kernel.errors import Refusal
from nsl_enclave.kme.wrapping import Wrapping
from nsl_protocol.enclave.messages import TokenKind

RSA_BITS = 3072
LIFETIME_SECONDS_MAX = 600
_KEYS_KEPT = 16
_TEXT_CLAIMS = {
    TokenKind.ACCESS: ("iss", "sub", "aud", "jti", "client_id", "scope"),
    TokenKind.ID: ("iss", "sub", "aud"),
    TokenKind.LOGOUT: ("iss", "aud", "jti", "sid"),
}
_FORBIDDEN_CLAIMS = {
    TokenKind.ACCESS: ("nonce", "events"),
    TokenKind.ID: ("scope", "events"),
    TokenKind.LOGOUT: ("scope", "nonce"),
}


class Tokens:
    """Makes token keys and signs with those that the register was shown to have, of which a few are kept."""

    def __init__(self, wrapping: Wrapping) -> None:
        self._wrapping = wrapping
        self._opened: OrderedDict[tuple[str, bytes], rsa.RSAPrivateKey] = OrderedDict()

    def create(self, kid: str) -> tuple[bytes, bytes]:
        """A new RSA-3072 key: SubjectPublicKeyInfo DER, and the wrapped private half."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
        der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return public, self._wrapping.wrap_token_key(kid, der)

    def sign(self, kind: TokenKind, kid: str, wrapped: bytes, claims: bytes) -> str:
        """The token. Raises Refusal for claims that are not those of a short-lived token of this kind."""
        _check(kind, claims)
        header = json.dumps({"alg": "RS256", "typ": kind, "kid": kid}, separators=(",", ":")).encode()
        signed = _base64(header) + b"." + _base64(claims)
        signature = self._key(kid, wrapped).sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return (signed + b"." + _base64(signature)).decode()

    def keep(self, kid: str, wrapped: bytes) -> None:
        """The register has exactly this one. Raises Refusal: it is none."""
        key = load_der_private_key(self._wrapping.open_token_key(kid, wrapped).secret, None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise Refusal("KEY_NOT_AUTHENTIC", "The stored token key is not an RSA key.")
        self._opened[kid, wrapped] = key
        if len(self._opened) > _KEYS_KEPT:
            self._opened.popitem(last=False)

    def forget(self, kid: str | None) -> None:
        """What was kept of this one, or of all."""
        for place in [each for each in self._opened if kid in (None, each[0])]:
            del self._opened[place]

    def _key(self, kid: str, wrapped: bytes) -> rsa.RSAPrivateKey:
        key = self._opened.get((kid, wrapped))
        if key is None:
            self._wrapping.open_token_key(kid, wrapped)
            raise Refusal("NOT_SHOWN", "Show this token key and its path in the register first.")
        self._opened.move_to_end((kid, wrapped))
        return key


def _check(kind: TokenKind, claims: bytes) -> None:
    try:
        read: Any = json.loads(claims)
    except ValueError as error:
        raise Refusal("NOT_UNDERSTOOD", "The claims are not JSON.") from error
    needed = _TEXT_CLAIMS[kind]
    if not isinstance(read, dict) or not all(isinstance(read.get(name), str) for name in needed):
        raise Refusal("NOT_UNDERSTOOD", f"The claims must be an object with the texts {', '.join(needed)}.")
    if any(name in read for name in _FORBIDDEN_CLAIMS[kind]):
        raise Refusal("NOT_UNDERSTOOD", f"A token of this kind has no {', no '.join(_FORBIDDEN_CLAIMS[kind])}.")
    issued, expires = read.get("iat"), read.get("exp")
    if type(issued) is not int or type(expires) is not int or not 0 < expires - issued <= LIFETIME_SECONDS_MAX:
        raise Refusal("TOKEN_TOO_LONG", f"A token lives at most {LIFETIME_SECONDS_MAX} seconds, from iat to exp.")


def _base64(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")

"""Proof of possession: a token that is bound to a key or certificate is worth nothing to whoever copied it.

DPoP (RFC 9449): a small JWT for each request, signed by the client's key, for this method and address, once. Mutual TLS
(RFC 8705): the certificate of the connection.
"""

import hashlib
from base64 import urlsafe_b64encode
from typing import Any, Final

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key

from nsl.identity.errors import ProofRefused
from nsl.identity.model import Binding
from nsl.kit.clock import unix_seconds
from nsl.kit.replicas import SingleUse

ALGORITHMS: Final = ("ES256", "EdDSA", "RS256", "PS256")
ACCEPTED_SECONDS: Final = 60
_CLOCK_SECONDS: Final = 5
_CHARACTERS_MAX: Final = 4096
_RSA_BITS: Final = (2048, 4096)


class Proofs:
    """``issuer`` is the address that clients see; a proof names it with the path."""

    def __init__(self, single_use: SingleUse, issuer: str) -> None:
        self._single_use = single_use
        self._issuer = issuer

    async def dpop(self, proof: str, method: str, path: str, token: str | None) -> Binding:
        """The key that made a proof for this request, and for this access token where one is given.

        Raises:
            ProofRefused: it is malformed, for another request or token, too old, or was used.
            Unavailable: it cannot be known whether it was used.
        """
        try:
            key, claims = _read(proof)
            issued = int(claims["iat"])
            right = claims["htm"] == method and claims["htu"].split("?")[0].split("#")[0] == self._issuer + path
            jti = str(claims["jti"])
            thumbprint = key.thumbprint()
        except (JoseError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise ProofRefused("The DPoP proof cannot be read.") from error
        if not right or not jti:
            raise ProofRefused("The DPoP proof is for another request.")
        if not unix_seconds() - ACCEPTED_SECONDS <= issued <= unix_seconds() + _CLOCK_SECONDS:
            raise ProofRefused("The DPoP proof is too old, or from the future; make one for each request.")
        if token is not None and claims.get("ath") != hashed(token.encode()):
            raise ProofRefused("The DPoP proof is for another access token.")
        name = f"dpop:{thumbprint}:{hashed(jti.encode())}"
        if not await self._single_use.first(name, seconds=ACCEPTED_SECONDS + _CLOCK_SECONDS):
            raise ProofRefused("This DPoP proof was used; make one for each request.")
        return Binding("jkt", thumbprint)


def certificate_binding(der: bytes) -> Binding:
    """What a token is bound to that is for the holder of this certificate."""
    return Binding("x5t#S256", hashed(der))


def hashed(data: bytes) -> str:
    """Base64url of the SHA-256, as JOSE writes it."""
    return urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _read(proof: str) -> tuple[ECKey | RSAKey | OKPKey, dict[str, Any]]:
    if len(proof) > _CHARACTERS_MAX:
        raise ValueError("too long")
    header = jws.extract_compact(proof.encode()).headers()
    if header["typ"] != "dpop+jwt" or header["alg"] not in ALGORITHMS or "d" in header["jwk"]:
        raise ValueError("not a DPoP proof")
    key = import_key(header["jwk"])
    if not isinstance(key, ECKey | RSAKey | OKPKey):
        raise TypeError("not a public key")
    if isinstance(key, RSAKey) and not _RSA_BITS[0] <= key.raw_value.key_size <= _RSA_BITS[1]:
        raise ValueError("RSA key size")
    return key, jwt.decode(proof, key, algorithms=[header["alg"]]).claims

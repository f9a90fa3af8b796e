"""How a client proves who it is at the token endpoint and its neighbours (RFC 6749 section 2.3)."""

import base64
import hmac
import json
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote_plus

from cryptography import x509
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from nsl.accounts.model import digest
from nsl.identity.errors import TokenRefused
from nsl.identity.model import AuthMethod, Client
from nsl.identity.service import Tenancy
from nsl.kit.clock import unix_seconds
from nsl.kit.replicas import SingleUse

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA")
ASSERTION_SECONDS_MAX: Final = 300
_CLOCK_SECONDS: Final = 5


class ClientAuthentication:
    """``issuer`` is the one audience that a client's assertion may name: this provider."""

    def __init__(self, tenancy: Tenancy, single_use: SingleUse, issuer: str) -> None:
        self._tenancy = tenancy
        self._single_use = single_use
        self._issuer = issuer

    async def client(self, fields: Mapping[str, str], authorization: str | None, certificate: bytes | None) -> Client:
        """The client that sent a form, by exactly one method: the one it is registered for.

        Raises:
            TokenRefused: ``invalid_client``, equal for an unknown client and a wrong proof; ``invalid_request`` for two
                proofs at once.
        """
        ways = [authorization is not None, "client_secret" in fields, "client_assertion" in fields]
        if sum(ways) > 1:
            raise TokenRefused("invalid_request", "Prove the client in one way only.")
        if "client_assertion" in fields:
            return await self._by_assertion(fields)
        if authorization is not None:
            name, secret = _basic(authorization)
            if fields.get("client_id", name) != name:
                raise TokenRefused("invalid_request", "client_id differs from the Basic credentials.")
            return await self._by_secret(name, secret, AuthMethod.BASIC)
        if "client_id" not in fields:
            raise TokenRefused("invalid_client", "Send client_id and client_secret, in the form or as HTTP Basic.")
        if "client_secret" in fields:
            return await self._by_secret(fields["client_id"], fields["client_secret"], AuthMethod.POST)
        return await self._without_secret(fields["client_id"], certificate)

    async def _by_secret(self, name: str, secret: str, method: AuthMethod) -> Client:
        client = await self._tenancy.find_client(name)
        expected = bytes(32) if client is None or client.first_party else client.secret_sha256
        matches = hmac.compare_digest(digest(secret), expected)
        if client is None or not matches or client.auth_method not in (None, method):
            raise _unknown()
        return client

    async def _without_secret(self, name: str, certificate: bytes | None) -> Client:
        client = await self._tenancy.find_client(name)
        if client is not None and client.auth_method is AuthMethod.NONE:
            return client
        if client is not None and client.auth_method is AuthMethod.TLS and certificate is not None:
            try:
                subject = x509.load_der_x509_certificate(certificate).subject.rfc4514_string()
            except ValueError as error:
                raise _unknown() from error
            if hmac.compare_digest(subject.encode(), (client.tls_subject_dn or "").encode()):
                return client
        raise _unknown()

    async def _by_assertion(self, fields: Mapping[str, str]) -> Client:
        """RFC 7523 section 3; the audience is the issuer alone (RFC 9700 section 2.5's follow-up)."""
        if fields.get("client_assertion_type") != ASSERTION_TYPE:
            raise TokenRefused("invalid_request", f"client_assertion_type is {ASSERTION_TYPE}.")
        assertion = fields["client_assertion"]
        try:
            parsed = jws.extract_compact(assertion.encode())
            name = fields.get("client_id") or _issuer_of(parsed.payload)
            client = await self._tenancy.find_client(name)
            if client is None or client.auth_method is not AuthMethod.PRIVATE_KEY_JWT or client.jwks is None:
                raise _unknown()
            algorithm = str(parsed.headers()["alg"])
            if algorithm not in ALGORITHMS:
                raise _unknown()
            keys = KeySet.import_key_set({"keys": list(client.jwks["keys"])})
            claims = jwt.decode(assertion, keys, algorithms=[algorithm]).claims
            lifetime = int(claims["exp"]) - unix_seconds()
            right = claims["iss"] == claims["sub"] == str(client.id) and claims["aud"] in (self._issuer, [self._issuer])
            right = right and int(claims.get("nbf", 0)) <= unix_seconds() + _CLOCK_SECONDS
            jti = str(claims["jti"])
        except (JoseError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise _unknown() from error
        if not right or not -_CLOCK_SECONDS < lifetime <= ASSERTION_SECONDS_MAX or not jti:
            raise _unknown()
        name = f"assertion:{client.id}:{jti}"
        if not await self._single_use.first(name, seconds=ASSERTION_SECONDS_MAX + _CLOCK_SECONDS):
            raise TokenRefused("invalid_client", "This assertion was used; make one for each request.")
        return client


def _issuer_of(payload: bytes) -> str:
    return str(json.loads(payload)["iss"])


def _basic(authorization: str) -> tuple[str, str]:
    kind, _, encoded = authorization.partition(" ")
    if kind.lower() != "basic":
        raise TokenRefused("invalid_request", "Send the secret as HTTP Basic or in the form.")
    try:
        name, found, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError as error:
        raise TokenRefused("invalid_client", "The Basic credentials cannot be read.") from error
    if not found:
        raise TokenRefused("invalid_client", "The Basic credentials cannot be read.")
    return unquote_plus(name), unquote_plus(secret)


def _unknown() -> TokenRefused:
    return TokenRefused("invalid_client", "The client is unknown, its proof is wrong, or it is registered for another.")

"""Access tokens (RFC 9068, RS256): issued, verified once, remembered until something ends their authority."""

from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from joserfc import jws, jwt
from joserfc.errors import JoseError

from nsl.identity import store
from nsl.identity.errors import BadToken, TenantClosed
from nsl.identity.model import FIRST_PARTY, TOKEN_SECONDS, Binding, Caller, Client, TenantStatus, scopes_of
from nsl.identity.service.keyring import Keyring
from nsl.identity.service.revocation import Revocations
from nsl.identity.store import Standing
from nsl.kit.clock import monotonic, unix_seconds
from nsl.kit.db import Connection, Database
from nsl.kit.ids import new_id
from nsl_protocol.enclave.messages import TokenKind

TOKENS_REMEMBERED_MAX: Final = 20_000
TOKEN_CHARACTERS_MAX: Final = 8192
_ALGORITHM: Final = "RS256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whom a token is to stand for. ``session`` None: a client on its own.

    ``actor`` acts for the subject by the delegation of this id.
    """

    id: UUID
    tenant: UUID
    roles: tuple[str, ...]
    session: UUID | None = None
    authenticated_at: int | None = None
    amr: tuple[str, ...] = ()
    actor: str | None = None
    delegation: UUID | None = None


@dataclass(frozen=True, slots=True)
class AccessToken:
    token: str
    expires_in: int
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token of ours says, its signature checked."""

    caller: Caller
    jti: str
    kid: str
    expires: int
    issued: int
    delegation: UUID | None

    @property
    def targets(self) -> tuple[str, ...]:
        """What may be revoked that this token rests on."""
        caller = self.caller
        found = [f"token:{self.jti}", f"key:{self.kid}", f"tenant:{caller.tenant}", f"client:{caller.client}"]
        found += [f"subject:{caller.subject}", f"session:{caller.session}", f"roles:{caller.tenant}"]
        if self.delegation is not None:
            found += [f"delegation:{self.delegation}", f"subject:{caller.actor}"]
        return tuple(found)


@dataclass(frozen=True, slots=True)
class _Remembered:
    """A token that was verified; ``until`` is of the monotonic clock."""

    caller: Caller
    until: float
    targets: tuple[str, ...]


def acr_of(amr: tuple[str, ...]) -> str:
    """How strongly a person signed in: ``aal2`` with two factors or a passkey, else ``aal1`` (NIST SP 800-63B)."""
    return "aal2" if {"mfa", "hwk"} & set(amr) else "aal1"


class Tokens:
    """Issues and verifies access tokens. ``issuer`` is also the audience: the API itself."""

    def __init__(self, database: Database, keyring: Keyring, revocations: Revocations, issuer: str) -> None:
        self._database = database
        self._keyring = keyring
        self._revocations = revocations
        self.issuer = issuer
        self._remembered: OrderedDict[str, _Remembered] = OrderedDict()
        self._resting_on: defaultdict[str, set[str]] = defaultdict(set)
        self._keys_changed = False
        revocations.listen(self._forget)

    async def issue(
        self,
        client: Client,
        subject: Subject,
        scopes: tuple[str, ...],
        *,
        binding: Binding | None = None,
        seconds: int = TOKEN_SECONDS,
    ) -> AccessToken:
        """A token of at most ten minutes. Raises EnclaveDown."""
        issued = unix_seconds()
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "sub": str(subject.id),
            "aud": self.issuer,
            "client_id": str(client.id),
            "tenant": str(subject.tenant),
            "scope": " ".join(scopes),
            "roles": list(subject.roles),
            "sid": str(subject.session or new_id()),
            "jti": new_id().hex,
            "iat": issued,
            "exp": issued + min(seconds, TOKEN_SECONDS),
        }
        if subject.session is not None:
            claims |= {"auth_time": subject.authenticated_at, "amr": list(subject.amr), "acr": acr_of(subject.amr)}
        if subject.actor is not None:
            claims["act"] = {"sub": subject.actor}
        if subject.delegation is not None:
            claims["delegation"] = str(subject.delegation)
        if binding is not None:
            claims["cnf"] = {binding.kind: binding.thumbprint}
        token = await self._keyring.sign(TokenKind.ACCESS, claims)
        return AccessToken(token, claims["exp"] - issued, scopes)

    def known(self, token: str) -> Caller | None:
        """Whoever a token stands for that was verified before; None: ask ``verify``."""
        entry = self._remembered.get(token)
        if entry is None or not self._revocations.confirmed() or monotonic() >= entry.until:
            return None
        return entry.caller

    async def verify(self, token: str) -> Caller:
        """Whoever a bearer token stands for, with the authority that holds now.

        Raises:
            BadToken: it is not a valid token of ours, or what it rests on was ended.
            TenantClosed: its tenant is suspended.
        """
        return (await self.inspect(token)).caller

    async def inspect(self, token: str) -> Claims:
        """The same, with what else the token says."""
        if self._keys_changed:
            self._keys_changed = False
            await self._keyring.reload()
        claims = await self.read(token)
        remaining = claims.expires - unix_seconds()
        if remaining <= 0:
            raise BadToken("The access token has expired; ask for a new one.")
        generation = self._revocations.generation
        standing = await self._standing(claims)
        caller = _caller(claims, standing)
        seconds = remaining if standing.changes_in is None else min(remaining, standing.changes_in)
        if generation == self._revocations.generation:
            self._remember(token, _Remembered(caller, monotonic() + seconds, claims.targets))
        return Claims(caller, claims.jti, claims.kid, claims.expires, claims.issued, claims.delegation)

    async def read(self, token: str) -> Claims:
        """Check the signature and every claim but the expiry. Raises BadToken."""
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise BadToken("The access token is too long to be one of ours.")
        try:
            header = jws.extract_compact(token.encode()).headers()
            kid = str(header["kid"])
            key = await self._keyring.verifying(kid)
            found = jwt.decode(token, key, algorithms=[_ALGORITHM]).claims
            ours = header["typ"] == TokenKind.ACCESS and found["iss"] == found["aud"] == self.issuer
            claims = _claims(found, kid)
        except (JoseError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise BadToken("The access token is not valid here; ask for a new one.") from error
        if not ours or set(header) != {"alg", "typ", "kid"}:
            raise BadToken("The access token was issued elsewhere, or for something else.")
        return claims

    async def _standing(self, claims: Claims) -> Standing:
        caller = claims.caller
        async with self._database.transaction(caller.tenant) as connection:
            return await store.standing(connection, caller, claims.jti, claims.delegation)

    def _remember(self, token: str, entry: _Remembered) -> None:
        self._drop(token)
        self._remembered[token] = entry
        for target in entry.targets:
            self._resting_on[target].add(token)
        if len(self._remembered) > TOKENS_REMEMBERED_MAX:
            self._drop(next(iter(self._remembered)))

    def _drop(self, token: str) -> None:
        entry = self._remembered.pop(token, None)
        for target in () if entry is None else entry.targets:
            tokens = self._resting_on[target]
            tokens.discard(token)
            if not tokens:
                del self._resting_on[target]

    def _forget(self, targets: frozenset[str]) -> None:
        for target in targets:
            self._keys_changed |= target.startswith("key:")
            for token in list(self._resting_on.get(target, ())):
                self._drop(token)


async def revoke_access_token(connection: Connection, claims: Claims) -> None:
    """Note that this one token has ended, until it would have expired (RFC 7009)."""
    await store.revoke_token(connection, claims.caller.tenant, claims.jti, claims.expires)


def _claims(found: dict[str, Any], kid: str) -> Claims:
    """Raises KeyError, ValueError, TypeError, AttributeError for claims that are not those of our tokens."""
    person = "auth_time" in found
    act = found.get("act")
    cnf = found.get("cnf")
    binding = None if cnf is None else Binding(*next(iter(cnf.items())))
    caller = Caller(
        subject=str(UUID(found["sub"])),
        tenant=UUID(found["tenant"]),
        client=UUID(found["client_id"]),
        scopes=frozenset(found["scope"].split()),
        plan=store.NO_PLAN,
        person=person,
        session=UUID(found["sid"]) if person else None,
        roles=tuple(found["roles"]),
        actor=None if act is None else str(UUID(act["sub"])),
        authenticated_at=int(found["auth_time"]) if person else 0,
        amr=tuple(found["amr"]) if person else (),
        binding=binding,
    )
    delegation = found.get("delegation")
    return Claims(
        caller=caller,
        jti=str(found["jti"]),
        kid=kid,
        expires=int(found["exp"]),
        issued=int(found["iat"]),
        delegation=None if delegation is None else UUID(delegation),
    )


def _caller(claims: Claims, standing: Standing) -> Caller:
    """The token's authority cut down to what its subject may do now. Raises BadToken, TenantClosed."""
    said = claims.caller
    if standing.tenant_status is not TenantStatus.ACTIVE:
        raise TenantClosed(f"The tenant is {standing.tenant_status}; ask the platform's administrator.")
    if said.client not in FIRST_PARTY and standing.client_scopes is None:
        raise BadToken("The client of this access token is not there any more.")
    if standing.token_revoked or not standing.subject_active or not standing.delegation_active:
        raise BadToken("The access token was revoked, or its session ended; sign in again.")
    # Scopes without a colon say what is learned of the person (openid, email): they are nobody's authority.
    learned = frozenset(scope for scope in said.scopes if ":" not in scope)
    allowed: frozenset[str] = said.scopes - learned
    if standing.client_scopes is not None:
        allowed &= standing.client_scopes
    held: frozenset[str] = allowed
    if said.person:
        held = allowed & scopes_of(standing.roles, standing.custom_roles)
    return Caller(
        subject=said.subject,
        tenant=said.tenant,
        client=said.client,
        scopes=held | learned,
        plan=standing.plan,
        person=said.person,
        session=said.session,
        roles=standing.roles if said.person else said.roles,
        grants=frozenset((scope, thing) for scope, thing in standing.grants if scope in allowed),
        actor=said.actor,
        authenticated_at=said.authenticated_at,
        amr=said.amr,
        binding=said.binding,
    )

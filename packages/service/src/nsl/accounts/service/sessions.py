"""Sessions, and the tokens of a person: access tokens of minutes, refresh tokens that are used once.

A refresh token that comes a second time was stolen or its answer was lost. Within ``GRACE_SECONDS``, and if nothing
that came of it was used, it is taken for lost and answered again; else the whole family ends (RFC 9700 section 4.14).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from nsl.accounts import store
from nsl.accounts.errors import NoTenant, RefreshRefused
from nsl.accounts.model import (
    GRACE_SECONDS,
    REFRESH_SECONDS,
    SESSION_SECONDS,
    Origin,
    RefreshToken,
    Session,
    digest,
)
from nsl.identity.model import FIRST_PARTY, Binding, Caller, Client
from nsl.identity.service import AccessToken, Revocations, Subject, Tokens, note_by, roles_in
from nsl.kit.clock import now, random_text
from nsl.kit.db import Connection, Database, work_as, work_for
from nsl.kit.ids import new_id


@dataclass(frozen=True, slots=True)
class Issued:
    """``refresh`` None: the person has to come again."""

    access: AccessToken
    refresh: str | None
    session: Session


@dataclass(frozen=True, slots=True)
class _Next:
    """What a refresh token is exchanged for."""

    token: RefreshToken
    session: Session
    roles: tuple[str, ...]
    held: frozenset[str]


class Sessions:
    """Opens, continues, lists and ends them."""

    def __init__(self, database: Database, tokens: Tokens, revocations: Revocations) -> None:
        self._database = database
        self._tokens = tokens
        self._revocations = revocations

    async def open(
        self, user: UUID, tenant: UUID | None, amr: tuple[str, ...], origin: Origin, *, browser: bool = False
    ) -> tuple[Session, str | None]:
        """A session, and for a browser its cookie. Raises NoTenant."""
        cookie = random_text() if browser else None
        moment = now()
        async with self._database.transaction(subject=user) as connection:
            chosen = await _tenant(connection, user, tenant)
            made = Session(
                id=new_id(),
                tenant=chosen,
                user=user,
                amr=amr,
                authenticated_at=moment,
                address=origin.address,
                agent=origin.agent[:200],
                created_at=moment,
                expires_at=moment,
            )
            sha256 = None if cookie is None else digest(cookie)
            seconds = SESSION_SECONDS if browser else REFRESH_SECONDS
            made = await store.insert_session(connection, made, cookie_sha256=sha256, seconds=seconds)
            await note_by(
                connection, chosen, "session.opened", str(user), str(made.id), amr=list(amr), address=origin.address
            )
        return made, cookie

    async def sign_in(
        self, user: UUID, tenant: UUID | None, amr: tuple[str, ...], origin: Origin, client: Client
    ) -> Issued:
        """A session for one of our own applications, with tokens for all that the person may. Raises NoTenant."""
        session, _ = await self.open(user, tenant, amr, origin)
        return await self.issue(client, session, None)

    async def issue(
        self, client: Client, session: Session, scopes: tuple[str, ...] | None, *, binding: Binding | None = None,
        refresh: bool = True,
    ) -> Issued:  # fmt: skip
        """Tokens of a session: these scopes as far as the person holds them, or None: all. Raises NoTenant."""
        async with self._database.transaction(session.tenant, subject=session.user) as connection:
            found = await roles_in(connection, session.tenant, session.user)
            if found is None:
                raise NoTenant("You do not belong to this tenant, or it is suspended.")
            roles, held = found
            granted = tuple(sorted(held)) if scopes is None else scopes
            token = None
            if refresh:
                token = await self._refresh_token(connection, client, session, granted, binding, new_id())
        return Issued(await self._access(client, session, roles, granted, held, binding), token, session)

    async def refresh(
        self, client: Client | None, text: str, scopes: frozenset[str] | None, binding: Binding | None
    ) -> tuple[Issued, Client]:
        """The next tokens of a family. ``client`` None: one of our own applications, whichever it is.

        Raises:
            RefreshRefused: unknown, used, revoked, another client's, or without the proof that it is bound to.
        """
        sha256 = digest(text)
        async with self._database.transaction() as connection:
            row = await store.one(connection, "refresh_token_tenant", sha256=sha256)
        tenant = None if row is None else row["tenant"]
        if tenant is None:
            raise _refused()
        reused = False
        async with self._database.transaction(tenant) as connection:
            found = await store.refresh_token(connection, sha256)
            if found is None:
                raise _refused()
            token, made_at = found
            await work_as(connection, token.user)
            using = FIRST_PARTY.get(token.client) if client is None else client
            if using is None or using.id != token.client or token.binding != binding:
                raise _refused()
            if token.revoked or token.expires_at <= now():
                raise _refused()
            if token.used_at is not None and not await _was_lost(connection, token, made_at):
                reused = True
                await self._end_family(connection, token)
            else:
                following = await self._follow(connection, token, scopes)
                text = await self._next(connection, using, following)
        if reused:
            await self._revocations.announce()
            raise _refused()
        granted = following.token.scopes
        access = await self._access(using, following.session, following.roles, granted, following.held, binding)
        return Issued(access, text, following.session), using

    async def _follow(self, connection: Connection, token: RefreshToken, scopes: frozenset[str] | None) -> _Next:
        session = await store.session(connection, token.session)
        found = await roles_in(connection, token.tenant, token.user)
        if session is None or found is None or (scopes is not None and not scopes <= set(token.scopes)):
            raise _refused()
        roles, held = found
        # A smaller scope is this access token's, not the family's (RFC 6749 section 6).
        asked = token.scopes if scopes is None else tuple(sorted(scopes))
        return _Next(replace(token, scopes=asked), session, roles, held)

    async def _next(self, connection: Connection, client: Client, following: _Next) -> str:
        token = following.token
        await store.do(connection, "use_refresh_token", sha256=token.sha256)
        await store.do(connection, "revoke_unused", family=token.family)
        kept = await store.refresh_token(connection, token.sha256)
        scopes = token.scopes if kept is None else kept[0].scopes
        return await self._refresh_token(connection, client, following.session, scopes, token.binding, token.family)

    async def _end_family(self, connection: Connection, token: RefreshToken) -> None:
        await store.do(connection, "revoke_family", family=token.family)
        await store.do(connection, "revoke_session", id=token.session, user_id=token.user)
        await note_by(connection, token.tenant, "refresh-token.reused", str(token.user), str(token.session))
        await self._revocations.revoke(connection, [f"session:{token.session}"])

    async def _refresh_token(
        self,
        connection: Connection,
        client: Client,
        session: Session,
        scopes: tuple[str, ...],
        binding: Binding | None,
        family: UUID,
    ) -> str:
        text = random_text()
        made = RefreshToken(
            sha256=digest(text),
            tenant=session.tenant,
            family=family,
            user=session.user,
            client=client.id,
            session=session.id,
            scopes=scopes,
            binding=binding,
            used_at=None,
            revoked=False,
            expires_at=now() + timedelta(seconds=REFRESH_SECONDS),
        )
        await store.insert_refresh_token(connection, made)
        return text

    async def _access(
        self,
        client: Client,
        session: Session,
        roles: tuple[str, ...],
        scopes: tuple[str, ...],
        held: frozenset[str],
        binding: Binding | None,
    ) -> AccessToken:
        subject = Subject(
            id=session.user,
            tenant=session.tenant,
            roles=roles,
            session=session.id,
            authenticated_at=int(session.authenticated_at.timestamp()),
            amr=session.amr,
        )
        granted = tuple(scope for scope in scopes if scope in held or ":" not in scope)
        return await self._tokens.issue(client, subject, granted, binding=binding)

    async def switch(self, caller: Caller, tenant: UUID, origin: Origin, client: Client) -> Issued:
        """The same person in another tenant, as strongly signed in as before. Raises NoTenant."""
        async with self._database.transaction(caller.tenant, subject=caller.id) as connection:
            present = None if caller.session is None else await store.session(connection, caller.session)
            if present is None:
                raise NoTenant("Sign in again to work in another tenant.")
            await _tenant(connection, caller.id, tenant)
            moment = now()
            made = replace(present, id=new_id(), tenant=tenant, address=origin.address, created_at=moment)
            made = await store.insert_session(connection, made, cookie_sha256=None, seconds=REFRESH_SECONDS)
        return await self.issue(client, made, None)

    async def fork(self, session: Session) -> Session:
        """A session for an application that goes on when the browser's has ended."""
        async with self._database.transaction(session.tenant, subject=session.user) as connection:
            made = replace(session, id=new_id(), created_at=now())
            return await store.insert_session(connection, made, cookie_sha256=None, seconds=REFRESH_SECONDS)

    async def revoke_refresh(self, client: Client, text: str) -> bool:
        """End a refresh token's family (RFC 7009), and a session that was only for it; False: none of the client's."""
        sha256 = digest(text)
        async with self._database.transaction() as connection:
            row = await store.one(connection, "refresh_token_tenant", sha256=sha256)
        if row is None or row["tenant"] is None:
            return False
        async with self._database.transaction(row["tenant"]) as connection:
            ended = await store.every(connection, "revoke_family_of", sha256=sha256, client_id=client.id)
            if not ended:
                return False
            session, user = ended[0]["session_id"], ended[0]["user_id"]
            browser = await store.one(connection, "session_has_browser", id=session)
            await note_by(connection, row["tenant"], "refresh-token.revoked", str(client.id), str(user))
        if browser is None or not browser["browser"]:
            await self.end(user, session, str(client.id))
        return True

    async def refresh_standing(self, text: str) -> RefreshToken | None:
        """A refresh token that could be used now (RFC 7662)."""
        sha256 = digest(text)
        async with self._database.transaction() as connection:
            row = await store.one(connection, "refresh_token_tenant", sha256=sha256)
        if row is None or row["tenant"] is None:
            return None
        async with self._database.transaction(row["tenant"]) as connection:
            found = await store.refresh_token(connection, sha256)
        if found is None or found[0].revoked or found[0].used_at is not None or found[0].expires_at <= now():
            return None
        return found[0]

    async def of_cookie(self, cookie: str) -> Session | None:
        """The browser's session, if it goes on."""
        async with self._database.transaction() as connection:
            row = await store.one(connection, "session_by_cookie", sha256=digest(cookie))
            if row is None:
                return None
            await work_for(connection, row["tenant_id"])
            await work_as(connection, row["user_id"])
            if await roles_in(connection, row["tenant_id"], row["user_id"]) is None:
                return None
            return await store.session(connection, row["id"])

    async def of(self, tenant: UUID, session: UUID) -> Session | None:
        """A session of a tenant that goes on."""
        async with self._database.transaction(tenant) as connection:
            return await store.session(connection, session)

    async def page(self, caller: Caller, *, after: UUID | None, limit: int) -> tuple[list[Session], UUID | None]:
        """The caller's own sessions, in all tenants, and where the next page begins."""
        async with self._database.transaction(caller.tenant, subject=caller.id) as connection:
            found = await store.sessions(connection, caller.id, after=after, limit=limit + 1)
        return found[:limit], found[limit - 1].id if len(found) > limit else None

    async def end(self, user: UUID, session: UUID, by: str) -> bool:
        """End one of a person's sessions; its tokens end within a second. False when there is none."""
        async with self._database.transaction(subject=user) as connection:
            found = await store.session(connection, session)
            if found is None or found.user != user:
                return False
            await work_for(connection, found.tenant)
            await store.one(connection, "revoke_session", id=session, user_id=user)
            await store.do(connection, "notify_clients", session_id=session, user_id=user)
            await note_by(connection, found.tenant, "session.ended", by, str(session))
            await self._revocations.revoke(connection, [f"session:{session}"])
        await self._revocations.announce()
        return True

    async def end_all(self, connection: Connection, user: UUID, *, but: UUID | None = None) -> datetime:
        """Inside a transaction as this person: end every session but one. Announce it after the commit."""
        rows = await store.every(connection, "revoke_sessions", user_id=user, but=but)
        await self._revocations.revoke(connection, [f"session:{row['id']}" for row in rows] or [f"subject:{user}"])
        return now()


async def _tenant(connection: Connection, user: UUID, wanted: UUID | None) -> UUID:
    """The tenant to work in: the one asked for, else the first in which anything can be done. Raises NoTenant."""
    own = await store.memberships(connection, user)
    for tenant in own if wanted is None else [each for each in own if each == wanted]:
        await work_for(connection, tenant)
        if await roles_in(connection, tenant, user) is not None:
            return tenant
    raise NoTenant("You belong to no such tenant, or it is suspended; ask its administrator for an invitation.")


async def _was_lost(connection: Connection, token: RefreshToken, made_at: datetime) -> bool:
    """Whether a token that was used comes again because its answer was lost."""
    if token.used_at is None or now() - token.used_at > timedelta(seconds=GRACE_SECONDS):
        return False
    row = await store.one(connection, "used_in_family", family=token.family, after=made_at)
    return row is not None and not row["used"]


def _refused() -> RefreshRefused:
    return RefreshRefused("This refresh token is unknown, was used or revoked, or is not yours; sign in again.")

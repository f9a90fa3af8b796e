"""How people come to be here: by registering, by an invitation, by a provisioning client; and their mails.

Mails say what has to be said to the owner of an address alone; answers never tell whether there is an account.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from nsl.accounts import store
from nsl.accounts.errors import RegistrationClosed, TooManyAttempts
from nsl.accounts.model import User, email_address, link_data
from nsl.accounts.service.passwords import Passwords
from nsl.accounts.service.sessions import Sessions
from nsl.accounts.service.signing_in import SigningIn
from nsl.identity.errors import NameTaken, UserNotFound
from nsl.identity.model import Caller, Role
from nsl.identity.service import Directory, Revocations, found_tenant, join, make, note, note_by, take
from nsl.kit.db import Connection, Database, work_as, work_for
from nsl.kit.errors import Missing
from nsl.kit.ids import new_id
from nsl.kit.replicas import Attempts

VERIFY_SECONDS: Final = 86_400
RESET_SECONDS: Final = 1800
INVITATION_SECONDS: Final = 7 * 86_400
MAILS_PER_HOUR: Final = 5


class Registration:
    """``open`` False: only people who are invited or provisioned come in."""

    def __init__(
        self,
        database: Database,
        passwords: Passwords,
        sessions: Sessions,
        signing_in: SigningIn,
        directory: Directory,
        revocations: Revocations,
        attempts: Attempts,
        issuer: str,
        *,
        open_to_all: bool,
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._sessions = sessions
        self._signing_in = signing_in
        self._directory = directory
        self._revocations = revocations
        self._attempts = attempts
        self._issuer = issuer
        self._open = open_to_all

    async def register(self, email: str, password: str, display_name: str | None) -> None:
        """Mail a link that makes the account usable; or, to its owner, that there is one.

        Raises:
            RegistrationClosed, PasswordWeak, Busy, TooManyAttempts.
        """
        if not self._open:
            raise RegistrationClosed("Nobody registers by themselves here; ask a tenant's administrator to invite you.")
        address = email_address(email)
        await self._passwords.check_strength(password, address, display_name or "")
        await self._count_mail(address)
        hashed = await self._passwords.hash(password)
        async with self._database.transaction() as connection:
            known = await store.user_by(connection, "email", email=address)
            user = known or new_id()
            await work_as(connection, user)
            if known is None:
                name = display_name or address.partition("@")[0]
                await store.insert_user(connection, user, address, name, verified=False)
            person = await store.user(connection, user)
            if person is None or person.email_verified:
                await store.insert_mail(connection, address, "You have an account", _TAKEN)
                return
            # Nobody owns an address that is not verified: the last one to register chooses the password.
            await store.do(connection, "set_password", id=user, hash=hashed)
            await self._mail_link(connection, address, "verify-email", user, VERIFY_SECONDS, _VERIFY)

    async def verify_email(self, token: str) -> None:
        """The address is the person's; who belongs nowhere yet gets a tenant of their own. Raises LinkInvalid."""
        async with self._database.transaction() as connection:
            data = link_data(await take(connection, "verify-email", token))
            user = UUID(data["user"])
            await work_as(connection, user)
            await store.do(connection, "verify_email", id=user)
            person = await store.user(connection, user)
            if person is not None and not await store.memberships(connection, user):
                tenant = await found_tenant(connection, person.display_name)
                await join(connection, tenant, user, [Role.TENANT_ADMIN])
                await note_by(connection, tenant, "user.registered", str(user), str(user))

    async def forgot_password(self, email: str) -> None:
        """Mail a link to reset it, if there is such an account. Raises TooManyAttempts."""
        address = email_address(email)
        await self._count_mail(address)
        async with self._database.transaction() as connection:
            user = await store.user_by(connection, "email", email=address)
            if user is None:
                # As much work as for somebody who is known.
                await make(connection, "nothing", {"user": str(new_id())}, seconds=RESET_SECONDS)
                return
            await self._mail_link(connection, address, "reset-password", user, RESET_SECONDS, _RESET)

    async def reset_password(self, token: str, password: str) -> None:
        """By a mailed link: a new password, and every session ends. Second factors stay.

        Raises:
            LinkInvalid, PasswordWeak, Busy.
        """
        await self._passwords.check_strength(password)
        hashed = await self._passwords.hash(password)
        async with self._database.transaction() as connection:
            data = link_data(await take(connection, "reset-password", token))
            user = UUID(data["user"])
            await work_as(connection, user)
            await store.do(connection, "set_password", id=user, hash=hashed)
            await store.do(connection, "verify_email", id=user)
            person = await store.user(connection, user)
            email = "" if person is None else person.email or ""
            await store.insert_mail(connection, email, "Your password was changed", _CHANGED)
            await self._sessions.end_all(connection, user)
        await self._revocations.announce()
        await self._signing_in.forget(email)

    async def change_password(self, caller: Caller, password: str) -> None:
        """By somebody who has just proved the present one; every other session ends. Raises PasswordWeak, Busy."""
        person = await self.person(caller)
        await self._passwords.check_strength(password, person.email or "", person.display_name)
        hashed = await self._passwords.hash(password)
        async with self._database.transaction(caller.tenant, subject=caller.id) as connection:
            await store.do(connection, "set_password", id=caller.id, hash=hashed)
            if person.email is not None:
                await store.insert_mail(connection, person.email, "Your password was changed", _CHANGED)
            await note(connection, caller, "password.changed", caller.subject)
            await self._sessions.end_all(connection, caller.id, but=caller.session)
        await self._revocations.announce()

    async def person(self, caller: Caller) -> User:
        """Whoever the caller is. Raises UserNotFound."""
        async with self._database.transaction(caller.tenant, subject=caller.id) as connection:
            found = await store.user(connection, caller.id)
        if found is None:
            raise UserNotFound("This token stands for no person.")
        return found

    async def person_of(self, user: UUID) -> User:
        """A person by their id. Raises UserNotFound."""
        async with self._database.transaction(subject=user) as connection:
            found = await store.user(connection, user)
        if found is None:
            raise UserNotFound("There is no such person.")
        return found

    async def tenants(self, caller: Caller) -> list[UUID]:
        """Where the caller may work."""
        async with self._database.transaction(caller.tenant, subject=caller.id) as connection:
            return await store.memberships(connection, caller.id)

    async def invite(self, caller: Caller, email: str, roles: Sequence[str]) -> dict[str, Any]:
        """Mail an invitation into the caller's tenant, good for a week.

        Raises:
            RoleUnknown, ScopeNotHeld, ScopeUnsuitable: the caller cannot give these roles.
        """
        address = email_address(email)
        await self._count_mail(address)
        async with self._database.transaction(caller.tenant) as connection:
            await self._directory.check_roles(connection, caller, roles)
            made = await store.one(
                connection,
                "insert_invitation",
                id=new_id(),
                tenant_id=caller.tenant,
                email=address,
                roles=list(roles),
                invited_by=caller.subject,
            )
            invitation = made or {}
            data = {"invitation": str(invitation["id"]), "tenant": str(caller.tenant)}
            token = await make(connection, "invitation", data, seconds=INVITATION_SECONDS)
            link = f"{self._issuer}/console/invitation#token={token}"
            await store.insert_mail(connection, address, "You are invited", _INVITED.format(link=link))
            await note(connection, caller, "user.invited", address, roles=list(roles))
        return invitation

    async def invitations(
        self, caller: Caller, *, after: UUID | None, limit: int
    ) -> tuple[list[dict[str, Any]], UUID | None]:
        """A page of those that nobody accepted yet, and where the next one begins."""
        async with self._database.transaction(caller.tenant) as connection:
            found = await store.every(connection, "invitations", tenant_id=caller.tenant, after=after, limit=limit + 1)
        return found[:limit], found[limit - 1]["id"] if len(found) > limit else None

    async def withdraw_invitation(self, caller: Caller, invitation: UUID) -> None:
        """Raises Missing."""
        async with self._database.transaction(caller.tenant) as connection:
            if await store.one(connection, "delete_invitation", id=invitation) is None:
                raise Missing("There is no such invitation, or it was accepted.")
            await note(connection, caller, "invitation.withdrawn", str(invitation))

    async def accept_invitation(self, token: str, password: str | None, display_name: str | None) -> None:
        """Join the tenant: with the account of that address, or a new one with this password.

        Raises:
            LinkInvalid, PasswordWeak, Busy.
        """
        hashed = None
        if password is not None:
            await self._passwords.check_strength(password, display_name or "")
            hashed = await self._passwords.hash(password)
        async with self._database.transaction() as connection:
            data = link_data(await take(connection, "invitation", token))
            tenant = UUID(data["tenant"])
            await work_for(connection, tenant)
            row = link_data(await store.one(connection, "accept_invitation", id=UUID(data["invitation"])))
            user = await self._known_or_new(connection, row["email"], display_name)
            await self._take_over(connection, user, hashed)
            await join(connection, tenant, user, row["roles"])
            await note_by(connection, tenant, "invitation.accepted", str(user), row["email"])

    async def provision(self, caller: Caller, email: str, display_name: str, external_id: str | None) -> UUID:
        """Let a person belong to the caller's tenant, without roles; they come in by a mailed link.

        Raises:
            NameTaken: they belong to it already.
        """
        address = email_address(email)
        async with self._database.transaction(caller.tenant) as connection:
            known = await store.user_by(connection, "email", email=address)
            user = await self._known_or_new(connection, address, display_name)
            if not await join(connection, caller.tenant, user, (), external_id):
                raise NameTaken("This person belongs to the tenant already.", field="userName")
            person = await store.user(connection, user)
            if known is None or person is None or not person.email_verified:
                await self._mail_link(connection, address, "reset-password", user, INVITATION_SECONDS, _PROVISIONED)
            await note(connection, caller, "user.provisioned", str(user))
        return user

    async def arrive(
        self,
        tenant: UUID,
        provider: UUID,
        subject: str,
        *,
        email: str | None,
        display_name: str,
        roles: tuple[str, ...],
    ) -> UUID | None:
        """Who somebody is that another provider knows as ``subject``; None for somebody who may not come in.

        ``email``: an address that the provider says is verified. It finds a member of the tenant whose own address is
        verified; it never takes over an account elsewhere. A newcomer comes in where the provider gives ``roles``.
        """
        async with self._database.transaction(tenant) as connection:
            known = await store.user_by(connection, "external_identity", provider_id=provider, subject=subject)
            if known is not None:
                return known
            user = None if email is None else await store.user_by(connection, "email", email=email_address(email))
            if user is not None:
                person = await store.user(connection, user)
                if person is None or not person.email_verified:
                    return None
                await work_as(connection, user)
            elif not roles:
                return None
            else:
                user = new_id()
                await work_as(connection, user)
                await store.insert_user(connection, user, email, display_name, verified=email is not None)
                await join(connection, tenant, user, roles)
            await store.do(connection, "insert_external_identity", provider_id=provider, subject=subject, id=user)
            await note_by(connection, tenant, "external-identity.linked", str(user), subject, provider=str(provider))
        return user

    async def disable(self, caller: Caller, user: UUID, *, disabled: bool) -> None:
        """Close an account everywhere, or open it again; by the platform's administrator. Raises UserNotFound."""
        async with self._database.transaction(caller.tenant, subject=user) as connection:
            if await store.one(connection, "disable_user", id=user, disabled=disabled) is None:
                raise UserNotFound("There is no such person.")
            await note(connection, caller, "account.disabled" if disabled else "account.enabled", str(user))
            if disabled:
                await self._sessions.end_all(connection, user)
            await self._revocations.revoke(connection, [f"subject:{user}"])
        await self._revocations.announce()

    async def _known_or_new(self, connection: Connection, address: str, display_name: str | None) -> UUID:
        """Whose the address is; the rest of the transaction is theirs."""
        user = await store.user_by(connection, "email", email=address) or new_id()
        await work_as(connection, user)
        name = display_name or address.partition("@")[0]
        await store.insert_user(connection, user, address, name, verified=False)
        return user

    async def _take_over(self, connection: Connection, user: UUID, hashed: str | None) -> None:
        """Whoever has the link reads the address's mail: the account is theirs, if nobody proved so before.

        A password that somebody chose without proving it must not open the account once it is verified.
        """
        person = await store.user(connection, user)
        proved = person is not None and person.email_verified
        if not proved:
            await store.do(connection, "delete_password", id=user)
        if hashed is not None and await store.one(connection, "password", id=user) is None:
            await store.do(connection, "set_password", id=user, hash=hashed)
        await store.do(connection, "verify_email", id=user)

    async def _mail_link(
        self, connection: Connection, address: str, purpose: str, user: UUID, seconds: int, text: str
    ) -> None:
        token = await make(connection, purpose, {"user": str(user)}, seconds=seconds)
        # After the #: what follows it is sent to no server and stands in no log.
        link = f"{self._issuer}/console/{purpose}#token={token}"
        subject, _, body = text.partition("\n")
        await store.insert_mail(connection, address, subject, body.format(link=link))

    async def _count_mail(self, address: str) -> None:
        if await self._attempts.failed(f"mail:{address}", forget_after_seconds=3600) > MAILS_PER_HOUR:
            raise TooManyAttempts("Too many mails to this address; try again in an hour.", retry_after_seconds=3600)


_VERIFY = (
    "Verify your address\nFollow this link to use your account of the Neo Service Layer:\n\n{link}\n\n"
    "If you did not register, do nothing: whoever did cannot use it without this link.\n"
)
_RESET = (
    "Reset your password\nFollow this link within half an hour to choose a new password:\n\n{link}\n\n"
    "If you did not ask for it, do nothing: your password stays.\n"
)
_PROVISIONED = "Your account\nAn account of the Neo Service Layer was made for you. Choose a password:\n\n{link}\n"
_INVITED = "You are invited to a tenant of the Neo Service Layer. Follow this link within a week:\n\n{link}\n"
_TAKEN = "Somebody, perhaps you, wanted to register this address again. Sign in, or reset your password.\n"
_CHANGED = "Your password was changed and you were signed out elsewhere. If it was not you, reset it at once.\n"

"""Authorization requests: pushed or sent by the browser, then a sign-in, a consent, and a code (RFC 6749, 7636, 9126).

A request that waits for the person is kept like a pushed one, under a ``request_uri`` that nobody can guess.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import msgspec

from nsl.accounts.model import Session
from nsl.identity.errors import TokenRefused
from nsl.identity.model import Client
from nsl.identity.service import OneTime, Tenancy, note_by
from nsl.kit.clock import unix_seconds
from nsl.kit.db import Database
from nsl.oauth import store
from nsl.oauth.errors import AuthorizationRefused, RequestUnusable
from nsl.oauth.model import (
    AuthorizationRequest,
    Code,
    answer_address,
    authorization_request,
    next_step,
    return_address,
)

PUSHED_SECONDS: Final = 60
WAITING_SECONDS: Final = 600
CODE_SECONDS: Final = 60
URN: Final = "urn:ietf:params:oauth:request_uri:"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where the browser goes: ``redirect``, or to a page of ours for ``step`` with this ``request_uri``."""

    step: str
    redirect: str | None = None
    request_uri: str | None = None
    request: AuthorizationRequest | None = None
    client: Client | None = None


class Authorization:
    """The authorization endpoint, without its pages."""

    def __init__(self, database: Database, tenancy: Tenancy, issuer: str) -> None:
        self._database = database
        self._tenancy = tenancy
        self._one_time = OneTime(database)
        self._issuer = issuer

    async def push(self, client: Client, fields: Mapping[str, str]) -> tuple[str, int]:
        """Keep a request for a minute: its ``request_uri``, and the seconds (RFC 9126).

        Raises:
            TokenRefused: the request is not right.
        """
        if "request_uri" in fields:
            raise TokenRefused("invalid_request", "A pushed request names no request_uri.")
        try:
            return_address(client, fields)
            request = authorization_request(client, fields, unix_seconds(), pushed=True)
        except AuthorizationRefused as refused:
            raise TokenRefused(refused.error, refused.detail) from refused
        except RequestUnusable as error:
            raise TokenRefused("invalid_request", error.detail) from error
        return await self._keep(request, PUSHED_SECONDS), PUSHED_SECONDS

    async def begin(self, fields: Mapping[str, str], session: Session | None) -> Outcome:
        """What happens to a request that a browser brings.

        Raises:
            RequestUnusable: nobody can be told where to go.
        """
        client = await self._tenancy.find_client(fields.get("client_id", ""))
        if client is None or not client.redirect_uris:
            raise RequestUnusable("There is no such application.", field="client_id")
        if "request_uri" in fields:
            request, uri = await self._kept(client, fields["request_uri"]), fields["request_uri"]
        else:
            address, uri = return_address(client, fields), None
            try:
                request = authorization_request(client, fields, unix_seconds(), pushed=False)
            except AuthorizationRefused as refused:
                return self._refused(address, fields.get("state"), refused)
        return await self._go_on(client, request, uri, session)

    async def consent(self, client_id: str, request_uri: str, session: Session, *, given: bool) -> Outcome:
        """The person's answer to the question whether the application may. Raises RequestUnusable."""
        client = await self._tenancy.find_client(client_id)
        if client is None:
            raise RequestUnusable("There is no such application.", field="client_id")
        request = await self._kept(client, request_uri)
        if not given:
            await self._one_time.take("authorization", request_uri.removeprefix(URN))
            return self._refused(
                request.redirect_uri, request.state, AuthorizationRefused("access_denied", "The person said no.")
            )
        if client.tenant not in (None, session.tenant):
            raise RequestUnusable("This application belongs to another tenant; switch to it first.")
        async with self._database.transaction(session.tenant) as connection:
            await store.do(
                connection,
                "give_consent",
                tenant_id=session.tenant,
                user_id=session.user,
                client_id=client.id,
                scopes=list(request.scopes),
            )
            detail = {"scopes": list(request.scopes)}
            await note_by(connection, session.tenant, "consent.given", str(session.user), str(client.id), **detail)
        agreed = msgspec.structs.replace(request, prompt=tuple(each for each in request.prompt if each != "consent"))
        return await self._go_on(client, agreed, request_uri, session)

    async def _go_on(
        self, client: Client, request: AuthorizationRequest, uri: str | None, session: Session | None
    ) -> Outcome:
        if session is not None and client.tenant not in (None, session.tenant):
            session = None
        try:
            consented = await self._consented(client, session)
            step = next_step(request, session, consented, unix_seconds()).step
        except AuthorizationRefused as refused:
            return self._refused(request.redirect_uri, request.state, refused)
        if step != "code" or session is None:
            waiting = await self._keep(request, WAITING_SECONDS, uri)
            return Outcome(step, request_uri=waiting, request=request, client=client)
        if uri is not None and await self._one_time.take("authorization", uri.removeprefix(URN)) is None:
            raise RequestUnusable("This request was answered; begin again in the application.", field="request_uri")
        return Outcome("code", redirect=await self._code(client, request, session))

    async def _code(self, client: Client, request: AuthorizationRequest, session: Session) -> str:
        code = Code(
            client=client.id,
            redirect_uri=request.redirect_uri,
            scopes=request.scopes,
            code_challenge=request.code_challenge,
            tenant=session.tenant,
            session=session.id,
            nonce=request.nonce,
            dpop_jkt=request.dpop_jkt,
        )
        text = await self._one_time.make("code", msgspec.to_builtins(code), seconds=CODE_SECONDS)
        answer = {"code": text, "state": request.state, "iss": self._issuer}
        return answer_address(request.redirect_uri, answer)

    async def _consented(self, client: Client, session: Session | None) -> frozenset[str]:
        if session is None:
            return frozenset()
        async with self._database.transaction(session.tenant) as connection:
            row = await store.one(connection, "consent", user_id=session.user, client_id=client.id)
        return frozenset() if row is None else frozenset(row["scopes"])

    async def _keep(self, request: AuthorizationRequest, seconds: int, uri: str | None = None) -> str:
        secret = None if uri is None else uri.removeprefix(URN)
        data: Any = msgspec.to_builtins(request)
        return URN + await self._one_time.make("authorization", data, seconds=seconds, secret=secret)

    async def _kept(self, client: Client, uri: str) -> AuthorizationRequest:
        data = await self._one_time.look("authorization", uri.removeprefix(URN)) if uri.startswith(URN) else None
        if data is None or UUID(data["client"]) != client.id:
            raise RequestUnusable("This request is unknown or too old; begin again.", field="request_uri")
        return msgspec.convert(data, AuthorizationRequest)

    def _refused(self, address: str, state: str | None, refused: AuthorizationRefused) -> Outcome:
        answer = {"error": refused.error, "error_description": refused.detail, "state": state, "iss": self._issuer}
        return Outcome("refused", redirect=answer_address(address, answer))

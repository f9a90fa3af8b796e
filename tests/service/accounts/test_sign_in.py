"""Signing in: locks, wallets, recovery codes, refresh tokens, and what a mail's link may do."""

import hashlib
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pyotp
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from eth_account import Account
from eth_account.messages import encode_defunct

from nsl_protocol.n3.keys import PublicKey
from nsl_protocol.n3.verification import account
from nsl_protocol.n3.wire import var_bytes
from tests.support.people import PASSWORD, Person, mailed_token, register
from tests.support.service import Service


@pytest.fixture(scope="module")
def mail(service: Service) -> Path:
    return Path(service.environment["NSL_MAIL_DIR"])


@pytest.fixture
def person(service: Service, mail: Path) -> Person:
    return register(service.base_url, mail)


def _post(service: Service, path: str, body: Any, **headers: str) -> httpx.Response:
    return httpx.post(service.base_url + path, json=body, headers=headers, timeout=20, trust_env=False)


def _code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize("exists", [True, False])
def test_failures_lock_an_identifier_whether_or_not_it_exists(service: Service, person: Person, exists: bool) -> None:
    email = person.email if exists else f"{uuid4().hex}@example.org"
    for _ in range(5):
        assert _code(_post(service, "/v1/auth/login", {"email": email, "password": "wrong"})) == (
            401,
            "INVALID_CREDENTIALS",
        )
    assert _code(_post(service, "/v1/auth/login", {"email": email, "password": "wrong"})) == (423, "ACCOUNT_LOCKED")
    if exists:  # the right password does not open a lock; a reset does
        assert _code(person.login()) == (423, "ACCOUNT_LOCKED")


def test_a_reset_ends_sessions_opens_the_lock_and_keeps_the_second_factor(
    service: Service, mail: Path, person: Person
) -> None:
    with person.client() as http:
        enrolled = http.post("/v1/auth/mfa/totp").json()
        code = pyotp.TOTP(enrolled["secret"]).now()
        assert http.post("/v1/auth/mfa/totp/confirm", json={"code": code}).status_code == 200
    for _ in range(6):
        _post(service, "/v1/auth/login", {"email": person.email, "password": "wrong"})
    assert _post(service, "/v1/auth/password/forgot", {"email": person.email}).status_code == 202
    token = mailed_token(mail, person.email, "Reset your password")
    assert _code(_post(service, "/v1/auth/password/reset", {"token": token, "password": "password"}))[0] == 422
    body = {"token": token, "password": PASSWORD + "-new"}
    assert _post(service, "/v1/auth/password/reset", body).status_code == 200
    assert _code(_post(service, "/v1/auth/password/reset", body)) == (422, "LINK_INVALID")
    person.password = body["password"]
    assert _code(person.login()) == (401, "OTP_REQUIRED")
    # A code that was taken is not taken again; a recovery code is, once.
    assert _code(person.login(otp=code)) == (401, "INVALID_CREDENTIALS")
    recovery = enrolled["recovery_codes"][0]
    assert person.login(otp=recovery).status_code == 200
    assert _code(person.login(otp=recovery)) == (401, "INVALID_CREDENTIALS")
    with person.client() as http:
        assert http.get("/v1/me").status_code == 401


def test_only_the_right_password_tells_that_an_address_is_not_verified(service: Service) -> None:
    email = f"{uuid4().hex}@example.org"
    assert _post(service, "/v1/auth/register", {"email": email, "password": PASSWORD}).status_code == 202
    assert _code(_post(service, "/v1/auth/login", {"email": email, "password": "wrong"}))[0] == 401
    body = {"email": email, "password": PASSWORD}
    assert _code(_post(service, "/v1/auth/login", body)) == (403, "EMAIL_NOT_VERIFIED")


def test_a_taken_address_is_answered_alike_and_its_owner_told(service: Service, mail: Path, person: Person) -> None:
    fresh = _post(service, "/v1/auth/register", {"email": f"{uuid4().hex}@example.org", "password": PASSWORD})
    taken = _post(service, "/v1/auth/register", {"email": person.email.upper(), "password": PASSWORD})
    assert (fresh.status_code, fresh.json()) == (taken.status_code, taken.json())


def test_an_invitation_drops_the_password_that_a_stranger_chose(service: Service, mail: Path, person: Person) -> None:
    """Somebody registers another's address; its owner is invited: the stranger's password must not open the account."""
    email = f"{uuid4().hex}@example.org"
    stranger = {"email": email, "password": PASSWORD}
    assert _post(service, "/v1/auth/register", stranger).status_code == 202
    with person.client() as http:
        assert http.post("/v1/invitations", json={"email": email, "roles": ["analyst"]}).status_code == 201
    token = mailed_token(mail, email, "You are invited")
    body = {"token": token, "password": PASSWORD + "-own"}
    assert _post(service, "/v1/auth/invitations/accept", body).status_code == 200
    assert _code(_post(service, "/v1/auth/login", stranger)) == (401, "INVALID_CREDENTIALS")
    signed_in = _post(service, "/v1/auth/login", {"email": email, "password": PASSWORD + "-own"})
    assert signed_in.status_code == 200, signed_in.text
    assert signed_in.json()["tenant_id"] == person.tokens["tenant_id"]


def test_refresh_tokens_are_used_once_and_reuse_ends_the_family(service: Service, person: Person) -> None:
    first = person.tokens["refresh_token"]
    second = _post(service, "/v1/auth/refresh", {"refresh_token": first}).json()["refresh_token"]
    # The answer may have been lost: once more within the grace, and what came of it before is void.
    third = _post(service, "/v1/auth/refresh", {"refresh_token": first})
    assert third.status_code == 200
    assert _post(service, "/v1/auth/refresh", {"refresh_token": second}).status_code == 401
    fourth = _post(service, "/v1/auth/refresh", {"refresh_token": third.json()["refresh_token"]})
    assert fourth.status_code == 200
    # Now that its successor was used, the first one was stolen.
    assert _code(_post(service, "/v1/auth/refresh", {"refresh_token": first})) == (401, "REFRESH_REFUSED")
    assert _post(service, "/v1/auth/refresh", {"refresh_token": fourth.json()["refresh_token"]}).status_code == 401
    headers = {"Authorization": f"Bearer {fourth.json()['access_token']}"}
    assert httpx.get(f"{service.base_url}/v1/me", headers=headers).status_code == 401


def test_sign_in_with_ethereum(service: Service) -> None:
    wallet = Account.create()
    challenge = {"chain": "neo-x", "address": wallet.address}
    message = _post(service, "/v1/auth/challenge", challenge).json()["message"]
    assert message.startswith("127.0.0.1:")
    assert f"\n{wallet.address}\n" in message
    assert "Chain ID: 12227332" in message
    signature = wallet.sign_message(encode_defunct(text=message)).signature.hex()
    other = Account.create().sign_message(encode_defunct(text=message)).signature.hex()
    proof = {"message": message, "signature": signature}
    answer = _post(service, "/v1/auth/wallet", proof)
    assert answer.status_code == 200, answer.text
    me = httpx.get(
        f"{service.base_url}/v1/me", headers={"Authorization": f"Bearer {answer.json()['access_token']}"}
    ).json()
    assert (me["kind"], me["roles"], me["email"]) == ("person", ["tenant-admin"], None)
    for wrong in (proof, proof | {"message": message + " "}, {"message": message, "signature": other}):
        assert _code(_post(service, "/v1/auth/wallet", wrong)) == (401, "INVALID_CREDENTIALS")
    again = _post(service, "/v1/auth/challenge", challenge).json()["message"]
    signature = wallet.sign_message(encode_defunct(text=again)).signature.hex()
    same = _post(service, "/v1/auth/wallet", {"message": again, "signature": signature}).json()
    assert same["tenant_id"] == answer.json()["tenant_id"]


def test_sign_in_with_a_neo_n3_wallet(service: Service) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    public = private.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    address = account(PublicKey(public)).address

    def proof(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
        message = _post(service, "/v1/auth/challenge", {"chain": "neo-n3", "address": address}).json()["message"]
        salt = hashlib.sha256(message.encode()).hexdigest()[:32]
        envelope = b"\x01\x00\x01\xf0" + var_bytes((salt + message).encode()) + b"\x00\x00"
        r, s = decode_dss_signature(key.sign(envelope, ec.ECDSA(hashes.SHA256())))
        signature = (r.to_bytes(32) + s.to_bytes(32)).hex()
        return {"message": message, "signature": signature, "public_key": public.hex(), "salt": salt}

    assert _post(service, "/v1/auth/wallet", proof(private)).status_code == 200
    other = ec.generate_private_key(ec.SECP256R1())
    assert _code(_post(service, "/v1/auth/wallet", proof(other))) == (401, "INVALID_CREDENTIALS")
    swapped = proof(other)
    swapped["public_key"] = other.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint).hex()
    assert _code(_post(service, "/v1/auth/wallet", swapped)) == (401, "INVALID_CREDENTIALS")
    assert _code(_post(service, "/v1/auth/wallet", proof(private) | {"salt": "00"}))[0] == 401


def test_a_role_of_ones_own_and_its_limits(service: Service, mail: Path, person: Person) -> None:
    with person.client() as http:
        body = {"name": "signer", "scopes": ["keys:sign"], "inherits": ["analyst"]}
        assert http.post("/v1/roles", json=body).status_code == 201
        assert http.post("/v1/roles", json=body).status_code == 409
        unknown = http.post("/v1/roles", json={"name": "other", "scopes": [], "inherits": ["nobody"]})
        assert _code(unknown) == (422, "ROLE_UNKNOWN")
        platform = http.post("/v1/roles", json={"name": "root", "scopes": ["platform:admin"]})
        assert _code(platform) == (403, "SCOPE_NOT_HELD")
        assert _code(http.post("/v1/invitations", json={"email": "a@example.org", "roles": ["platform-admin"]}))[0] in (
            403,
            422,
        )


def test_scim_keeps_people_and_groups_and_a_groups_roles_hold(service: Service, mail: Path, person: Person) -> None:
    email = f"{uuid4().hex}@example.org"
    with person.client() as http:
        made = http.post("/scim/v2/Users", json={"userName": email, "externalId": "e-1", "active": True})
        assert made.status_code == 201, made.text
        user = made.json()["id"]
        assert made.headers["content-type"].startswith("application/scim+json")
        assert http.post("/scim/v2/Users", json={"userName": email}).status_code == 409
        found = http.get("/scim/v2/Users", params={"filter": f'userName eq "{email.upper()}"'}).json()
        assert (found["totalResults"], found["Resources"][0]["id"]) == (1, user)
        assert http.get("/scim/v2/Users", params={"filter": "userName sw x"}).status_code == 400
        members = [{"value": user}]
        group = http.post("/scim/v2/Groups", json={"displayName": "Signers", "members": members}).json()["id"]
        assert http.put(f"/v1/groups/{group}/roles", json={"roles": ["key-user"]}).status_code == 200
        token = mailed_token(mail, email, "Your account")
        body = {"token": token, "password": PASSWORD}
        assert _post(service, "/v1/auth/password/reset", body).status_code == 200
        signed_in = _post(service, "/v1/auth/login", {"email": email, "password": PASSWORD}).json()
        assert set(signed_in["scope"].split()) == {
            "keys:read",
            "keys:sign",
            "keys:encrypt",
            "keys:decrypt",
            "keys:freeze",
        }
        remove = {"Operations": [{"op": "remove", "path": f'members[value eq "{user}"]'}]}
        assert http.patch(f"/scim/v2/Groups/{group}", json=remove).json()["members"] == []
        off = {"Operations": [{"op": "Replace", "value": {"active": False}}]}
        assert http.patch(f"/scim/v2/Users/{user}", json=off).json()["active"] is False
        assert _code(_post(service, "/v1/auth/login", {"email": email, "password": PASSWORD}))[0] == 403
        assert http.delete(f"/scim/v2/Users/{user}").status_code == 204
        assert http.get(f"/scim/v2/Users/{user}").status_code == 404

"""One valid call for every guarded endpoint, by operation: what the attacks are variations of."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from tests.attack.world import World

N3_ADDRESS = "NVNvVRW5Q5naSx2k2iZm7xRgtRNGuZppAK"
PLAN = {"requests_per_minute": 1_000_000, "key_requests_per_minute": 1_000_000}
MESSAGE = {"kind": "message", "payload": {"text": "x"}}
# The base point of Curve25519, whose private key everybody knows.
RECIPIENT = "09" + "00" * 31
IMPORT = {
    "id": "0190d5a7-0000-7000-8000-000000000000",
    "name": "x",
    "curve": "ed25519",
    "wrapping_key": RECIPIENT,
    "encrypted_key": "00" * 80,
}


def _fresh(prefix: str) -> str:
    return f"{prefix}-{uuid4().hex[:12]}"


def _email() -> str:
    return f"{uuid4().hex[:12]}@example.org"


@dataclass(frozen=True)
class Call:
    """``path``: by parameter, a value or what makes one. ``body``: JSON, or what makes it.

    ``reached``: the status of a call that the handler takes and cannot do, where doing it needs what no test can give.
    ``query``: what the URL ends with.
    ``own``: the thing named in the path is a tenant's, so that another tenant must not find it.
    """

    path: dict[str, str | Callable[["World"], str]] = field(default_factory=dict)
    body: Any = None
    query: str = ""
    reached: int | None = None
    own: bool = False

    def values(self, world: "World") -> dict[str, str]:
        """The path's parameters, made anew."""
        return {name: value if isinstance(value, str) else value(world) for name, value in self.path.items()}

    def json(self, world: "World") -> Any:
        """The body, made anew."""
        return self.body(world) if callable(self.body) else self.body


def _user(world: "World") -> str:
    return world.member()


AES = {"key_id": lambda w: w.secret_key("aes-256-gcm")}
HMAC = {"key_id": lambda w: w.secret_key("hmac-sha256")}

CALLS: dict[str, Call] = {
    # the provider, for people
    "userinfo": Call(),
    "postUserinfo": Call(),
    "createIdentityProvider": Call(
        body={"name": "x", "issuer": "https://127.0.0.1:9", "client_id": "a", "client_secret": "b"}, reached=422
    ),
    "listIdentityProviders": Call(),
    "deleteIdentityProvider": Call({"provider_id": lambda _: str(uuid4())}, reached=404),
    # one's own account
    "me": Call(),
    "logout": Call(),
    "switchTenant": Call(body=lambda w: {"tenant_id": w.tenant}),
    "enrolTotp": Call(),
    "confirmTotp": Call(body={"code": "000000"}, reached=401),
    "removeTotp": Call(),
    "passkeyOptions": Call(),
    "addPasskey": Call(body={"credential": {}}, reached=422),
    "listPasskeys": Call(),
    "removePasskey": Call({"passkey_id": lambda _: str(uuid4())}, reached=404),
    "linkWallet": Call(body={"message": "x", "signature": "00"}, reached=401),
    "listWallets": Call(),
    "unlinkWallet": Call({"chain": "neo-n3", "address": N3_ADDRESS}, reached=404),
    "listSessions": Call(),
    "endSession": Call({"session_id": lambda w: w.session()}, own=True),
    "changePassword": Call(body={"present_password": "no", "password": "another-horse-battery-77"}, reached=401),
    "createDelegation": Call(
        body=lambda w: {"to": w.member(), "scopes": ["keys:read"], "expires_at": "2100-01-01T00:00:00Z"}
    ),
    "listDelegations": Call(),
    "endDelegation": Call({"delegation_id": lambda w: w.delegation()}, own=True),
    # people of a tenant
    "invite": Call(body=lambda _: {"email": _email(), "roles": ["analyst"]}),
    "listInvitations": Call(),
    "withdrawInvitation": Call({"invitation_id": lambda w: w.invitation()}, own=True),
    "listUsers": Call(),
    "getUser": Call({"user_id": _user}, own=True),
    "changeUser": Call({"user_id": _user}, {"roles": ["analyst"]}, own=True),
    "disableUser": Call({"user_id": _user}, own=True),
    "enableUser": Call({"user_id": _user}, own=True),
    "removeUser": Call({"user_id": _user}, own=True),
    "listRoles": Call(),
    "createRole": Call(body=lambda _: {"name": _fresh("role"), "scopes": ["keys:read"]}),
    "changeRole": Call({"name": lambda w: w.role()}, {"scopes": []}, own=True),
    "deleteRole": Call({"name": lambda w: w.role()}, own=True),
    "createGrant": Call(
        body=lambda w: {"subject": w.member(), "scope": "keys:read", "resource": str(uuid4())}
    ),
    "listGrants": Call(),
    "deleteGrant": Call({"grant_id": lambda w: w.grant()}, own=True),
    "listAuditRecords": Call(),
    "setGroupRoles": Call({"group_id": lambda w: w.group()}, {"roles": ["analyst"]}, own=True),
    # provisioning
    "scimListUsers": Call(),
    "scimCreateUser": Call(body=lambda _: {"userName": _email()}),
    "scimGetUser": Call({"user_id": _user}, own=True),
    "scimPutUser": Call({"user_id": _user}, {"userName": "a@example.org"}, own=True),
    "scimPatchUser": Call(
        {"user_id": _user}, {"Operations": [{"op": "replace", "path": "active", "value": False}]}, own=True
    ),
    "scimDeleteUser": Call({"user_id": _user}, own=True),
    "scimListGroups": Call(),
    "scimCreateGroup": Call(body=lambda _: {"displayName": _fresh("group")}),
    "scimGetGroup": Call({"group_id": lambda w: w.group()}, own=True),
    "scimPutGroup": Call({"group_id": lambda w: w.group()}, lambda _: {"displayName": _fresh("group")}, own=True),
    "scimPatchGroup": Call(
        {"group_id": lambda w: w.group()}, {"Operations": [{"op": "replace", "path": "members", "value": []}]}, own=True
    ),
    "scimDeleteGroup": Call({"group_id": lambda w: w.group()}, own=True),
    "scimConfig": Call(),
    # tenants and clients
    "createTenant": Call(body={"name": "x"}),
    "listTenants": Call(),
    "setPlan": Call({"tenant_id": lambda w: w.another_tenant()}, PLAN),
    "suspendTenant": Call({"tenant_id": lambda w: w.another_tenant()}),
    "resumeTenant": Call({"tenant_id": lambda w: w.another_tenant()}),
    "deleteTenant": Call({"tenant_id": lambda w: w.another_tenant()}),
    "createClient": Call(body={"name": "x", "scopes": ["keys:read"]}),
    "listClients": Call(),
    "setClientPlan": Call({"client_id": lambda w: w.client()}, PLAN),
    "removeClient": Call({"client_id": lambda w: w.client()}, own=True),
    "withdrawTokenKey": Call({"kid": lambda _: uuid4().hex}, reached=404),
    "disableAccount": Call({"user_id": _user}),
    "enableAccount": Call({"user_id": _user}),
    # keys, chains, transactions
    "createKey": Call(body={"name": "x", "curve": "secp256r1"}),
    "listKeys": Call(),
    "getKey": Call({"key_id": lambda w: w.key()}, own=True),
    "sign": Call({"key_id": lambda w: w.key()}, MESSAGE, own=True),
    "getKeyPolicy": Call({"key_id": lambda w: w.key()}, own=True),
    "evaluatePolicy": Call({"key_id": lambda w: w.key()}, MESSAGE, own=True),
    "verify": Call({"key_id": lambda w: w.key()}, MESSAGE | {"signature": "00" * 64}, own=True),
    "signBatch": Call({"key_id": lambda w: w.key()}, {"items": [MESSAGE]}, own=True),
    "askApproval": Call({"key_id": lambda w: w.key()}, MESSAGE, own=True),
    "listApprovals": Call(),
    "getApproval": Call({"approval_id": lambda w: w.approval()}, own=True),
    "decideApproval": Call(
        {"approval_id": lambda w: w.approval()},
        {"approver": "ann", "decision": "approve", "signature": "00" * 64},
        own=True,
        reached=403,
    ),
    "revokeApproval": Call({"approval_id": lambda w: w.approval()}, own=True),
    "changeKeyPolicy": Call(
        {"key_id": lambda w: w.key()}, {"policy": {}, "expires_at": 1, "approvals": {}}, own=True, reached=409
    ),
    "withdrawKeyPolicy": Call({"key_id": lambda w: w.key()}, own=True, reached=409),
    "compareKeyPolicy": Call({"key_id": lambda w: w.key()}, {"policy": {}}, own=True),
    "encrypt": Call(AES, {"plaintext": "eA=="}, own=True),
    "encryptBatch": Call(AES, {"items": [{"plaintext": "eA=="}]}, own=True),
    "decrypt": Call(AES, {"ciphertext": "eA=="}, own=True, reached=422),
    "decryptBatch": Call(AES, {"items": [{"ciphertext": "eA=="}]}, own=True),
    "generateDataKey": Call(AES, {"show": False}, own=True),
    "mac": Call(HMAC, {"data": "eA=="}, own=True),
    "macBatch": Call(HMAC, {"items": [{"data": "eA=="}]}, own=True),
    "verifyMac": Call(HMAC, {"data": "eA==", "mac": "00" * 20 + "AAA="}, own=True),
    "updateKey": Call({"key_id": lambda w: w.key()}, {"tags": {"a": "b"}}, own=True),
    "makeAddresses": Call({"key_id": lambda w: w.key()}, {"count": 1}, own=True),
    "listAddresses": Call({"key_id": lambda w: w.key()}, own=True),
    "freezeKey": Call({"key_id": lambda w: w.key()}, own=True),
    "unfreezeKey": Call({"key_id": lambda w: w.key()}, {}, own=True),
    "freezeTenant": Call(body=lambda _: {"tenant_id": str(uuid4())}, reached=422),
    "liftFreeze": Call(body=lambda _: {"tenant_id": str(uuid4())}, reached=422),
    "getFreeze": Call(),
    "disableKey": Call({"key_id": lambda w: w.key()}, own=True),
    "enableKey": Call({"key_id": lambda w: w.key()}, own=True),
    "getDestructionCertificate": Call({"key_id": lambda w: w.key()}, own=True, reached=409),
    "destroyKey": Call({"key_id": lambda w: w.key()}, {"wait_days": 7, "accept_balances": True}, own=True),
    "getImportParameters": Call(query="?nonce=" + "00" * 32),
    "importKey": Call(body=IMPORT, reached=409),
    "exportKey": Call({"key_id": lambda w: w.exportable_key()}, {"recipient": RECIPIENT}, own=True),
    "getKeyAttestation": Call({"key_id": lambda w: w.key()}, own=True),
    "verifyQuote": Call(body={"quote": "AAAA"}),
    "rotateKey": Call({"key_id": lambda w: w.secret_key("aes-256-gcm")}, own=True),
    "getClusterFreeze": Call(),
    "freezeCluster": Call(body={"cluster": "00" * 32}, reached=422),
    "unfreezeCluster": Call(body={"freeze": {"epoch": 1, "number": 1, "at": 1}, "expires_at": 1, "approvals": {}}),
    "listEnclaves": Call(),
    "getEvidence": Call({"name": "kme"}, query="?nonce=" + "00" * 32),
    # the audit log
    "getTreeHead": Call(),
    "getConsistency": Call(query="?from=0&to=0"),
    "getRecordProof": Call({"record_id": lambda _: str(uuid4())}, reached=404),
    "listLeaves": Call(reached=403),  # of all tenants: for the platform's auditors
    "getReceipt": Call({"receipt_id": lambda _: str(uuid4())}, reached=404),
    # compliance
    "listAccess": Call(),
    "reviewAccess": Call(body={"digest": "0" * 64, "reason": "a review"}, reached=409),
    "getGovernance": Call(),
    "getPersonalDataInventory": Call(),
    "exportPerson": Call({"user_id": _user}, own=True),
    "erasePerson": Call({"user_id": _user}, {"reason": "asked for it"}, own=True),
    "setHold": Call(body=lambda w: {"reason": "a case", "subject": w.member()}),
    "listHolds": Call(),
    "liftHold": Call({"hold_id": lambda w: w.hold()}, {"reason": "over"}, own=True),
    "listChains": Call(),
    "getBlock": Call({"chain": "neo-n3", "height": "latest"}),
    "getMinedTransaction": Call({"chain": "neo-n3", "transaction": "0x" + "11" * 32}, reached=404),
    "listBalances": Call({"chain": "neo-n3", "address": N3_ADDRESS}),
    "getFees": Call({"chain": "neo-n3"}),
    "createTransaction": Call(
        body=lambda w: {
            "kind": "transfer", "chain": "neo-n3", "from_key": w.key(), "asset": "GAS", "to": N3_ADDRESS, "amount": "1",
        },
        reached=422,
    ),
    "getTransaction": Call({"transaction_id": lambda _: str(uuid4())}, reached=404),
    "listTransactions": Call(),
}  # fmt: skip

"""After the root was replaced: everything that lies wrapped in PostgreSQL is wrapped anew.

It may be interrupted and begun again: what is under the latest root is left alone, and a row that changed meanwhile is
looked at once more. Before it begins, the database stops taking what an older root has wrapped, and waits for whoever
is writing: nothing can slip in behind it and be lost.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nsl.adapters.enclave import EnclaveClient, EnclaveRefused
from nsl.kit.db import Database, load_queries
from nsl_protocol.enclave.messages import Refused
from nsl_protocol.enclave.wrapped import (
    KeyName,
    WrappedKey,
    WrappedLedger,
    WrappedLog,
    WrappedSecret,
    WrappedTokenKey,
)

BATCH = 256
_FORMAT = 3
_QUERIES = load_queries("nsl.adapters", "rewrapping.sql")

type Item = WrappedKey | WrappedTokenKey | WrappedLog | WrappedLedger | WrappedSecret


@dataclass(frozen=True, slots=True)
class _Kind:
    """``rows`` and ``replace`` name queries; ``item`` is what the enclave is asked of a row."""

    rows: str
    replace: str
    item: Callable[[dict[str, Any]], Item]


def _key(row: dict[str, Any]) -> WrappedKey:
    return WrappedKey(KeyName(row["tenant_id"].bytes, row["key_id"].bytes, row["version"]), row["wrapped"])


def _ledger(row: dict[str, Any]) -> WrappedLedger:
    return WrappedLedger(row["tenant_id"].bytes, row["key_id"].bytes, row["wrapped"])


_KINDS = (
    _Kind("keys", "replace_key", _key),
    # A change that is taken over meanwhile is refused until it is under the latest root, so none is missed.
    _Kind("key_changes", "replace_key_change", _key),
    _Kind("token_keys", "replace_token_key", lambda row: WrappedTokenKey(row["kid"], row["wrapped"])),
    # The one that was written ahead goes first: once it is taken over it is the stored one.
    _Kind("following_audit_logs", "replace_following_audit_log", lambda row: WrappedLog(row["wrapped"])),
    _Kind("audit_logs", "replace_audit_log", lambda row: WrappedLog(row["wrapped"])),
    _Kind("following_key_ledgers", "replace_following_key_ledger", _ledger),
    _Kind("key_ledgers", "replace_key_ledger", _ledger),
    _Kind("totps", "replace_totp", lambda row: WrappedSecret(f"totp:{row['user_id']}", row["wrapped"])),
    _Kind("providers", "replace_provider", lambda row: WrappedSecret(f"provider:{row['id']}", row["wrapped"])),
)


async def rewrap_all(owner: Database, enclave: EnclaveClient, progress: Callable[[str], None]) -> int:
    """How many blobs were wrapped anew; afterwards none is under an older root.

    Raises:
        EnclaveRefused: a blob does not open; nothing is lost, and the roots of before must not be retired.
    """
    generation = (await enclave.status()).generation
    latest = bytes((_FORMAT,)) + generation.to_bytes(4)
    async with owner.transaction() as connection:
        await connection.execute(_QUERIES["lock_writers"])
        await connection.execute(_QUERIES["take_no_older"], {"generation": generation})
    total = 0
    for kind in _KINDS:
        while count := await _some(owner, enclave, kind, latest):
            total += count
            progress(f"{total} wrapped anew ({kind.rows.replace('_', ' ')})")
    return total


async def _some(owner: Database, enclave: EnclaveClient, kind: _Kind, latest: bytes) -> int:
    async with owner.transaction() as connection:
        cursor = await connection.execute(_QUERIES[kind.rows], {"latest": latest, "limit": BATCH})
        rows = await cursor.fetchall()
        if not rows:
            return 0
        for row, wrapped in zip(rows, await enclave.rewrap([kind.item(row) for row in rows]), strict=True):
            if isinstance(wrapped, Refused):
                raise EnclaveRefused(wrapped)
            await connection.execute(_QUERIES[kind.replace], {**row, "new": wrapped, "old": row["wrapped"]})
        return len(rows)

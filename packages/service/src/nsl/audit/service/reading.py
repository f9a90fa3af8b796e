"""The log as it is read: heads, proofs, leaves, receipts."""

from dataclasses import dataclass
from uuid import UUID

from nsl.audit import store
from nsl.audit.errors import NoHeadYet, NotInLogYet, ReceiptUnknown, RecordUnknown, SizeUnknown
from nsl.audit.model import Evidence, Head, SignatureMade
from nsl.audit.service.proofs import proof
from nsl.audit.store import KeptLeaf
from nsl.identity.errors import PlatformOnly
from nsl.kit.db import Connection, Database
from nsl_protocol.audit.proofs import consistency_spans, inclusion_spans


@dataclass(frozen=True, slots=True)
class Inclusion:
    """A leaf's place in the tree of a head, with the proof."""

    leaf: KeptLeaf
    index: int
    proof: tuple[bytes, ...]
    head: Head


@dataclass(frozen=True, slots=True)
class Receipt:
    """All that shows a signature."""

    made: SignatureMade
    inclusion: Inclusion
    evidence: Evidence


class Log:
    """Reads as the application's role."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def head(self) -> Head:
        """The newest. Raises NoHeadYet."""
        async with self._database.transaction() as connection:
            return await _newest(connection)

    async def consistency(self, former: int, size: int) -> tuple[bytes, ...]:
        """The proof that the log of ``former`` leaves is the beginning of that of ``size``.

        Raises:
            SizeUnknown: the log has not had that size, or ``former`` is above it.
        """
        async with self._database.transaction() as connection:
            newest = await _newest(connection)
            if not 0 <= former <= size <= newest.size:
                raise SizeUnknown(
                    f"Give from <= to <= {newest.size}, which is how many leaves the log has.", field="to"
                )
            return await proof(connection, consistency_spans(former, size))

    async def inclusion(self, tenant: UUID, record: UUID) -> Inclusion:
        """Where a record of the tenant's stands, under the first head that has it.

        Raises:
            RecordUnknown: there is none, or it is another tenant's.
            NotInLogYet: it comes in within seconds.
        """
        async with self._database.transaction(tenant) as connection:
            found = await _included(connection, record)
        if found is None:
            raise RecordUnknown("There is no such record.")
        return found

    async def receipt(self, tenant: UUID, receipt: UUID) -> Receipt:
        """What shows a signature of the tenant's.

        Raises:
            ReceiptUnknown: nothing was signed under that id; or what was asked has been erased.
            NotInLogYet: it comes in within seconds.
        """
        async with self._database.transaction(tenant) as connection:
            made = await store.signature(connection, receipt)
            found = None if made is None else await _included(connection, receipt)
            if made is None or found is None or made.request is None:
                raise ReceiptUnknown("There is no such receipt, or what it tells of was erased.")
            evidence = await store.evidence(connection, found.head.log_key, found.head.signed_at)
        if evidence is None:
            raise NotInLogYet("The enclave's evidence is being fetched; ask again in a second.")
        return Receipt(made, found, evidence)

    async def leaves(self, tenant: UUID, first: int, count: int) -> list[tuple[int, bytes]]:
        """Positions and contents, of all tenants. Raises PlatformOnly: the asking one is not the platform's."""
        async with self._database.transaction(tenant) as connection:
            if not await store.is_platform(connection):
                raise PlatformOnly("Only the platform's own auditors read the log of all tenants.")
            return await store.leaves_from(connection, first, count)


async def _newest(connection: Connection) -> Head:
    found = await store.head(connection)
    if found is None:
        raise NoHeadYet("The audit log is empty, or its first head is being signed: ask again in a second.")
    return found


async def _included(connection: Connection, record: UUID) -> Inclusion | None:
    leaf = await store.leaf(connection, record)
    if leaf is None:
        return None
    head = None if leaf.position is None else await store.head_with(connection, leaf.position)
    if leaf.position is None or head is None:
        raise NotInLogYet("The record is written down, and comes into the log within seconds: ask again.")
    hashes = await proof(connection, inclusion_spans(leaf.position, head.size))
    return Inclusion(leaf, leaf.position, hashes, head)

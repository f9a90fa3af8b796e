"""Each head goes to witnesses of other people, who cosign it when it continues what they have seen."""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog
from prometheus_client import Counter, Gauge

from nsl.audit import store
from nsl.audit.errors import WitnessDown, WitnessRefused
from nsl.audit.ports import Witness
from nsl.audit.service.proofs import proof
from nsl.kit.clock import monotonic, now
from nsl.kit.db import Database
from nsl_protocol.audit.heads import Line, SignedHead, parse_signed_head
from nsl_protocol.audit.proofs import consistency_spans

_ATTEMPTS: Final = 3
#: a witness that does not answer holds up the heads no oftener
_RETRY_SECONDS: Final = 30.0

_cosigned = Gauge("nsl_audit_cosigned_timestamp_seconds", "When a witness last cosigned a head.", ["witness"])
_refused = Counter("nsl_audit_witness_refusals_total", "Heads that a witness did not cosign.", ["witness"])
_log = structlog.get_logger("nsl.audit")


class Witnessing:
    """Works as the worker's role."""

    def __init__(self, database: Database, witnesses: Sequence[Witness]) -> None:
        self._database = database
        self._witnesses = witnesses
        self._known: dict[str, int] = {}
        self._retry_at: dict[str, float] = {}

    async def cosigned(self, signed: SignedHead) -> SignedHead:
        """The head with the lines of all who answer, before anybody is shown it."""
        for line in await asyncio.gather(*(self._ask(each, signed) for each in self._witnesses)):
            if line is not None:
                signed = signed.with_line(line)
        return signed

    async def step(self) -> int:
        """Ask for the newest head's lines whoever has not given one yet; how many did."""
        async with self._database.transaction() as connection:
            head = await store.head(connection)
        if head is None:
            return 0
        signed = parse_signed_head(head.note)
        names = {line.name for line in signed.lines}
        waiting = [each for each in self._witnesses if each.name not in names]
        lines = [line for line in await asyncio.gather(*(self._ask(each, signed) for each in waiting)) if line]
        for line in lines:
            async with self._database.transaction() as connection:
                await store.add_line(connection, head.size, line)
        return len(lines)

    async def _ask(self, witness: Witness, signed: SignedHead) -> Line | None:
        if self._retry_at.get(witness.name, 0.0) > monotonic():
            return None
        try:
            line = await self._line(witness, SignedHead(signed.head, signed.lines[:1]))
        except WitnessDown as error:
            self._retry_at[witness.name] = monotonic() + _RETRY_SECONDS
            _log.warning("witness does not answer", witness=witness.name, error=error.detail)
            return None
        except WitnessRefused as error:
            self._retry_at[witness.name] = monotonic() + _RETRY_SECONDS
            _refused.labels(witness.name).inc()
            _log.error("witness does not cosign", witness=witness.name, size=signed.head.size, error=error.detail)
            return None
        if line is None:
            return None
        self._known[witness.name] = signed.head.size
        _cosigned.labels(witness.name).set(now().timestamp())
        return line

    async def _line(self, witness: Witness, signed: SignedHead) -> Line | None:
        """None: it has a later head from somebody else. Raises WitnessDown, WitnessRefused."""
        size = signed.head.size
        for _ in range(_ATTEMPTS):
            old = self._known.get(witness.name, 0)
            if old > size:
                return None
            async with self._database.transaction() as connection:
                hashes = await proof(connection, consistency_spans(old, size))
            answer = await witness.cosign(old, hashes, signed)
            if isinstance(answer, Line):
                return answer
            if answer == old:
                break  # of that size it knows another root
            self._known[witness.name] = answer
        known = self._known.pop(witness.name, 0)
        raise WitnessRefused(f"The witness {witness.name} knows the log at {known} leaves, and not as it is here.")

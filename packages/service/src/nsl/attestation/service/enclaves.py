"""This layer's own enclaves: looked at again and again, and shown to whoever wants to verify them himself."""

import asyncio
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog
from prometheus_client import Gauge

from nsl.attestation.errors import EnclaveNotAttested, EnclaveUnknown
from nsl.attestation.model import Enclave, Evidence, Standing
from nsl.attestation.ports import Judge, ProvableEnclave
from nsl.kit.clock import monotonic, now, pause, random_bytes
from nsl.kit.errors import Unavailable
from nsl_protocol.attestation.binding import NONCE_BYTES, Purpose
from nsl_protocol.attestation.policy import Verdict
from nsl_protocol.cluster.manifest import Program

LOOK_SECONDS = 60.0
#: a look is shown again for so long, because a quote costs a processor's time
LOOK_KEPT_SECONDS = 5.0
COLLATERAL_LEFT_MIN = timedelta(days=2)

_LABELS = ("enclave", "program")
_accepted = Gauge("nsl_enclave_accepted", "1 when the last look accepted a quote of it, else 0", _LABELS)
_ready = Gauge("nsl_enclave_ready", "1 when it has the root, else 0", _LABELS)
_seal_opened = Gauge("nsl_enclave_seal_opened", "1 when its sealed state opens, else 0", _LABELS)
_attested = Gauge("nsl_enclave_last_attested_timestamp_seconds", "When a quote of it was accepted last", _LABELS)
_expires = Gauge("nsl_enclave_collateral_expiry_timestamp_seconds", "Until when its quotes can be verified", _LABELS)
_manifest = Gauge("nsl_enclave_manifest_version", "The manifest that it goes by", _LABELS)
_tcb = Gauge("nsl_enclave_tcb_up_to_date", "1 when the policy takes its platform's TCB status, else 0", _LABELS)
_register = Gauge("nsl_enclave_register_number", "The change of the register of keys that it is at", _LABELS)
_frozen = Gauge("nsl_enclave_frozen", "1 while it signs nothing because the whole cluster was frozen", _LABELS)
_lease = Gauge("nsl_enclave_lease_seconds", "How long it may sign without the others; +Inf: it needs no lease", _LABELS)
_log = structlog.get_logger("nsl.attestation")


@dataclass(slots=True)
class _Look:
    enclave: Enclave
    at: float


class Enclaves:
    """
    Args:
        replicas: by name: ``kme``, ``kme-2``, ...
        program: what they run.
    """

    def __init__(self, replicas: Mapping[str, ProvableEnclave], program: Program, judge: Judge) -> None:
        self._replicas = dict(replicas)
        self._program = program
        self._judge = judge
        self._looks: dict[str, _Look] = {}

    async def list(self) -> tuple[Enclave, ...]:
        """All of them, as they stand now."""
        return tuple(await asyncio.gather(*map(self._look, self._replicas)))

    async def evidence(self, name: str, nonce: bytes) -> Evidence:
        """A fresh quote of that enclave over the caller's 32-byte nonce; nobody has verified it here.

        Raises:
            EnclaveUnknown: there is none of that name.
            Unavailable: it does not answer, or there is no collateral.
        """
        replica = self._replicas.get(name)
        if replica is None:
            raise EnclaveUnknown(f"There is no enclave {name}: GET /v1/enclaves lists them.")
        quoted = await replica.quote(Purpose.EVIDENCE, nonce)
        collateral = await self._judge.collateral(quoted.quote, quoted.collateral)
        log_key, version = quoted.keys
        return Evidence(self._program, quoted.quote, collateral, quoted.cluster, log_key, int.from_bytes(version))

    async def check(self) -> None:
        """Raises EnclaveNotAttested: a replica has not proven itself of late, or its collateral ends soon."""
        for enclave in await self.list():
            if enclave.standing is not Standing.ATTESTED:
                why = " ".join(each.detail for each in enclave.reasons) or "It does not answer."
                raise EnclaveNotAttested(f"{enclave.name} is {enclave.standing}. {why}")
            if enclave.collateral_expires_at and enclave.collateral_expires_at - now() < COLLATERAL_LEFT_MIN:
                raise EnclaveNotAttested(f"{enclave.name}: the collateral ends at {enclave.collateral_expires_at}.")

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Look at all of them every minute, for metrics and log."""
        task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _watch(self) -> None:
        while True:
            await self.list()
            await pause(LOOK_SECONDS)

    async def _look(self, name: str) -> Enclave:
        kept = self._looks.get(name)
        if kept is not None and monotonic() - kept.at < LOOK_KEPT_SECONDS:
            return kept.enclave
        before = None if kept is None else kept.enclave.last_attested_at
        try:
            enclave = await self._ask(name, before)
        except Unavailable as error:
            enclave = Enclave(name, self._program, Standing.UNREACHABLE, last_attested_at=before)
            _log.warning("enclave not attested", enclave=name, error=error.detail, code=error.code)
        if enclave.reasons:
            reasons = [each.detail for each in enclave.reasons]
            _log.warning("enclave refused", enclave=name, program=enclave.program, reasons=reasons)
        self._looks[name] = _Look(enclave, monotonic())
        _measure(enclave)
        return enclave

    async def _ask(self, name: str, before: datetime | None) -> Enclave:
        replica, nonce = self._replicas[name], random_bytes(NONCE_BYTES)
        quoted = await replica.quote(Purpose.EVIDENCE, nonce)
        verdict = await self._judge.verdict(self._program, Purpose.EVIDENCE, nonce, quoted.keys, quoted)
        status = await replica.status()
        return replace(
            _found(name, self._program, verdict, before),
            phase=status.phase,
            seal=status.seal,
            epoch=status.epoch,
            manifest_version=status.manifest_version,
            register=status.register,
            lease_seconds=status.lease_seconds,
            frozen_at=None if status.frozen_at is None else datetime.fromtimestamp(status.frozen_at, UTC),
        )


def _found(name: str, program: str, verdict: Verdict, before: datetime | None) -> Enclave:
    if verdict.quote is None or verdict.claims is None:
        return Enclave(name, program, Standing.REFUSED, last_attested_at=before, reasons=verdict.reasons)
    return Enclave(
        name,
        program,
        Standing.ATTESTED if verdict.accepted else Standing.REFUSED,
        mode=verdict.claims.mode,
        measurement=verdict.quote.measurement.hex(),
        last_attested_at=now() if verdict.accepted else before,
        collateral_expires_at=datetime.fromtimestamp(verdict.claims.expires_at, UTC),
        reasons=verdict.reasons,
    )


def _measure(enclave: Enclave) -> None:
    labels = (enclave.name, enclave.program)
    _accepted.labels(*labels).set(enclave.standing is Standing.ATTESTED)
    _ready.labels(*labels).set(enclave.phase == "ready")
    _seal_opened.labels(*labels).set(enclave.seal == "opened")
    _tcb.labels(*labels).set(not any(each.code in ("tcb_status", "advisory") for each in enclave.reasons))
    if enclave.last_attested_at is not None:
        _attested.labels(*labels).set(enclave.last_attested_at.timestamp())
    if enclave.collateral_expires_at is not None:
        _expires.labels(*labels).set(enclave.collateral_expires_at.timestamp())
    if enclave.manifest_version is not None:
        _manifest.labels(*labels).set(enclave.manifest_version)
    if enclave.register is not None:
        _register.labels(*labels).set(enclave.register)
        _lease.labels(*labels).set(math.inf if enclave.lease_seconds is None else enclave.lease_seconds)
        _frozen.labels(*labels).set(enclave.frozen_at is not None)

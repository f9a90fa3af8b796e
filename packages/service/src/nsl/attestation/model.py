"""What a caller asks of a quote, and what is known of this layer's own enclaves."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from nsl_protocol.attestation.policy import Policy
from nsl_protocol.attestation.reasons import Reason
from nsl_protocol.attestation.verify import Collateral, Mode


@dataclass(frozen=True, slots=True)
class Question:
    """Is this quote acceptable?

    Attributes:
        collateral: None: to be asked for.
        at: the time as of which it is judged. None: now.
        report_data: the 64 bytes that the quote must be bound to. None: not compared.
    """

    quote: bytes
    collateral: Collateral | None
    at: datetime | None
    policy: Policy
    report_data: bytes | None


class Standing(StrEnum):
    """How an enclave stands at the last look."""

    ATTESTED = "attested"
    REFUSED = "refused"  # it answers, and the policy does not accept its quote
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Enclave:
    """One replica of an enclave program.

    Attributes:
        mode: from the quote's certificate chain; None while no quote of it could be verified. So with what follows.
        phase: what it says itself: ``starting`` until it has the root, then ``ready``.
        last_attested_at: when a quote of it was accepted last.
        collateral_expires_at: until when its quotes can be verified with what is known of its platform.
        register: the change of the register of keys that it is at.
        lease_seconds: how long it may sign without the others; None: it needs no lease, or nothing is known of it.
        frozen_at: when the whole cluster was frozen, as far as it knows; None: it is not.
        reasons: why it is refused.
    """

    name: str
    program: str
    standing: Standing
    mode: Mode | None = None
    measurement: str | None = None
    phase: str | None = None
    seal: str | None = None
    epoch: int | None = None
    manifest_version: int | None = None
    register: int | None = None
    lease_seconds: int | None = None
    frozen_at: datetime | None = None
    last_attested_at: datetime | None = None
    collateral_expires_at: datetime | None = None
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """A fresh quote, for a caller to verify.

    Its report data is ``binding.report_data`` for the purpose ``evidence``, the cluster's id, the caller's nonce, the
    audit log's key and the manifest version.
    """

    program: str
    quote: bytes
    collateral: Collateral
    cluster: bytes
    log_key: bytes
    manifest_version: int

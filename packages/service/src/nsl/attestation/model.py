"""What a caller asks of a quote."""

from dataclasses import dataclass
from datetime import datetime

from nsl_protocol.attestation.policy import Policy
from nsl_protocol.attestation.verify import Collateral


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

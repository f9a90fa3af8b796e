"""Why a quote is refused."""

from dataclasses import dataclass
from enum import StrEnum


class ReasonCode(StrEnum):
    """Stable names; a verdict lists every one that applies, in this order."""

    MALFORMED = "malformed"  # no quote, or cut short
    LENGTH = "length"  # bytes after it, or between its parts
    DEBUG = "debug"  # its memory can be read by a debugger
    UNKNOWN_ROOT = "unknown_root"  # signed under a root that is not trusted here
    SIGNATURE = "signature"  # a signature or hash of the chain does not hold
    REVOKED = "revoked"  # the platform's certificate, or its TCB level, is revoked
    COLLATERAL_EXPIRED = "collateral_expired"
    COLLATERAL_NOT_YET_VALID = "collateral_not_yet_valid"
    COLLATERAL_MISMATCH = "collateral_mismatch"  # of another platform or TEE
    TCB_STATUS = "tcb_status"  # the platform is not up to date enough
    ADVISORY = "advisory"  # the platform is open to a weakness that the policy does not tolerate
    MEASUREMENT = "measurement"  # not one of the enclaves that the policy lists
    SECURITY_VERSION = "security_version"  # a listed enclave, but too old
    REPORT_DATA = "report_data"  # bound to another challenge, purpose, cluster or key
    FLOOR = "floor"  # older than what was seen before: somebody plays back old collateral


@dataclass(frozen=True, slots=True)
class Reason:
    """``detail`` is a sentence for people."""

    code: ReasonCode
    detail: str

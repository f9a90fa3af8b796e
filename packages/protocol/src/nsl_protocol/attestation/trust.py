"""What somebody has pinned, in a file: against it statements of a cluster are verified without a network."""

from functools import cached_property
from typing import Annotated

from cryptography.x509 import load_der_x509_certificate
from msgspec import DecodeError, Meta, Struct
from msgspec.json import decode

from nsl_protocol.attestation.policy import SW_HARDENING_NEEDED, UP_TO_DATE, EnclaveRule, Policy
from nsl_protocol.attestation.verify import INTEL, TrustAnchor
from nsl_protocol.errors import CodecError

INTEL_ROOT = "intel"
_MRENCLAVE_DIGITS = 64

type Hex32 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
type Measurement = Annotated[str, Meta(pattern="^([0-9a-f]{64}|[0-9a-f]{96})$")]
type Root = Annotated[str, Meta(pattern="^(intel|([0-9a-f]{2})+)$")]


class PinnedTrust(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, dict=True):
    """What is left out is pinned to nothing: what hangs on it is then unanchored, never accepted.

    Attributes:
        cluster: its id, the SHA-256 of its first manifest.
        measurements: MRENCLAVE (or MRTD) of the enclaves that may speak for it.
        roots: that quotes may chain to: ``intel``, or a certificate as DER in hex, such as a simulation's.
        log_key: Ed25519, if it is known from before: the quote binds it in any case.
        witnesses: whose cosignatures of the audit log count, ``name+hash+key``.
        witnesses_needed: how many of them; 0: whoever pins this goes without.
        tcb_statuses, advisories: of a platform, as in an attestation policy.
    """

    cluster: Hex32 | None = None
    measurements: tuple[Measurement, ...] = ()
    roots: tuple[Root, ...] = ()
    log_key: Hex32 | None = None
    witnesses: tuple[str, ...] = ()
    witnesses_needed: Annotated[int, Meta(ge=0)] = 1
    tcb_statuses: tuple[str, ...] = (UP_TO_DATE, SW_HARDENING_NEEDED)
    advisories: tuple[str, ...] = ()

    @cached_property
    def anchors(self) -> tuple[TrustAnchor, ...]:
        """The roots."""
        return tuple(INTEL if each == INTEL_ROOT else TrustAnchor(bytes.fromhex(each)) for each in self.roots)

    @property
    def policy(self) -> Policy:
        """Which quotes are accepted."""
        rules = [
            EnclaveRule(mrenclave=each) if len(each) == _MRENCLAVE_DIGITS else EnclaveRule(mrtd=each)
            for each in self.measurements
        ]
        return Policy(tuple(rules), self.tcb_statuses, self.advisories)


def read_trust(document: bytes) -> PinnedTrust:
    """A trust file. Raises CodecError."""
    try:
        found = decode(document, type=PinnedTrust)
        for each in found.anchors:
            if each.certificate is not None:
                load_der_x509_certificate(each.certificate)
    except (DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise CodecError(str(error), field="trust") from error
    return found

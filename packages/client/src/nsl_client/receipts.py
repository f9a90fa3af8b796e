"""Verify a receipt yourself: offline, with what you trust, and by code that asks nobody.

receipt = nsl.audit.receipt(signature.receipt_id)
steps = verify_receipt(receipt, read_trust(Path("trust.json").read_bytes()))
assert holds(steps), [step for step in steps if step.verdict != "ok"]
"""

from nsl_protocol.attestation.trust import PinnedTrust, read_trust
from nsl_protocol.receipt import Receipt, Step, Verdict, holds, read_receipt, verify_receipt

__all__ = ["PinnedTrust", "Receipt", "Step", "Verdict", "holds", "read_receipt", "read_trust", "verify_receipt"]

"""The audit log: what was written down in one order that an enclave signs, its proofs, and receipts."""

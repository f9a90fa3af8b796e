"""Attestation evidence: quotes, their verification at a given time, our policy, and certificates that carry quotes.

Everything here is pure: bytes, collateral and time in, verdict out. The AVE, the KME, the CLI and the SDK call the same
code.
"""

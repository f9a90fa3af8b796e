"""Quotes that callers bring, and this layer's own enclaves."""

from nsl.attestation.service.enclaves import Enclaves
from nsl.attestation.service.quotes import Attestation

__all__ = ["Attestation", "Enclaves"]

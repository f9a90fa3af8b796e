"""Quotes that callers bring, and this layer's own enclaves."""

from nsl.attestation.service.enclaves import Enclaves
from nsl.attestation.service.quotes import Attestation
from nsl.attestation.service.stopping import ClusterStops

__all__ = ["Attestation", "ClusterStops", "Enclaves"]

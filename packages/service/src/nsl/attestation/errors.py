"""What can go wrong with attestation. That a quote is refused is an answer, not an error.

CollateralMissing      422  none was sent, and this layer has no PCCS to ask
CollateralUnavailable  503  the PCCS does not answer, or has none for that platform
CollateralUnreadable   422
EnclaveUnknown         404  there is no enclave of that name
ClusterMismatch        422  another cluster was named than this layer's
EnclaveNotAttested     503  from the health check alone: an enclave does not prove itself, or will soon not be able to
"""

from nsl.kit.errors import Missing, Unavailable, Unprocessable


class CollateralMissing(Unprocessable):
    code = "COLLATERAL_MISSING"


class CollateralUnavailable(Unavailable):
    code = "COLLATERAL_UNAVAILABLE"


class CollateralUnreadable(Unprocessable):
    code = "COLLATERAL_UNREADABLE"


class EnclaveUnknown(Missing):
    code = "ENCLAVE_NOT_FOUND"


class ClusterMismatch(Unprocessable):
    code = "CLUSTER_MISMATCH"


class EnclaveNotAttested(Unavailable):
    code = "ENCLAVE_NOT_ATTESTED"

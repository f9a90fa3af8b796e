"""Why an enclave gives no answer, or not the one that was wanted."""

from nsl.kit.errors import Denied, Unavailable
from nsl_protocol.enclave.messages import Refused


class EnclaveDown(Unavailable):
    """The enclave does not answer. Whether a call was carried out is unknown; every call is safe to repeat."""

    code = "ENCLAVE_UNAVAILABLE"


class EnclaveUntrusted(Unavailable):
    """Something answers, and it is not an enclave that the manifest lists. Nothing was asked of it."""

    code = "ENCLAVE_NOT_TRUSTED"


class EnclaveRefused(Denied):
    """The enclave will not; ``code`` is the enclave's own."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.reason)
        self.code = refused.code


class ClusterFrozen(Unavailable):
    """Somebody has frozen the whole cluster. What was to be signed can be repeated when custodians have ended that."""

    code = "CLUSTER_FROZEN"


class NoMajority(Unavailable):
    """Too few replicas of the key cluster answer to agree on a change. Signing goes on within leases."""

    code = "CLUSTER_NO_MAJORITY"


class DatabaseOlder(Unavailable):
    """The database has lost changes that the key cluster has agreed on; nothing is signed by what it has."""

    code = "DATABASE_OLDER"

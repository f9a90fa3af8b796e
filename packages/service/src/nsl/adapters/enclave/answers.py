"""Answers of the enclave as what was asked for, or as failures."""

from typing import TypeIs

from nsl.adapters.enclave.errors import ClusterFrozen, EnclaveDown, EnclaveRefused
from nsl.identity.errors import RootReplaced
from nsl_protocol.enclave.messages import Answer, Refused

#: what was read before the root was replaced: it has to be read again
ROOT_UNKNOWN = "ROOT_UNKNOWN"
CLUSTER_FROZEN = "CLUSTER_FROZEN"


def is_refused(answer: object, *codes: str) -> TypeIs[Refused]:
    """Whether it is a refusal of one of these codes."""
    return isinstance(answer, Refused) and answer.code in codes


def expect[T: Answer](kind: type[T], answer: Answer) -> T:
    """Raises EnclaveRefused, ClusterFrozen, RootReplaced, or EnclaveDown for an answer of another kind."""
    if isinstance(answer, kind):
        return answer
    if is_refused(answer, CLUSTER_FROZEN):
        raise ClusterFrozen(answer.reason)
    if isinstance(answer, Refused):
        raise RootReplaced(answer.reason) if answer.code == ROOT_UNKNOWN else EnclaveRefused(answer)
    raise EnclaveDown("The enclave gave an answer of another kind.")

"""Which messages an enclave program takes in which phase. What is not in the table is a violation."""

from collections.abc import Mapping
from enum import StrEnum

from nsl_protocol.enclave.messages import (
    CreateKey,
    CreateTokenKey,
    GetStatus,
    Message,
    Seal,
    Sign,
    SignToken,
    Unseal,
)


class Phase(StrEnum):
    STARTING = "starting"  # no root key yet
    READY = "ready"  # the root key is there
    STOPPING = "stopping"  # answers what is under way, takes nothing new


PERMITTED: Mapping[Phase, frozenset[type[Message]]] = {
    Phase.STARTING: frozenset({GetStatus}),
    Phase.READY: frozenset({GetStatus, CreateKey, Sign, CreateTokenKey, SignToken, Seal, Unseal}),
    Phase.STOPPING: frozenset({GetStatus}),
}

NEXT: Mapping[Phase, frozenset[Phase]] = {
    Phase.STARTING: frozenset({Phase.READY, Phase.STOPPING}),
    Phase.READY: frozenset({Phase.STOPPING}),
    Phase.STOPPING: frozenset(),
}

"""Which messages a program takes, in which phase and from whom. What is not in the table is a violation."""

from collections.abc import Mapping
from enum import StrEnum

from nsl_protocol.enclave.agreement import (
    Accept,
    AskLease,
    Conclude,
    GetHead,
    GrantLease,
    Proceed,
    Propose,
    Show,
    TakeLease,
)
from nsl_protocol.enclave.below import DeriveKeys
from nsl_protocol.enclave.evaluation import Evaluate
from nsl_protocol.enclave.fields import Message
from nsl_protocol.enclave.ledger import LeaseWindows, ReturnWindows
from nsl_protocol.enclave.lifecycle import ChangeKey
from nsl_protocol.enclave.log import AppendLeaves, GetLeaves, SignHead
from nsl_protocol.enclave.membership import (
    Admit,
    ApplyManifest,
    Bootstrap,
    Enrol,
    GetPackages,
    GetQuote,
    Join,
    PrepareJoin,
    RetireRoots,
    RotateRoot,
    SubmitShare,
)
from nsl_protocol.enclave.messages import (
    CreateKey,
    CreateTokenKey,
    GetStatus,
    ImportKey,
    Rewrap,
    Seal,
    Sign,
    SignToken,
    Unseal,
)
from nsl_protocol.enclave.policies import ChangePolicy, SettlePolicy
from nsl_protocol.enclave.portable import AttestKey, ExportKey
from nsl_protocol.enclave.symmetric import Use


class Phase(StrEnum):
    STARTING = "starting"  # no root yet
    READY = "ready"  # the root is there


class Role(StrEnum):
    """Who a peer is, by its certificate."""

    ANYBODY = "anybody"  # none: may ask for quotes, enrol, and bring what custodians or other replicas have signed
    CLIENT = "client"  # a host process that the manifest lists
    ENCLAVE = "enclave"  # another program of the cluster


_LOOK: frozenset[type[Message]] = frozenset({GetStatus, GetQuote})
_SIGNED: frozenset[type[Message]] = frozenset(
    # A member of an epoch that is over joins again without a restart.
    {Enrol, Admit, ApplyManifest, GetPackages, RotateRoot, RetireRoots, PrepareJoin, Join, Proceed}
)
_WORK: frozenset[type[Message]] = frozenset(
    {
        CreateKey,
        ChangeKey,
        Sign,
        CreateTokenKey,
        SignToken,
        Seal,
        Unseal,
        Rewrap,
        AppendLeaves,
        SignHead,
        GetLeaves,
        Evaluate,
        LeaseWindows,
        ReturnWindows,
        Use,
        ChangePolicy,
        SettlePolicy,
        DeriveKeys,
    }
)
_PORTABLE: frozenset[type[Message]] = frozenset({ImportKey, ExportKey, AttestKey})
_AGREE: frozenset[type[Message]] = frozenset(
    {GetHead, Show, Propose, Accept, Conclude, AskLease, GrantLease, TakeLease}
)

PERMITTED: Mapping[tuple[Phase, Role], frozenset[type[Message]]] = {
    (Phase.STARTING, Role.ANYBODY): _LOOK | {Bootstrap, SubmitShare, PrepareJoin, Join},
    (Phase.STARTING, Role.CLIENT): frozenset(),
    (Phase.STARTING, Role.ENCLAVE): frozenset(),
    (Phase.READY, Role.ANYBODY): _LOOK | _SIGNED,
    (Phase.READY, Role.CLIENT): _LOOK | _WORK | _PORTABLE | _AGREE,
    (Phase.READY, Role.ENCLAVE): _LOOK,
}

NEXT: Mapping[Phase, frozenset[Phase]] = {
    Phase.STARTING: frozenset({Phase.READY}),
    Phase.READY: frozenset({Phase.READY}),  # with another epoch's roots
}

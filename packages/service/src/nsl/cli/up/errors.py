"""What can go wrong while the layer is brought up; each message says what to do next."""

from nsl.kit.errors import Conflict, Denied, Unavailable


class StateInUse(Conflict):
    """Another `nsl up` works in the same state folder."""

    code = "STATE_IN_USE"


class StateDamaged(Conflict):
    """What lies in the state folder can no longer be read."""

    code = "STATE_DAMAGED"


class NotReady(Unavailable):
    """A process died, or did not become ready in time."""

    code = "NOT_READY"


class ProgramMissing(Unavailable):
    """A program that this part of the layer needs is not installed."""

    code = "PROGRAM_MISSING"


class DevnetOnly(Denied):
    """A development key was about to be used on a network that is not the private devnet."""

    code = "DEVNET_ONLY"

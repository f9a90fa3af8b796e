"""A change of a key that approvers have signed, as a host brings it."""

from nsl_protocol.enclave.lifecycle import ChangeApproval, ChangeKey, KeyChange, KeyChanged
from nsl_protocol.enclave.messages import Refused
from nsl_protocol.policy.changing import Approvable
from tests.enclave.host import NAME, Host
from tests.enclave.replica import client
from tests.enclave.test_governing import SIGN


def changed(
    host: Host,
    wrapped: bytes,
    change: KeyChange,
    signed: Approvable,
    by: tuple[str, ...],
    *,
    wait_seconds: int = 0,
    expires_at: int | None = None,
) -> KeyChanged | str:
    """What the enclave makes of it, or the code of its refusal. Nothing is entered."""
    signatures = {name: SIGN[name](signed.signed) for name in by}
    approval = ChangeApproval(expires_at or signed.expires_at, signatures) if by else None
    answer = host.replicas[0].call(ChangeKey(NAME, wrapped, change, wait_seconds, approval), client())
    if isinstance(answer, Refused):
        return answer.code
    assert isinstance(answer, KeyChanged)
    return answer

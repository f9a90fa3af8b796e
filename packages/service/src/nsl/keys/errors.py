"""What can go wrong with keys.

KeyUnknown          404  no such key, or another tenant's
KeyNotActive        409  disabled, waiting for its destruction, or destroyed: it does not sign
KeyStateConflict    409  this change does not follow the state that the key is in
CurveUnsupported    422
KindUnsuitable      422  this kind of payload is not for this curve, or not for this network
PolicyUnsuitable    422  the policy cannot be taken
PayloadUnreadable   422  the enclave cannot parse what it should sign
SigningRefused      403  the enclave will not sign this with this key; carries the enclave's code
"""

from nsl.kit.errors import Conflict, Denied, Missing, Unprocessable


class KeyUnknown(Missing):
    code = "KEY_NOT_FOUND"


class KeyNotActive(Conflict):
    code = "KEY_NOT_ACTIVE"


class KeyStateConflict(Conflict):
    code = "KEY_STATE_CONFLICT"


class CurveUnsupported(Unprocessable):
    code = "CURVE_UNSUPPORTED"


class KindUnsuitable(Unprocessable):
    code = "KIND_UNSUITABLE"


class PolicyUnsuitable(Unprocessable):
    code = "POLICY_UNSUITABLE"


class PayloadUnreadable(Unprocessable):
    code = "PAYLOAD_UNREADABLE"


class SigningRefused(Denied):
    """``code`` on the instance is the enclave's own."""

    code = "SIGNING_REFUSED"

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.enclave_code = code

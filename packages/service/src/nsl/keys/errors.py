"""What can go wrong with keys.

KeyUnknown          404  no such key, or another tenant's
KeyNotActive        409  disabled, waiting for its destruction, or destroyed: it does not sign
KeyFrozen           409  somebody has frozen it: it does nothing until that is lifted
TenantFrozen        409  all its keys are frozen: none is made or unfrozen until that is lifted
TenantMismatch      422  another tenant was named than that of the token
AddressUnknown      422  no such address was made below the key
AliasTaken          409  another live key of the tenant has this alias
KeyStateConflict    409  this change does not follow the state that the key is in
BalancesRemain      409  what a key is to be destroyed with has addresses that hold something, or may
CurveUnsupported    422
KindUnsuitable      422  this kind of payload is not for this curve, or not for this network
PolicyUnsuitable    422  the policy cannot be taken
PayloadUnreadable   422  the enclave cannot parse what it should sign
CiphertextNotAuthentic 422 not by this key with this context, or changed since
UsageUnsuitable     422  a key of this curve is not for that
PolicyFixed         409  the key's policy names nobody who may change it
TooFewApprovals     403  fewer have signed this change than the policy asks for
ApprovalsExpired    422  too late, or for too long
RequesterUnknown    422  the policy names no such requester
RotationUnsuitable  422  others know the key by its public key or address
RotationsExhausted  409  the key has had as many secrets as it can have
PoliciesTooLong     422  the policy that holds and the one that waits do not fit together
NoPolicyWaits       409  nothing to withdraw
PolicyWaits         409  its time has not come
ApprovalUnknown     404  no such approval, or another tenant's, or for another key
ApprovalDecided     409  it was used, revoked, rejected or has expired; or this approver has decided
ApprovalNotYours    403  whoever asks for an approval brings no decision
DecisionNotSigned   422  no approver's signature over exactly this
SigningRefused      403  the enclave will not sign this with this key; carries the enclave's code

Of keys that come from elsewhere or may leave, as the enclave says it:
ImportKeyUnknown    409  encrypted to a key that the enclave has no more
ImportIdTaken       409  this id was used: the same ciphertext once more, or another key
ImportNotAuthentic  422  encrypted for other terms than these
ImportNotAKey       422  what was encrypted is no private key of the curve
RecipientUnsuitable 422  nothing can be encrypted to it, or it is named twice
ExportNotAllowed    403  the key was made to stay
RecipientNotNamed   403  not one of those who were named when the key was made
"""

from nsl.kit.errors import Conflict, Denied, Missing, Unprocessable


class KeyUnknown(Missing):
    code = "KEY_NOT_FOUND"


class KeyNotActive(Conflict):
    code = "KEY_NOT_ACTIVE"


class AddressUnknown(Unprocessable):
    code = "ADDRESS_UNKNOWN"


class AliasTaken(Conflict):
    code = "ALIAS_TAKEN"


class KeyFrozen(KeyNotActive):
    code = "KEY_FROZEN"


class TenantFrozen(Conflict):
    code = "TENANT_FROZEN"


class TenantMismatch(Unprocessable):
    code = "TENANT_MISMATCH"


class KeyStateConflict(Conflict):
    code = "KEY_STATE_CONFLICT"


class BalancesRemain(Conflict):
    code = "BALANCES_REMAIN"


class CurveUnsupported(Unprocessable):
    code = "CURVE_UNSUPPORTED"


class KindUnsuitable(Unprocessable):
    code = "KIND_UNSUITABLE"


class PolicyUnsuitable(Unprocessable):
    code = "POLICY_UNSUITABLE"


class PayloadUnreadable(Unprocessable):
    code = "PAYLOAD_UNREADABLE"


class CiphertextNotAuthentic(Unprocessable):
    code = "CIPHERTEXT_NOT_AUTHENTIC"


class UsageUnsuitable(Unprocessable):
    code = "USAGE_UNSUITABLE"


class PolicyFixed(Conflict):
    code = "POLICY_FIXED"


class TooFewApprovals(Denied):
    code = "TOO_FEW_APPROVALS"


class ApprovalsExpired(Unprocessable):
    code = "APPROVALS_EXPIRED"


class RequesterUnknown(Unprocessable):
    code = "REQUESTER_UNKNOWN"


class RotationUnsuitable(Unprocessable):
    code = "ROTATION_UNSUITABLE"


class RotationsExhausted(Conflict):
    code = "ROTATIONS_EXHAUSTED"


class PoliciesTooLong(Unprocessable):
    code = "POLICIES_TOO_LONG"


class NoPolicyWaits(Conflict):
    code = "NO_POLICY_WAITS"


class PolicyWaits(Conflict):
    code = "POLICY_WAITS"


class ApprovalUnknown(Missing):
    code = "APPROVAL_NOT_FOUND"


class ApprovalDecided(Conflict):
    code = "APPROVAL_DECIDED"


class ApprovalNotYours(Denied):
    code = "APPROVAL_NOT_YOURS"


class DecisionNotSigned(Unprocessable):
    code = "DECISION_NOT_SIGNED"


class SigningRefused(Denied):
    """``code`` on the instance is the enclave's own."""

    code = "SIGNING_REFUSED"

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.enclave_code = code


class ImportKeyUnknown(Conflict):
    code = "IMPORT_KEY_UNKNOWN"


class ImportIdTaken(Conflict):
    code = "IMPORT_ID_TAKEN"


class ImportNotAuthentic(Unprocessable):
    code = "IMPORT_NOT_AUTHENTIC"


class ImportNotAKey(Unprocessable):
    code = "IMPORT_NOT_A_KEY"


class RecipientUnsuitable(Unprocessable):
    code = "RECIPIENT_UNSUITABLE"


class ExportNotAllowed(Denied):
    code = "EXPORT_NOT_ALLOWED"


class RecipientNotNamed(Denied):
    code = "RECIPIENT_NOT_NAMED"

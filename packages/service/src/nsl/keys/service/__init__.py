"""Keys: what is made, asked and signed of them, and their life."""

from nsl.keys.service.addresses import Addresses, DepositAddresses
from nsl.keys.service.approving import ApprovalState, Approving, Shown
from nsl.keys.service.asking import ToSign
from nsl.keys.service.destroying import Destroying
from nsl.keys.service.freezing import Freezing
from nsl.keys.service.governing import Compared, Governing
from nsl.keys.service.lifecycle import Lifecycle
from nsl.keys.service.portable import ExportedKey, ImportParameters, NewImport, PortableKeys
from nsl.keys.service.secrets import Done, SecretKeys
from nsl.keys.service.signing import Keys, Made, Signed, decoded
from nsl.keys.service.verifying import verifies

__all__ = [
    "Addresses",
    "ApprovalState",
    "Approving",
    "Compared",
    "DepositAddresses",
    "Destroying",
    "Done",
    "ExportedKey",
    "Freezing",
    "Governing",
    "ImportParameters",
    "Keys",
    "Lifecycle",
    "Made",
    "NewImport",
    "PortableKeys",
    "SecretKeys",
    "Shown",
    "Signed",
    "ToSign",
    "decoded",
    "verifies",
]

"""What can go wrong when records are held or erased.

PersonUnknown    404  nobody who belongs or belonged to the tenant
HoldUnknown      404  no such legal hold in force
OnLegalHold      409  what is to be erased is held: lift that first
OneselfErased    409  somebody else has to erase whoever asks
AccessChanged    409  access is not as it was when it was looked at
"""

from nsl.kit.errors import Conflict, Missing


class PersonUnknown(Missing):
    code = "PERSON_NOT_FOUND"


class HoldUnknown(Missing):
    code = "HOLD_NOT_FOUND"


class OnLegalHold(Conflict):
    code = "LEGAL_HOLD"


class OneselfErased(Conflict):
    code = "CANNOT_ERASE_ONESELF"


class AccessChanged(Conflict):
    code = "ACCESS_CHANGED"

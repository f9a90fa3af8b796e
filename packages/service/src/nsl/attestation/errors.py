"""What can go wrong with attestation. That a quote is refused is an answer, not an error.

CollateralMissing      422  none was sent, and this layer has no PCCS to ask
CollateralUnavailable  503  the PCCS does not answer, or has none for that platform
CollateralUnreadable   422
"""

from nsl.kit.errors import Unavailable, Unprocessable


class CollateralMissing(Unprocessable):
    code = "COLLATERAL_MISSING"


class CollateralUnavailable(Unavailable):
    code = "COLLATERAL_UNAVAILABLE"


class CollateralUnreadable(Unprocessable):
    code = "COLLATERAL_UNREADABLE"

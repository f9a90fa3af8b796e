"""What attestation needs of the world outside."""

from typing import Protocol

from nsl_protocol.attestation.verify import Collateral


class CollateralSource(Protocol):
    """Intel's signed statements about a platform, from a caching service (PCCS)."""

    async def collateral(self, quote: bytes) -> Collateral:
        """For the platform that made this quote.

        Raises:
            CollateralUnavailable: it does not answer, or has nothing for that platform.
        """

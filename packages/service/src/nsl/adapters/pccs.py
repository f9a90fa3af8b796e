"""Collateral from a caching service of Intel's PCS (PCCS, API version 4), kept until it expires."""

from collections import OrderedDict
from datetime import datetime, timedelta

import structlog
from cryptography import x509
from dcap_qvl import get_collateral, parse_quote
from msgspec import Struct
from msgspec.json import decode

from nsl.attestation.errors import CollateralUnavailable
from nsl.kit.clock import now
from nsl_protocol.attestation.verify import Collateral

KEPT_MAX = 256
# A revocation should reach us within a day, even where the lists would be good for a month.
AGE_MAX = timedelta(days=1)

_log = structlog.get_logger("nsl.adapters")


class _Signed(Struct, rename="camel"):
    next_update: datetime


class Pccs:
    """``url`` is the service's base, such as ``https://pccs.example:8081``."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._kept: OrderedDict[tuple[str, str, bool], tuple[Collateral, datetime]] = OrderedDict()

    async def collateral(self, quote: bytes) -> Collateral:
        """For the platform that made this quote; asked for at most once a day.

        Raises:
            CollateralUnavailable: bytes that name no platform, no answer, or nothing known of that platform.
        """
        try:
            parsed = parse_quote(quote)
            platform = (parsed.fmspc(), parsed.ca(), parsed.is_sgx())
        except ValueError as error:
            raise CollateralUnavailable(f"The quote names no platform to ask collateral for: {error}.") from error
        kept = self._kept.get(platform)
        if kept is not None and kept[1] > now():
            return kept[0]
        try:
            collateral = Collateral((await get_collateral(self._url, quote)).to_json())
        except (RuntimeError, ValueError) as error:
            _log.warning("collateral cannot be fetched", fmspc=platform[0], error=str(error))
            raise CollateralUnavailable(
                "The PCCS gives no collateral for this platform; try again, or send it."
            ) from error
        self._kept[platform] = (collateral, min(_expires(collateral), now() + AGE_MAX))
        self._kept.move_to_end(platform)
        if len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return collateral


def _expires(collateral: Collateral) -> datetime:
    """When the first of its signed parts ends."""
    parsed = collateral.parsed
    ends = [decode(text, type=_Signed).next_update for text in (parsed.tcb_info, parsed.qe_identity)]
    for der in (parsed.root_ca_crl, parsed.pck_crl):
        end = x509.load_der_x509_crl(der).next_update_utc
        if end is not None:
            ends.append(end)
    return min(ends)

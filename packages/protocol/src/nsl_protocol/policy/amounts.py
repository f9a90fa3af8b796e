"""Amounts in a policy: decimal text, and what it is in the smallest unit."""

from typing import Annotated

from msgspec import Meta

from nsl_protocol.errors import CodecError

type Amount = Annotated[str, Meta(pattern="^(0|[1-9][0-9]{0,60})(\\.[0-9]{1,30})?$")]


def units(amount: str, decimals: int) -> int:
    """A decimal number as a count of the smallest unit, exactly. Raises CodecError: it is finer than that."""
    whole, _, fraction = amount.partition(".")
    fraction = fraction.rstrip("0")
    if len(fraction) > decimals:
        raise CodecError(f"{amount} has more than {decimals} decimals", field="policy")
    return int(whole + fraction.ljust(decimals, "0"))

"""What msgspec says of input that does not fit, as an error that names the field.

Its words end in the place, " - at `$.policy.kinds[1]`", and name a field that is unknown or missing.
"""

import re
from typing import Annotated, Self

from msgspec import Meta

from nsl.kit.errors import Malformed

#: a name that people give: no control characters, which PostgreSQL and terminals take ill
type Label = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]

_UNKNOWN_OR_MISSING = re.compile(r"(?:unknown|missing required) field `([^`]+)`")
_AT = re.compile(r" - at `\$\.?([^`]*)`")


class Unreadable(Malformed):
    """Input that cannot be read into the type it should have."""

    code = "MALFORMED"

    @classmethod
    def because(cls, error: Exception, *, within: str = "") -> Self:
        """From msgspec's error; ``within`` is where the input stands in the request."""
        field, reason = place(str(error))
        whole = ".".join(part for part in (within, field) if part)
        return cls(reason or "nested too deeply", field=whole or "body")


def place(message: str) -> tuple[str, str]:
    """The dotted field that a message is about, empty for the whole input, and what it says of it."""
    at = _AT.search(message)
    field = at[1] if at else ""
    if named := _UNKNOWN_OR_MISSING.search(message):
        field = f"{field}.{named[1]}" if field else named[1]
    return field, _AT.sub("", message).strip()

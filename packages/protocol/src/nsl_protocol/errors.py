"""What can be wrong with bytes or text that claim to be something.

CodecError                  any input that is not exactly what it claims to be
├── ChecksumError           a Base58Check or NEP-2 checksum does not match: a typing error, most likely
├── WrongVersionError       well formed, but of another kind or network (an address of Neo 2, another chain)
└── LimitError              larger than the format or a node allows
"""


class CodecError(ValueError):
    """``reason`` says what is wrong; ``field``, where known, names the part of the input it was found in."""

    def __init__(self, reason: str, *, field: str | None = None) -> None:
        self.reason = reason
        self.field = field
        super().__init__(reason if field is None else f"{field}: {reason}")


class ChecksumError(CodecError):
    """The checksum does not match the content."""


class WrongVersionError(CodecError):
    """Well formed, but another version byte, kind or network than the one asked for."""


class LimitError(CodecError):
    """A count, length or depth above the limit."""

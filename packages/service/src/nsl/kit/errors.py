"""One base for every error that a caller can be told of.

    Failure
    ├── Malformed        400  the request cannot be read
    ├── Unauthenticated  401  no credential, or a bad one
    ├── Denied           403  the credential does not allow it
    ├── Missing          404  no such thing, or not yours
    ├── Conflict         409  contradicts what is there
    ├── TooLarge         413
    ├── Unprocessable    422  readable, but cannot be done
    ├── Locked           423
    ├── Exhausted        429  a limit; carries the seconds to wait
    └── Unavailable      503  a dependency is down; carries the seconds to wait

A slice's ``errors.py`` subclasses these and sets ``code``, which clients may branch on. The HTTP status is the
business of ``nsl.http`` alone. What is none of these is a defect and answers 500.
"""


class Failure(Exception):
    """An error with a stable code and a sentence that says what to do.

    Args:
        detail: one or two sentences for the person who reads the answer; never a secret.
        field: the field of the request that caused it, where there is one.
    """

    code: str = "FAILURE"

    def __init__(self, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field


class Malformed(Failure):
    code = "MALFORMED"


class Unauthenticated(Failure):
    """``challenge`` is what the answer's WWW-Authenticate says (RFC 6750 section 3)."""

    code = "UNAUTHENTICATED"
    challenge = 'Bearer error="invalid_token"'


class Denied(Failure):
    code = "DENIED"


class Missing(Failure):
    code = "NOT_FOUND"


class Conflict(Failure):
    code = "CONFLICT"


class TooLarge(Failure):
    code = "TOO_LARGE"


class Unprocessable(Failure):
    code = "UNPROCESSABLE"


class Locked(Failure):
    code = "LOCKED"


class Exhausted(Failure):
    code = "EXHAUSTED"

    def __init__(self, detail: str, *, retry_after_seconds: int, field: str | None = None) -> None:
        super().__init__(detail, field=field)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(Failure):
    code = "UNAVAILABLE"

    def __init__(self, detail: str, *, retry_after_seconds: int = 1, field: str | None = None) -> None:
        super().__init__(detail, field=field)
        self.retry_after_seconds = retry_after_seconds

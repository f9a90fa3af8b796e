"""What the endpoints of identity share: parameters, pages, and who a thing is shown to."""

from typing import Annotated
from uuid import UUID

from litestar.di import NamedDependency
from litestar.params import HeaderParameter, QueryParameter, SkipValidation

from nsl.identity.service import Audit, Directory, Idempotency, Tenancy

PAGE_MAX = 200

TenancyOf = NamedDependency[SkipValidation[Tenancy]]
DirectoryOf = NamedDependency[SkipValidation[Directory]]
AuditOf = NamedDependency[SkipValidation[Audit]]
Once = NamedDependency[SkipValidation[Idempotency]]
IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="The same key and body: the same answer, 7 days",
    ),
]
Limit = Annotated[int, QueryParameter(ge=1, le=PAGE_MAX)]
Cursor = Annotated[UUID | None, QueryParameter(description="next_cursor of the page before")]


def cursor_text(following: UUID | None) -> str | None:
    """A page's next_cursor."""
    return None if following is None else str(following)

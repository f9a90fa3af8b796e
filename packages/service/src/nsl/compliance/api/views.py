"""What the endpoints of compliance share."""

from typing import Annotated, Final
from uuid import UUID

from litestar.di import NamedDependency
from litestar.params import QueryParameter, SkipValidation
from msgspec import Meta

from nsl.compliance.service import Access, Holds, People

PAGE_MAX: Final = 200

AccessOf = NamedDependency[SkipValidation[Access]]
HoldsOf = NamedDependency[SkipValidation[Holds]]
PeopleOf = NamedDependency[SkipValidation[People]]
#: why, in words that name nobody: it is kept
Reason = Annotated[str, Meta(min_length=3, max_length=500, pattern=r"^[^\x00]*$")]
Limit = Annotated[int, QueryParameter(ge=1, le=PAGE_MAX)]
Cursor = Annotated[UUID | None, QueryParameter(description="next_cursor of the page before")]


def cursor_text(following: UUID | None) -> str | None:
    """A page's next_cursor."""
    return None if following is None else str(following)

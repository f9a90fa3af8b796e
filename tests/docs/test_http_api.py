"""docs/openapi.json and docs/reference/http-api.md say what the application does."""

from pathlib import Path

import pytest

from tests.docs.golden_http_api import DOCS, golden

GOLDEN = golden()


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.relative_to(DOCS).as_posix())
def test_it_is_what_the_application_says(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == GOLDEN[path], "run `make golden` and read the difference"

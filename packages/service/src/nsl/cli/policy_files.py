"""Policies in files."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsl.cli.output import fail

if TYPE_CHECKING:
    from nsl_protocol.policy.document import Policy


def read_document(file: Path) -> dict[str, Any]:
    """A policy's JSON, after it was read as the enclave would."""
    read_policy_file(file)
    document: dict[str, Any] = json.loads(file.read_bytes())
    return document


def read_policy_file(file: Path) -> "Policy":
    """As the enclave would read it."""
    from nsl_protocol.errors import CodecError
    from nsl_protocol.policy.document import read_policy

    try:
        return read_policy(file.read_bytes())
    except (CodecError, OSError) as error:
        fail(f"{file}: {error}")

"""What is to be signed, as commands take it."""

import json
from enum import StrEnum
from typing import Any

import typer


class KindOption(StrEnum):
    MESSAGE = "message"
    DIGEST = "digest"
    N3_TRANSACTION = "n3-transaction"
    EVM_TRANSACTION = "evm-transaction"
    TYPED_DATA = "typed-data"


def payload_of(kind: KindOption, text: str) -> dict[str, Any]:
    """As the API takes it. Raises BadParameter."""
    if kind is KindOption.MESSAGE:
        return {"text": text}
    if kind is not KindOption.TYPED_DATA:
        return {"hex": text}
    try:
        document = json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"typed data is a JSON document: {error}", param_hint="PAYLOAD") from error
    if not isinstance(document, dict):
        raise typer.BadParameter("typed data is a JSON object", param_hint="PAYLOAD")
    return document

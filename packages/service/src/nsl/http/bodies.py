"""Request bodies: decoded once, strictly, straight into the type that the handler states.

The framework would read JSON into plain objects first and then convert those leniently ("90" would do for 90).
"""

from typing import Any

import msgspec
from litestar.dto import AbstractDTO

from nsl.kit.decoding import Unreadable


def strict_body(model: Any) -> type[AbstractDTO[Any]]:
    """A body of this type. Raises Unreadable."""
    decoder = msgspec.json.Decoder(model)

    class StrictBody(AbstractDTO[Any]):
        """What Litestar calls to turn bytes into the handler's ``data``; the rest of the protocol has nothing to do."""

        def decode_bytes(self, value: bytes) -> Any:
            try:
                return decoder.decode(value)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise Unreadable.because(error) from error

        @classmethod
        def create_for_field_definition(cls, *_: Any, **__: Any) -> None:
            """Nothing to prepare."""

        @classmethod
        def create_openapi_schema(cls, field_definition: Any, handler_id: str, schema_creator: Any) -> Any:  # noqa: ARG003 - Litestar's signature
            return schema_creator.for_field_definition(field_definition)

        @classmethod
        def generate_field_definitions(cls, model_type: type[Any]) -> Any:  # noqa: ARG003 - Litestar's signature
            return iter(())

        @classmethod
        def detect_nested_field(cls, field_definition: Any) -> bool:  # noqa: ARG003 - Litestar's signature
            return False

    return StrictBody

"""Frames of the host-enclave channel: length-prefixed, bounded, canonical msgpack (``messages`` has the contents)."""

import msgspec

from nsl_protocol.enclave.messages import FRAME_BYTES_MAX, VERSION, Answer, Call, Reply, Request
from nsl_protocol.errors import CodecError, LimitError

HEADER_BYTES = 4

_encoder = msgspec.msgpack.Encoder()
_calls = msgspec.msgpack.Decoder(Call)
_replies = msgspec.msgpack.Decoder(Reply)


def call_frame(identifier: int, body: Request) -> bytes:
    """The frame of a call. Raises LimitError when it is larger than a frame may be."""
    return _frame(_encoder.encode(Call(VERSION, identifier, body)))


def reply_frame(identifier: int, body: Answer) -> bytes:
    """The frame of a reply. Raises LimitError when it is larger than a frame may be."""
    return _frame(_encoder.encode(Reply(VERSION, identifier, body)))


def read_call(payload: bytes) -> Call:
    """Parse a frame's payload as a call. Raises CodecError for anything but its one canonical encoding."""
    return _read(_calls, payload)


def read_reply(payload: bytes) -> Reply:
    """Parse a frame's payload as a reply. Raises CodecError for anything but its one canonical encoding."""
    return _read(_replies, payload)


class FrameReader:
    """Cuts a stream of bytes into payloads. It never holds more than one frame and what came with it."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that are complete now.

        Raises:
            LimitError: a frame announces more than ``FRAME_BYTES_MAX`` bytes, or none. The stream is useless then.
        """
        self._buffer += data
        payloads = []
        start = 0
        while len(self._buffer) - start >= HEADER_BYTES:
            length = int.from_bytes(self._buffer[start : start + HEADER_BYTES])
            if not 0 < length <= FRAME_BYTES_MAX:
                raise LimitError(f"a frame of {length} bytes, at most {FRAME_BYTES_MAX} are allowed", field="frame")
            end = start + HEADER_BYTES + length
            if len(self._buffer) < end:
                break
            payloads.append(bytes(self._buffer[start + HEADER_BYTES : end]))
            start = end
        del self._buffer[:start]
        return payloads


def _frame(payload: bytes) -> bytes:
    if len(payload) > FRAME_BYTES_MAX:
        raise LimitError(f"{len(payload)} bytes do not fit a frame of {FRAME_BYTES_MAX}", field="frame")
    return len(payload).to_bytes(HEADER_BYTES) + payload


def _read[T: Call | Reply](decoder: msgspec.msgpack.Decoder[T], payload: bytes) -> T:
    try:
        message = decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CodecError(str(error), field="frame") from error
    if message.version != VERSION:
        raise CodecError(f"version {message.version} is unknown, {VERSION} is spoken here", field="frame")
    if _encoder.encode(message) != payload:
        raise CodecError("is not in its canonical form", field="frame")
    return message

"""Gramine's ``/dev/attestation`` behind real file paths, for programs that open, read and write them.

``user_report_data`` is a file: whoever writes it replaces what was there, as in Gramine. ``report`` and ``quote`` are
pipes that a thread answers, each time they are opened, over the report data of that moment. Shorter data is padded with
zeros. Longer data, which Gramine cuts off in silence (libos/src/fs/dev/attestation.c), is answered with nothing, so
that no program can lean on that.
"""

import os
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

REPORT_DATA_BYTES = 64
HEADER_BYTES, BODY_BYTES = 48, 384
INIT, DEBUG, MODE64 = 0x01, 0x02, 0x04
MRENCLAVE, MRSIGNER = sha256(b"program").digest(), sha256(b"signer").digest()

type Answer = Callable[[bytes], bytes]


def report_body(
    report_data: bytes,
    *,
    mrenclave: bytes = MRENCLAVE,
    attributes: int = INIT | MODE64,
    isvprodid: int = 1,
    isvsvn: int = 3,
) -> bytes:
    """The 384 bytes that processor and quote say about an enclave (Intel SDM volume 3D, REPORT)."""
    return struct.pack(
        "<48x B 15x 32s 32x 32s 96x H H 60x 64s", attributes, mrenclave, MRSIGNER, isvprodid, isvsvn, report_data
    )


def quoting(body: Answer = report_body) -> Answer:
    """A quoting enclave without keys: version 3, ECDSA-P256, the body, and authentication data of zeros."""
    header = struct.pack("<HHI HH 16s 20s", 3, 2, 0, 0, 0, b"quoting enclave", b"")
    certification = struct.pack("<H HI", 0, 5, 0)
    authentication = bytes(128 + 448) + certification
    return lambda report_data: header + body(report_data) + struct.pack("<I", len(authentication)) + authentication


def body_of(quote: Answer) -> Answer:
    """What the processor reports, when the quoting enclave tells the truth."""
    return lambda report_data: quote(report_data)[HEADER_BYTES:][:BODY_BYTES]


@contextmanager
def gramine(
    directory: Path,
    quote: Answer | None = None,
    *,
    body: Answer | None = None,
    attestation_type: str = "dcap",
    machine: bytes = b"machine",
) -> Iterator[Path]:
    """The folder of pseudo-files while Gramine runs in it.

    ``quote``: 64 bytes of report data in, a quote out. ``body``: the processor's own word, if it is another one.
    """
    quote = quote or quoting()
    body = body or body_of(quote)
    identity = body(bytes(REPORT_DATA_BYTES))
    (directory / "keys").mkdir(parents=True)
    (directory / "keys" / "_sgx_mrenclave").write_bytes(sha256(machine + identity[64:96]).digest()[:16])
    (directory / "attestation_type").write_text(attestation_type)
    (directory / "my_target_info").write_bytes(identity[64:96].ljust(512, b"\0"))
    for name in ("target_info", "user_report_data"):
        (directory / name).touch()
    answers: dict[str, Answer] = {"report": lambda report_data: body(report_data) + bytes(48)}
    if attestation_type != "none":
        answers["quote"] = quote
    pipes = [_Pipe(directory, name, answer) for name, answer in answers.items()]
    try:
        yield directory
    finally:
        for pipe in pipes:
            pipe.close()


class _Pipe:
    """A named pipe that gives each reader an answer of its own."""

    def __init__(self, directory: Path, name: str, answer: Answer) -> None:
        self._path = directory / name
        self._report_data = directory / "user_report_data"
        self._answer = answer
        self._closed = False
        os.mkfifo(self._path)
        self._thread = threading.Thread(target=self._serve, name=f"gramine {name}", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            writing = os.open(self._path, os.O_WRONLY)  # until somebody reads
            if self._closed:
                os.close(writing)
                return
            # The next reader gets another pipe, or it would share this one's bytes.
            fresh = self._path.with_suffix(".next")
            os.mkfifo(fresh)
            fresh.rename(self._path)
            report_data = self._report_data.read_bytes()
            with suppress(BrokenPipeError), os.fdopen(writing, "wb") as pipe:
                if len(report_data) <= REPORT_DATA_BYTES:
                    pipe.write(self._answer(report_data.ljust(REPORT_DATA_BYTES, b"\0")))

    def close(self) -> None:
        self._closed = True
        reading = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
        self._thread.join(5)
        os.close(reading)

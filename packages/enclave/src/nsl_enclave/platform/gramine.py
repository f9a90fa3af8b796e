"""An SGX enclave under Gramine, seen through the pseudo-files of ``/dev/attestation``.

What the program knows about itself comes from ``report``, which the processor makes (EREPORT). A quote comes from the
host's quoting service and is passed on only when it carries that very report. Sources: Gramine, "Attestation and Secret
Provisioning"; Intel SDM volume 3D, "REPORT". Integers are little-endian.
"""

import struct
import threading
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from nsl_enclave.kernel.clock import random_bytes
from nsl_enclave.kernel.errors import PlatformError, SealError
from nsl_protocol.attestation.verify import INTEL

ATTESTATION = Path("/dev/attestation")
REPORT_DATA_BYTES = 64
_KEY_BYTES = 16
_QUOTE_HEADER_BYTES = 48
_SEAL_INFO = b"nsl-seal-v1\0gramine-mrenclave"

# Attributes' first byte, MRENCLAVE, MRSIGNER, ISVPRODID, ISVSVN, REPORTDATA: 384 bytes.
_BODY = struct.Struct("<48x B 15x 32s 32x 32s 96x H H 60x 64s")
_INIT, _DEBUG = 0x01, 0x02


class GraminePlatform:
    """The platform of ``SGX_MODE=HW``.

    ``measurement`` and ``signer`` are MRENCLAVE and MRSIGNER (32 bytes as lower-case hex), ``product`` is ISVPRODID and
    ``security_version`` ISVSVN.
    """

    mode = "hw"
    anchor = INTEL

    def __init__(self, directory: Path = ATTESTATION) -> None:
        """Take a first quote.

        Raises:
            PlatformError: not under Gramine with DCAP, no quoting service, or not a production enclave.
        """
        self._directory = directory
        # The pseudo-files are one state for the whole process: writing and reading belong together.
        self._lock = threading.Lock()
        attestation_type = self._read("attestation_type").decode("utf-8", "replace").strip("\0\n ")
        if attestation_type != "dcap":
            raise PlatformError(
                f'The attestation type is "{attestation_type}": set sgx.remote_attestation = "dcap" in the manifest.'
            )
        self._write("target_info", self._read("my_target_info"))
        body = self.quote(random_bytes(REPORT_DATA_BYTES))[_QUOTE_HEADER_BYTES:][: _BODY.size]
        attributes, mrenclave, mrsigner, self.product, self.security_version, _ = _BODY.unpack(body)
        if not attributes & _INIT:
            raise PlatformError("The enclave's attributes lack INIT: this report is of no running enclave.")
        if attributes & _DEBUG:
            raise PlatformError("The host can read a debug enclave: set sgx.debug = false in the manifest.")
        self.measurement = mrenclave.hex()
        self.signer = mrsigner.hex()

    def quote(self, report_data: bytes) -> bytes:
        """Exactly 64 bytes of user report data in, a DCAP quote out; whoever receives it verifies its signature.

        Raises:
            PlatformError: not 64 bytes, no answer, or a quote of another enclave or over other report data.
        """
        if len(report_data) != REPORT_DATA_BYTES:
            raise PlatformError(f"{len(report_data)} bytes of report data: a quote takes {REPORT_DATA_BYTES}.")
        with self._lock:
            self._write("user_report_data", report_data)
            body = self._read("report")[: _BODY.size]
            quote = self._read("quote")
        if len(body) != _BODY.size or _BODY.unpack(body)[-1] != report_data:
            raise PlatformError("The processor's report is not over the report data that was asked for.")
        if quote[_QUOTE_HEADER_BYTES:][: _BODY.size] != body:
            raise PlatformError("The quoting service answered with a quote of another report: check aesmd on the host.")
        return quote

    def collateral(self, at: float) -> None:
        """Intel's word comes from a PCCS, through the host: it is signed."""

    def sealing_key(self) -> bytes:
        """32 bytes that this very MRENCLAVE gets again on this processor, as long as its microcode stays.

        Raises:
            SealError: Gramine has no sealing key.
        """
        name = "keys/_sgx_mrenclave"
        try:
            key = (self._directory / name).read_bytes()
        except OSError as error:
            raise SealError(
                f"{name} cannot be read ({error.strerror}): start with gramine-sgx 1.5 or newer."
            ) from error
        if len(key) != _KEY_BYTES:
            raise SealError(f"{name} holds {len(key)} bytes and not {_KEY_BYTES}: start with gramine-sgx.")
        return HKDF(hashes.SHA256(), 32, salt=None, info=_SEAL_INFO).derive(key)

    def isolate(self) -> tuple[str, ...]:
        """What holds is the enclave itself, whose memory is in no core dump of the host.

        Gramine has neither prctl nor seccomp nor landlock; the manifest refuses child processes and unlisted files.
        """
        return ("sgx",)

    def _read(self, name: str) -> bytes:
        try:
            return (self._directory / name).read_bytes()
        except OSError as error:
            raise self._unusable(name, error) from error

    def _write(self, name: str, content: bytes) -> None:
        try:
            (self._directory / name).write_bytes(content)
        except OSError as error:
            raise self._unusable(name, error) from error

    def _unusable(self, name: str, error: OSError) -> PlatformError:
        return PlatformError(
            f"{self._directory / name} cannot be used ({error.strerror}): "
            'start with gramine-sgx, with sgx.remote_attestation = "dcap" and aesmd on the host.'
        )

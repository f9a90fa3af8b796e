"""A simulated quoting enclave: quotes in the real format (SGX, version 3), under a root that no hardware knows.

Layout: "Intel SGX ECDSA QuoteLibReferenceDCAP API", appendix A. Integers are little-endian.
"""

import hashlib
import os
import struct
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from nsl_enclave.kernel.clock import random_bytes
from nsl_enclave.kernel.errors import PlatformError
from nsl_enclave.platform.provisioning import (
    CPU_SVN,
    PCE_SVN,
    QE_PRODUCT,
    QE_SIGNER,
    QE_SVN,
    Provisioning,
    Standing,
    raw_public_key,
    raw_signature,
)

ROOT_FILE = "root.der"
_SECRET_FILE = "provisioning.secret"  # noqa: S105 - a name, not a secret
_SECRET_BYTES = 32
_HEADER = struct.Struct("<HHIHH16s20s")
_VERSION, _ECDSA_P256, _TEE_SGX = 3, 2, 0
_INTEL_QE_VENDOR = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
# CPUSVN, MISCSELECT, ATTRIBUTES (flags, XFRM), MRENCLAVE, MRSIGNER, ISVPRODID, ISVSVN, REPORTDATA: 384 bytes.
_BODY = struct.Struct("<16sI28xQQ32s32x32s96xHH60x64s")
_INIT, _DEBUG, _MODE_64, _PROVISION_KEY = 0x01, 0x02, 0x04, 0x10
_X87_SSE = 0x03
_PEM_CHAIN = 5
_AUTHENTICATION_DATA = bytes(range(32))  # as Intel's quoting enclave has it


@dataclass(frozen=True, slots=True)
class ReportBody:
    """What is quoted: two hashes of 32 bytes, two numbers, 64 bytes of the enclave's own."""

    mrenclave: bytes
    mrsigner: bytes
    isv_prod_id: int
    isv_svn: int
    report_data: bytes
    debug: bool = False

    def encode(self) -> bytes:
        """384 bytes."""
        flags = _INIT | _MODE_64 | (_DEBUG if self.debug else 0)
        return _body(flags, self)


class QuotingEnclave:
    """Quotes any report body that it is given: it stands for the processor, and is as honest as the host."""

    def __init__(self, provisioning: Provisioning, standing: Standing | None = None) -> None:
        self._provisioning = provisioning
        self._standing = standing or Standing()
        self._key = provisioning.attestation_key()
        public = raw_public_key(self._key.public_key())
        bound = hashlib.sha256(public + _AUTHENTICATION_DATA).digest().ljust(64, b"\0")
        identity = ReportBody(bytes(32), QE_SIGNER, QE_PRODUCT, QE_SVN, bound)
        report = _body(_INIT | _PROVISION_KEY, identity)
        chain = provisioning.chain
        self._certification = b"".join(
            (
                public,
                report,
                raw_signature(provisioning.platform_key, report),
                struct.pack("<H", len(_AUTHENTICATION_DATA)) + _AUTHENTICATION_DATA,
                struct.pack("<HI", _PEM_CHAIN, len(chain)),
                chain,
            )
        )

    @classmethod
    def open(cls, directory: Path) -> Self:
        """The quoting enclave of a host: made at the first start, also of several enclaves at once.

        Raises:
            PlatformError: the folder cannot be used, or its secret is damaged.
        """
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            secret = _secret(directory / _SECRET_FILE)
            provisioning = Provisioning(secret)
            _publish(directory / ROOT_FILE, provisioning.root_der)
        except OSError as error:
            raise PlatformError(
                f"The simulated quoting enclave cannot use {directory} ({error.strerror}): pass another --simulation."
            ) from error
        return cls(provisioning)

    @property
    def root_der(self) -> bytes:
        """The root of its quotes."""
        return self._provisioning.root_der

    def quote(self, body: ReportBody) -> bytes:
        """A quote of that body."""
        header = _HEADER.pack(_VERSION, _ECDSA_P256, _TEE_SGX, QE_SVN, PCE_SVN, _INTEL_QE_VENDOR, bytes(20))
        signed = header + body.encode()
        data = raw_signature(self._key, signed) + self._certification
        return signed + struct.pack("<I", len(data)) + data

    def collateral(self, at: datetime) -> str:
        """What a PCCS would say of this platform at that time, as JSON."""
        return self._provisioning.collateral(at, self._standing)


def _body(flags: int, body: ReportBody) -> bytes:
    return _BODY.pack(
        CPU_SVN,
        0,
        flags,
        _X87_SSE if flags & _MODE_64 else 0,
        body.mrenclave,
        body.mrsigner,
        body.isv_prod_id,
        body.isv_svn,
        body.report_data,
    )


def _secret(path: Path) -> bytes:
    """Whoever comes first writes it; a link appears whole or not at all."""
    if not path.exists():
        temporary = path.with_suffix(f".{random_bytes(8).hex()}")
        _publish(temporary, random_bytes(_SECRET_BYTES), mode=0o600)
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    secret = path.read_bytes()
    if len(secret) != _SECRET_BYTES:
        raise PlatformError(f"{path} is damaged: remove it, and every quote made under it loses its root.")
    return secret


def _publish(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file whole, in place of one that may be read meanwhile."""
    temporary = path.with_name(f"{path.name}.{random_bytes(8).hex()}.new")
    temporary.touch(mode=mode, exist_ok=False)
    temporary.write_bytes(content)
    temporary.rename(path)

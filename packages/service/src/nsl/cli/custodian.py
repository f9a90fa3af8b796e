"""What a custodian does: keep two keys, put a name to a fresh quote, hand over a share."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from msgspec import DecodeError, Struct
from msgspec.json import decode

from nsl.adapters.enclave import Visit
from nsl.kit.errors import Malformed
from nsl.kit.files import write_private
from nsl_protocol.attestation.binding import Purpose
from nsl_protocol.cluster.custody import Act, statement
from nsl_protocol.cluster.manifest import Custodian, Manifest, SignedManifest, read_signed, sign_off
from nsl_protocol.cluster.packages import SharePackage
from nsl_protocol.enclave.membership import (
    Admit,
    Admitted,
    Bootstrap,
    Founded,
    GetPackages,
    Join,
    Joined,
    JoinPrepared,
    PrepareJoin,
    RetireRoots,
    RotateRoot,
    ShareTaken,
    SubmitShare,
)
from nsl_protocol.errors import CodecError


class CustodianFileUnreadable(Malformed):
    code = "CUSTODIAN_FILE_UNREADABLE"


class _File(Struct, forbid_unknown_fields=True):
    name: str
    signing_key: str
    recipient_key: str


@dataclass(frozen=True, slots=True)
class CustodianKeys:
    """A custodian's private keys."""

    name: str
    signing: Ed25519PrivateKey
    recipient: X25519PrivateKey

    @classmethod
    def new(cls, name: str) -> "CustodianKeys":
        """Fresh keys."""
        return cls(name, Ed25519PrivateKey.generate(), X25519PrivateKey.generate())

    @classmethod
    def read(cls, path: Path) -> "CustodianKeys":
        """Raises CustodianFileUnreadable."""
        try:
            found = decode(path.read_bytes(), type=_File)
            keys = bytes.fromhex(found.signing_key), bytes.fromhex(found.recipient_key)
            signing, recipient = (
                Ed25519PrivateKey.from_private_bytes(keys[0]),
                X25519PrivateKey.from_private_bytes(keys[1]),
            )
        except (OSError, DecodeError, ValueError) as error:
            raise CustodianFileUnreadable(
                f"{path} is no custodian's file: `nsl enclave custodian NAME` makes one."
            ) from error
        return cls(found.name, signing, recipient)

    def write(self, path: Path) -> None:
        """As JSON, mode 0600."""
        document = {
            "name": self.name,
            "signing_key": self.signing.private_bytes_raw().hex(),
            "recipient_key": self.recipient.private_bytes_raw().hex(),
        }
        write_private(path, json.dumps(document, indent=2) + "\n")

    @property
    def public(self) -> Custodian:
        """What the manifest lists."""
        return Custodian(
            self.name,
            self.signing.public_key().public_bytes_raw().hex(),
            self.recipient.public_key().public_bytes_raw().hex(),
        )

    def approve(self, act: Act, cluster: bytes, quote_digest: bytes) -> bytes:
        """The signature."""
        return self.signing.sign(statement(act, cluster, quote_digest))


async def bootstrap(visit: Visit, custodians: Sequence[CustodianKeys]) -> Founded:
    """Make the cluster's first root in an enclave that has just proven itself.

    Raises:
        EnclaveUntrusted: it is not one that the manifest lists.
        EnclaveRefused: too few custodians.
    """
    digest, signed = await _approved(visit, Purpose.BOOTSTRAP, Act.BOOTSTRAP, custodians)
    return await visit.ask(Founded, Bootstrap(digest, signed))


async def rotate(visit: Visit, custodians: Sequence[CustodianKeys]) -> Founded:
    """Replace the root. Raises EnclaveUntrusted, EnclaveRefused."""
    digest, signed = await _approved(visit, Purpose.ROTATION, Act.ROTATE, custodians)
    return await visit.ask(Founded, RotateRoot(digest, signed))


async def retire(visit: Visit, custodians: Sequence[CustodianKeys]) -> Founded:
    """Forget the roots of before. Raises EnclaveUntrusted, EnclaveRefused."""
    digest, signed = await _approved(visit, Purpose.RETIREMENT, Act.RETIRE, custodians)
    return await visit.ask(Founded, RetireRoots(digest, signed))


async def _approved(
    visit: Visit, purpose: Purpose, act: Act, custodians: Sequence[CustodianKeys]
) -> tuple[bytes, dict[str, bytes]]:
    """The digest of a fresh quote that the policy accepts, and the custodians' signatures over it."""
    quoted, _ = await visit.proven(purpose)
    digest = hashlib.sha256(quoted.quote).digest()
    return digest, {each.name: each.approve(act, quoted.cluster, digest) for each in custodians}


async def packages(visit: Visit) -> Founded:
    """The custodians' packages once more."""
    return await visit.ask(Founded, GetPackages())


async def recover(visit: Visit, custodian: CustodianKeys, package: bytes) -> ShareTaken | Founded:
    """Hand over one custodian's share, encrypted to an enclave that has just proven itself.

    Raises:
        EnclaveUntrusted: it is not one that the manifest lists; the share was not opened.
        EnclaveRefused: ``BAD_SHARE`` names whose share does not fit.
        CodecError: the package is not this custodian's.
    """
    quoted, _ = await visit.proven(Purpose.RECOVERY)
    share = SharePackage.opened_by_custodian(package, quoted.cluster, custodian.recipient)
    digest = hashlib.sha256(quoted.quote).digest()
    sealed = share.for_enclave(quoted.cluster, quoted.keys[0])
    approval = custodian.approve(Act.RECOVER, quoted.cluster, digest)
    return await visit.ask_either(ShareTaken, Founded, SubmitShare(digest, custodian.name, sealed, approval))


async def join(member: Visit, replica: Visit) -> Joined:
    """Carry what a member and a replica say to each other; neither believes us anything.

    Raises:
        EnclaveRefused: one does not accept the other.
    """
    quoted, _ = await member.proven(Purpose.ENROL_SERVER)
    asked = await replica.ask(JoinPrepared, PrepareJoin(quoted.challenge))
    collateral = await member.trust.collateral(asked.quote, asked.collateral)
    admitted = await member.ask(
        Admitted,
        Admit(
            asked.quote,
            collateral.document.encode(),
            asked.recipient_key,
            asked.manifest_version,
            asked.challenge,
        ),
    )
    collateral = await replica.trust.collateral(admitted.quote, admitted.collateral)
    return await replica.ask(Joined, Join(admitted.quote, collateral.document.encode(), admitted.package))


def read_manifest(path: Path) -> SignedManifest:
    """A manifest as its author wrote it, or with signatures already. Raises CustodianFileUnreadable."""
    try:
        document = path.read_bytes()
        fields = decode(document)
        if isinstance(fields, dict) and "signatures" in fields:
            return read_signed(document)[0]
        return sign_off(decode(document, type=Manifest))
    except (OSError, DecodeError, UnicodeDecodeError, CodecError) as error:
        raise CustodianFileUnreadable(f"{path} is no manifest: {error}.") from error


def read_packages(path: Path) -> dict[str, bytes]:
    """By custodian. Raises CustodianFileUnreadable."""
    try:
        return {name: bytes.fromhex(text) for name, text in decode(path.read_bytes(), type=dict[str, str]).items()}
    except (OSError, DecodeError, ValueError) as error:
        raise CustodianFileUnreadable(f"{path} holds no custodians' packages.") from error


def write_packages(path: Path, found: Mapping[str, bytes]) -> None:
    """As JSON, mode 0600. They open for their custodians alone; without them nothing can be recovered."""
    write_private(path, json.dumps({name: package.hex() for name, package in found.items()}, indent=2) + "\n")

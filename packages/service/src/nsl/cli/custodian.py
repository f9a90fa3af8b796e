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
from msgspec.msgpack import decode as unpack
from msgspec.msgpack import encode

from nsl.adapters.enclave import Trust, Visit
from nsl.kit.clock import random_bytes
from nsl.kit.errors import Malformed
from nsl.kit.files import write_private
from nsl_protocol.attestation.binding import NONCE_BYTES, Purpose
from nsl_protocol.cluster.custody import Act, statement, with_register
from nsl_protocol.cluster.manifest import Custodian, Manifest, Program, SignedManifest, read_signed, sign_off
from nsl_protocol.cluster.packages import SharePackage
from nsl_protocol.enclave.agreement import Certificate, Proceed, Proceeded
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
    Quoted,
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

    def approve(self, act: Act, cluster: bytes, digest: bytes) -> bytes:
        """The signature; ``digest``: as ``custody.statement`` says."""
        return self.signing.sign(statement(act, cluster, digest))


PURPOSES = {
    Act.BOOTSTRAP: Purpose.BOOTSTRAP,
    Act.ROTATE: Purpose.ROTATION,
    Act.RETIRE: Purpose.RETIREMENT,
    Act.PROCEED: Purpose.PROCEED,
}


class RegisterFile(Struct, frozen=True, forbid_unknown_fields=True):
    """The newest certificate of the register of keys that a database has, in hex. A file."""

    certificate: str

    @classmethod
    def of(cls, certificate: Certificate) -> "RegisterFile":
        return cls(encode(certificate).hex())

    @property
    def opened(self) -> Certificate:
        """Raises CustodianFileUnreadable."""
        try:
            return unpack(bytes.fromhex(self.certificate), type=Certificate)
        except (DecodeError, ValueError) as error:
            raise CustodianFileUnreadable("This is no register of keys: `nsl enclave register` writes one.") from error


class Question(Struct, frozen=True, forbid_unknown_fields=True):
    """What custodians are asked to put their names to: a fresh quote of the enclave that is to act. A file."""

    act: Act
    cluster: str
    nonce: str
    quote: str
    collateral: str
    key: str
    register: RegisterFile | None = None

    @property
    def digest(self) -> bytes:
        """SHA-256 of the quote."""
        return hashlib.sha256(bytes.fromhex(self.quote)).digest()

    @property
    def signed_digest(self) -> bytes:
        """What is signed: the quote's, or the quote's and the register's."""
        return self.digest if self.register is None else with_register(self.digest, self.register.opened.head.digest)


class Approval(Struct, frozen=True, forbid_unknown_fields=True):
    """One custodian's answer. A file."""

    act: Act
    custodian: str
    digest: str
    signature: str
    register: RegisterFile | None = None


@dataclass(frozen=True, slots=True)
class Approved:
    """Signatures over one quote, by custodian, and over the register of keys that they accept with it, if any."""

    digest: bytes
    signatures: dict[str, bytes]
    register: RegisterFile | None

    @classmethod
    def of(cls, approvals: Sequence[Approval], act: Act) -> "Approved":
        """Raises CustodianFileUnreadable: none, for another act, or over different quotes."""
        asked = {(each.digest, each.register) for each in approvals}
        if len(asked) != 1 or any(each.act is not act for each in approvals):
            raise CustodianFileUnreadable(f"Give approvals of one and the same request to {act}.")
        digest, register = asked.pop()
        signatures = {each.custodian: bytes.fromhex(each.signature) for each in approvals}
        return cls(bytes.fromhex(digest), signatures, register)


async def ask_custodians(visit: Visit, act: Act, register: RegisterFile | None = None) -> Question:
    """A fresh quote for an act, which the policy accepts.

    Args:
        register: to proceed from.

    Raises:
        EnclaveUntrusted, EnclaveRefused.
        CustodianFileUnreadable: there is none to proceed from.
    """
    if (act is Act.PROCEED) is (register is None):
        raise CustodianFileUnreadable("To proceed, and only for that, custodians accept a register: give --register.")
    nonce = random_bytes(NONCE_BYTES)
    quoted, _ = await visit.proven(PURPOSES[act], nonce)
    collateral = await visit.trust.collateral(quoted.quote, quoted.collateral)
    key = quoted.keys[0].hex()
    return Question(act, quoted.cluster.hex(), nonce.hex(), quoted.quote.hex(), collateral.document, key, register)


async def approve(question: Question, trust: Trust, custodian: CustodianKeys) -> Approval:
    """Verify the quote by this custodian's own manifest and roots, and sign. Raises EnclaveUntrusted."""
    quoted = Quoted(
        bytes.fromhex(question.quote),
        question.collateral.encode(),
        bytes.fromhex(question.cluster),
        (bytes.fromhex(question.key),),
        b"",
    )
    await trust.insist(Program.KME, PURPOSES[question.act], bytes.fromhex(question.nonce), quoted.keys, quoted)
    signature = custodian.approve(question.act, trust.constitution().cluster, question.signed_digest)
    return Approval(question.act, custodian.name, question.digest.hex(), signature.hex(), question.register)


async def approve_now(
    visit: Visit, act: Act, custodians: Sequence[CustodianKeys], register: RegisterFile | None = None
) -> Approved:
    """Where the custodians' keys are all here, as in development."""
    question = await ask_custodians(visit, act, register)
    return Approved.of([await approve(question, visit.trust, each) for each in custodians], act)


async def approved(
    visit: Visit,
    act: Act,
    custodians: Sequence[Path] | None,
    approvals: Sequence[Path] | None,
    register: RegisterFile | None = None,
) -> Approved:
    """From files: approvals that were given elsewhere, or the keys of custodians who are here.

    Raises:
        CustodianFileUnreadable: neither, or not what it should be.
    """
    if approvals:
        return Approved.of([read_file(Approval, file) for file in approvals], act)
    if not custodians:
        raise CustodianFileUnreadable(f"Give --approval (`nsl enclave request {act}` begins it), or --custodian.")
    return await approve_now(visit, act, [CustodianKeys.read(file) for file in custodians], register)


async def bootstrap(visit: Visit, approved: Approved) -> Founded:
    """Make the cluster's first root. Raises EnclaveRefused: too few custodians, or not this enclave's quote."""
    return await visit.ask(Founded, Bootstrap(approved.digest, approved.signatures))


async def rotate(visit: Visit, approved: Approved, newest: Certificate) -> Founded:
    """Make another root. Raises EnclaveRefused."""
    return await visit.ask(Founded, RotateRoot(newest, approved.digest, approved.signatures))


async def retire(visit: Visit, approved: Approved, newest: Certificate) -> Founded:
    """Forget the roots of before. Raises EnclaveRefused."""
    return await visit.ask(Founded, RetireRoots(newest, approved.digest, approved.signatures))


async def proceed(visit: Visit, approved: Approved) -> Proceeded:
    """Go on with this replica alone. Raises EnclaveRefused, CustodianFileUnreadable."""
    if approved.register is None:
        raise CustodianFileUnreadable("These approvals accept no register of keys: ask for them with --register.")
    return await visit.ask(Proceeded, Proceed(approved.digest, approved.register.opened, approved.signatures))


async def packages(visit: Visit) -> Founded:
    """The custodians' packages once more."""
    return await visit.ask(Founded, GetPackages())


async def recover(
    visit: Visit, custodian: CustodianKeys, package: bytes, register: Certificate | None
) -> ShareTaken | Founded:
    """Hand over one custodian's share, encrypted to an enclave that has just proven itself.

    Args:
        register: of the database that is gone on with. None: no key was ever made.

    Raises:
        EnclaveUntrusted: it is not one that the manifest lists; the share was not opened.
        EnclaveRefused: ``BAD_SHARE`` names whose share does not fit.
        CodecError: the package is not this custodian's.
    """
    quoted, _ = await visit.proven(Purpose.RECOVERY)
    share = SharePackage.opened_by_custodian(package, quoted.cluster, custodian.recipient)
    digest = hashlib.sha256(quoted.quote).digest()
    sealed = share.for_enclave(quoted.cluster, quoted.keys[0])
    signed = with_register(digest, None if register is None else register.head.digest)
    approval = custodian.approve(Act.RECOVER, quoted.cluster, signed)
    return await visit.ask_either(ShareTaken, Founded, SubmitShare(digest, custodian.name, sealed, register, approval))


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


def read_file[T: Struct](kind: type[T], path: Path) -> T:
    """A question, an approval or a register. Raises CustodianFileUnreadable."""
    try:
        return decode(path.read_bytes(), type=kind)
    except (OSError, DecodeError, UnicodeDecodeError) as error:
        raise CustodianFileUnreadable(f"{path} holds no {kind.__name__.lower()}: {error}.") from error


def read_register(path: Path | None) -> RegisterFile | None:
    """What `nsl enclave register` wrote. Raises CustodianFileUnreadable."""
    return None if path is None else read_file(RegisterFile, path)


def read_packages(path: Path) -> dict[str, bytes]:
    """By custodian. Raises CustodianFileUnreadable."""
    try:
        return {name: bytes.fromhex(text) for name, text in decode(path.read_bytes(), type=dict[str, str]).items()}
    except (OSError, DecodeError, ValueError) as error:
        raise CustodianFileUnreadable(f"{path} holds no custodians' packages.") from error


def write_packages(path: Path, found: Mapping[str, bytes]) -> None:
    """As JSON, mode 0600. They open for their custodians alone; without them nothing can be recovered."""
    write_private(path, json.dumps({name: package.hex() for name, package in found.items()}, indent=2) + "\n")

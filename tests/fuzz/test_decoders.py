"""Every decoder of bytes from outside, with bytes that are almost right: it answers, or says CodecError; nothing else.

``make test`` gives each a few hundred tries. For longer: ``NSL_FUZZ_TRIES=100000 pytest tests/fuzz``.
"""

import base64
import json
import os
import random
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest
from cbor2 import CBORTag, dumps
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID, ObjectIdentifier
from msgspec.json import encode

from nsl_enclave.kernel.errors import SealError, Violation
from nsl_enclave.kernel.sealing import seal, unseal
from nsl_enclave.kme.statements import key_statement
from nsl_enclave.kme.wrapping import KeySecret
from nsl_enclave.platform.provisioning import Provisioning
from nsl_enclave.platform.quoting import QuotingEnclave, ReportBody
from nsl_protocol.attestation.keys import (
    KeyAttestation,
    StatementDocument,
    read_key_attestation,
    verify_key_attestation,
)
from nsl_protocol.attestation.policy import Policy, judge, read_quote
from nsl_protocol.attestation.quote import parse_quote
from nsl_protocol.attestation.ratls import INTEROPERABLE, LEGACY, parse_certificate
from nsl_protocol.attestation.trust import PinnedTrust, read_trust
from nsl_protocol.attestation.verify import Collateral, TrustAnchor, verify_quote
from nsl_protocol.audit.heads import Head as AuditHead
from nsl_protocol.audit.heads import SignedHead, Witness, log_line, parse_line, parse_signed_head
from nsl_protocol.audit.leaves import EnclaveLeaf, encode_leaf, read_leaf
from nsl_protocol.audit.witness import parse_add_checkpoint
from nsl_protocol.cluster.manifest import read_genesis, read_signed, read_update
from nsl_protocol.cluster.packages import Generation, RootPackage, SharePackage
from nsl_protocol.cluster.register import Leaf
from nsl_protocol.cluster.register import Path as RegisterPath
from nsl_protocol.cluster.shares import Share
from nsl_protocol.enclave.agreement import Ack, Certificate, Conclude, Head, Record, Show, Speaker
from nsl_protocol.enclave.key_transport import open_exported, open_imported, seal_export, seal_import
from nsl_protocol.enclave.membership import Enrol, KeyProof, Quoted
from nsl_protocol.enclave.messages import CreateKey, Curve, GetStatus, ImportKey, Sign, SignOrder
from nsl_protocol.enclave.signable import SignMessage, SignTypedData
from nsl_protocol.enclave.wire import FrameReader, call_frame, read_call, read_reply, reply_frame
from nsl_protocol.enclave.wrapped import KeyName, WrappedTokenKey
from nsl_protocol.errors import CodecError
from nsl_protocol.evm import abi, rlp
from nsl_protocol.evm.keystore import read_keystore
from nsl_protocol.evm.transaction import FeeMarketTransaction, parse_signed, parse_unsigned
from nsl_protocol.evm.typed_data import parse_typed_data
from nsl_protocol.n3.keys import PublicKey
from nsl_protocol.n3.script import parse_transfer
from nsl_protocol.n3.transaction import Transaction
from nsl_protocol.policy.document import Policy as KeyPolicy
from nsl_protocol.receipt import EvidenceOf, Receipt, SignatureOf, read_receipt, verify_receipt
from tests.enclave.replica import Founders, Replica
from tests.protocol.evm.vectors import MAIL

TRIES = int(os.environ.get("NSL_FUZZ_TRIES", "250"))
NOW = datetime(2027, 1, 15, tzinfo=UTC)
QUOTING = QuotingEnclave(Provisioning(b"s" * 32))
RAW = QUOTING.quote(ReportBody(b"m" * 32, b"s" * 32, 1, 1, b"d" * 64))
DOCUMENT = QUOTING.collateral(NOW).encode()
ANCHOR = TrustAnchor(QUOTING.root_der)
COLLATERAL = Collateral(DOCUMENT)
RECIPIENT = X25519PrivateKey.generate()
PUBLIC = RECIPIENT.public_key().public_bytes_raw()
CLUSTER = bytes(32)
SIGN = call_frame(1, Sign((SignOrder(KeyName(b"t" * 16, b"k" * 16, 1), b"w" * 60, SignMessage(b"m"), uuid4().bytes),)))[
    4:
]
ENROL = call_frame(2, Enrol("service", b"k" * 91, KeyProof(b"p" * 91, b"s" * 70)))[4:]
HEAD = Head(1, 2, bytes(32), (b"m" * 16,) * 3)
CERTIFICATE = Certificate(HEAD, bytes(32))
LEAF = Leaf(b"i" * 32, b"e" * 16)
PROPOSED = Record(bytes(32), HEAD, WrappedTokenKey("kid", b"w" * 60), LEAF, bytes(32))
AGREE = call_frame(
    3,
    Conclude(
        CERTIFICATE, PROPOSED, (Ack(Speaker(b"m" * 16, b"r" * 16, {b"n" * 16: b"s" * 16}), bytes(32), bytes(32)),)
    ),
)[4:]
SHOW = call_frame(3, Show(CERTIFICATE, WrappedTokenKey("kid", b"w" * 60), RegisterPath((bytes(32),) * 3, LEAF)))[4:]
RECORD = reply_frame(3, PROPOSED)[4:]
REPLY = reply_frame(1, Quoted(b"q" * 100, None, CLUSTER, (b"k",), b"c" * 32))[4:]
EVM = FeeMarketTransaction(47763, 0, 21000, None, 1, b"data", 1, 10**9).unsigned_bytes()
TOO_EARLY = bytes.fromhex("00") + bytes(24) + b"\0" * 30
SHARE = SharePackage(1, bytes(33), (bytes(32),) * 3, b"history")

TERMS = CreateKey(KeyName(b"t" * 16, b"k" * 16, 1), Curve.ED25519, KeyPolicy().canonical, (PUBLIC,))
IMPORT = call_frame(1, ImportKey(TERMS, "x", PUBLIC, b"e" * 80))[4:]
STATEMENT = key_statement(
    TERMS.name, KeySecret(Curve.ED25519, b"{}", bytes(32)), HEAD, CLUSTER, ("00" * 32, "sim"), 1, bytes(32)
)
ATTESTED = KeyAttestation(
    StatementDocument.of(STATEMENT), "00" * 64, "00" * 32, 1, base64.b64encode(RAW).decode(), json.loads(DOCUMENT)
)
TRUST = PinnedTrust("00" * 32, ("00" * 32,), (QUOTING.root_der.hex(),))
PBKDF2 = {
    "version": 3,
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "00" * 16},
        "ciphertext": "00" * 32,
        "kdf": "pbkdf2",
        "kdfparams": {"c": 1, "dklen": 32, "prf": "hmac-sha256", "salt": "00"},
        "mac": "00" * 32,
    },
}


CHECKPOINT = SignedHead(AuditHead("log", 5, bytes(32)), (log_line("log", PUBLIC, bytes(64)),)).note
RECEIPT = encode(
    Receipt(
        version=1,
        id="id",
        cluster="00" * 32,
        request=msgspec.msgpack.encode(SignTypedData(encode(MAIL))).hex(),
        decoded='{"kind": "typed-data"}',
        salt="00" * 16,
        signature=SignatureOf(Curve.SECP256K1, "02" + "11" * 32, "22" * 64),
        leaf=encode_leaf(EnclaveLeaf("ab" * 16, 1, 2, "signature")).decode(),
        index=1,
        inclusion=("33" * 32,),
        checkpoint=CHECKPOINT,
        evidence=EvidenceOf("00" * 32, 1, "44" * 32, base64.b64encode(RAW).decode(), json.loads(DOCUMENT)),
        transaction=None,
    )
)


def certificate(identifier: str) -> bytes:
    """An RA-TLS certificate in one of its two forms."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fuzz")])
    content = dumps(CBORTag(60_000, [RAW, dumps({"pubkey-hash": dumps([1, bytes(32)])})]))
    extension = x509.UnrecognizedExtension(
        ObjectIdentifier(identifier), content if identifier == INTEROPERABLE else RAW
    )
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW.replace(year=2028))
    return builder.add_extension(extension, critical=False).sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def founders(folder: Path) -> tuple[bytes, bytes, Founders]:
    made = Founders(folder)
    return (folder / "genesis.json").read_bytes(), made.update(), made


#: decoder, and what it takes
TARGETS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "call: sign": (read_call, SIGN),
    "call: enrol": (read_call, ENROL),
    "call: agree": (read_call, AGREE),
    "call: show": (read_call, SHOW),
    "reply: record": (read_reply, RECORD),
    "reply": (read_reply, REPLY),
    "frames": (lambda data: FrameReader().feed(data), call_frame(1, GetStatus()) * 3),
    "quote": (parse_quote, RAW),
    "quote, as a verdict": (read_quote, RAW),
    "quote, verified": (lambda data: verify_quote(data, COLLATERAL, int(NOW.timestamp()), [ANCHOR]), RAW),
    "quote, judged": (
        lambda data: judge(data, COLLATERAL, int(NOW.timestamp()), [ANCHOR], Policy(), b"d" * 64),
        RAW,
    ),
    "collateral": (
        lambda data: verify_quote(RAW, Collateral(data), int(NOW.timestamp()), [ANCHOR]),
        DOCUMENT,
    ),
    "certificate, interoperable": (parse_certificate, certificate(INTEROPERABLE)),
    "certificate, legacy": (parse_certificate, certificate(LEGACY[1])),
    "share": (Share.decode, bytes(33)),
    "package of a custodian": (
        lambda data: SharePackage.opened_by_custodian(data, CLUSTER, RECIPIENT),
        SHARE.for_custodian(CLUSTER, PUBLIC),
    ),
    "package of an enclave": (
        lambda data: SharePackage.opened_by_enclave(data, CLUSTER, RECIPIENT),
        SHARE.for_enclave(CLUSTER, PUBLIC),
    ),
    "package of a joiner": (
        lambda data: RootPackage.opened_by_joiner(data, CLUSTER, RECIPIENT),
        RootPackage(1, (Generation(1, bytes(32)),), 1, b"c").for_joiner(CLUSTER, PUBLIC),
    ),
    "EVM transaction": (parse_unsigned, EVM),
    "EVM transaction, signed": (parse_signed, EVM),
    "RLP": (rlp.decode, EVM[1:]),
    "ABI transfer": (abi.parse_transfer, bytes.fromhex("a9059cbb") + bytes(64)),
    "ABI text": (abi.decode_text, (32).to_bytes(32) + (3).to_bytes(32) + b"abc".ljust(32, b"\0")),
    "ABI number": (abi.decode_uint, bytes(32)),
    "call: import": (read_call, IMPORT),
    "key that comes in": (
        lambda data: open_imported(data, RECIPIENT, CLUSTER, "x", TERMS),
        seal_import(bytes(32), PUBLIC, CLUSTER, "x", TERMS),
    ),
    "key that went out": (
        lambda data: open_exported(data, RECIPIENT, CLUSTER, TERMS.name, TERMS.curve),
        seal_export(bytes(32), PUBLIC, CLUSTER, TERMS.name, TERMS.curve),
    ),
    "checkpoint": (lambda data: parse_signed_head(as_text(data)), CHECKPOINT.encode()),
    "signature line": (lambda data: parse_line(as_text(data)), CHECKPOINT.splitlines()[-1].encode()),
    "verifier key": (lambda data: Witness.parse(as_text(data)), Witness("w", PUBLIC).text.encode()),
    "request to cosign": (parse_add_checkpoint, f"old 1\n{'A' * 43}=\n\n{CHECKPOINT}".encode()),
    "leaf": (read_leaf, encode_leaf(EnclaveLeaf("ab" * 16, 1, 2, "signature"))),
    "receipt": (read_receipt, RECEIPT),
    "receipt, verified": (lambda data: verify_receipt(read_receipt(data), TRUST), RECEIPT),
    "attestation of a key": (
        lambda data: verify_key_attestation(read_key_attestation(data), TRUST, int(NOW.timestamp())),
        encode(ATTESTED),
    ),
    "trust": (read_trust, encode(TRUST)),
    "keystore": (lambda data: read_keystore(data, "x"), encode(PBKDF2)),
    "typed data": (parse_typed_data, encode(MAIL)),
    "N3 transaction": (Transaction.from_bytes, TOO_EARLY),
    "N3 transaction, unsigned": (Transaction.from_unsigned_bytes, TOO_EARLY),
    "N3 transfer script": (parse_transfer, bytes(60)),
    "N3 public key": (PublicKey.from_bytes, b"\2" + bytes(32)),
}


def as_text(data: bytes) -> str:
    return data.decode("latin-1")


def bent(chance: random.Random, seed: bytes) -> bytes:
    """Flip, cut, insert, repeat, or set a length field to something large."""
    data = bytearray(seed)
    for _ in range(chance.randrange(1, 4)):
        place = chance.randrange(len(data) + 1)
        match chance.randrange(6):
            case 0 if data:
                data[place % len(data)] ^= 1 << chance.randrange(8)
            case 1:
                del data[place : place + chance.randrange(1, 64)]
            case 2:
                data[place:place] = chance.randbytes(chance.randrange(1, 64))
            case 3:
                data[place:place] = data[place : place + chance.randrange(1, 256)]
            case 4:
                data[place : place + 4] = chance.choice((b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\x80\0\0\0"))
            case _:
                data = bytearray(chance.randbytes(chance.randrange(200)))
    return bytes(data)


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_bytes_that_are_almost_right_are_answered_or_refused(name: str) -> None:
    decode, seed = TARGETS[name]
    chance = random.Random(name)
    for data in (b"", seed, *(bent(chance, seed) for _ in range(TRIES))):
        try:
            decode(data)
        except CodecError:
            continue


def test_manifests(tmp_path: Path) -> None:
    genesis, update, made = founders(tmp_path)
    chance, present = random.Random(1), made.constitution
    decoders = [read_signed, read_genesis]
    decoders.append(partial(read_update, cluster=present.cluster, genesis=present.genesis, present=present.genesis))  # type: ignore[arg-type]
    for _ in range(TRIES):
        for decode in decoders:
            for seed in (genesis, update):
                try:
                    decode(bent(chance, seed))
                except CodecError:
                    continue


def test_seals() -> None:
    key, chance = b"k" * 32, random.Random(2)
    sealed = seal(key, 1, "p", b"secret")
    for _ in range(TRIES):
        data = bent(chance, sealed)
        if data != sealed:
            with pytest.raises(SealError):
                unseal(key, 1, "p", data)


@pytest.mark.parametrize(
    "seed", [SIGN, ENROL, AGREE, call_frame(1, GetStatus())[4:]], ids=["sign", "enrol", "agree", "status"]
)
def test_a_program_answers_or_ends_the_peer(tmp_path: Path, seed: bytes) -> None:
    replica, chance = Replica(Founders(tmp_path / "m"), tmp_path / "s"), random.Random(3)
    for _ in range(TRIES):
        try:
            assert replica.program.handle(replica.peer, bent(chance, seed))
        except (CodecError, Violation):
            continue

"""Neo N3 transactions: build, parse, hash, and the bytes to sign.

Parsing and building are inverse: whatever is parsed builds to the same bytes. Limits are those of the official nodes
(neo ``Transaction``, neo-go ``pkg/core/transaction``).
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Self

from nsl_protocol.errors import CodecError, LimitError
from nsl_protocol.n3.address import ScriptHash
from nsl_protocol.n3.attributes import Attribute, Conflicts, read_attribute
from nsl_protocol.n3.script import SCRIPT_BYTES_MAX
from nsl_protocol.n3.wire import Reader, uint, var_bytes, var_int
from nsl_protocol.n3.witness import Signer, Witness

TRANSACTION_BYTES_MAX = 102_400
# Signers and attributes together.
SIGNERS_AND_ATTRIBUTES_MAX = 16
FEE_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction. Fees are in datoshi (10^-8 GAS), ``valid_until_block`` is the last height that may hold it.

    ``witnesses`` is empty while it is unsigned, else one for each signer, in their order.
    """

    nonce: int
    system_fee: int
    network_fee: int
    valid_until_block: int
    signers: tuple[Signer, ...]
    script: bytes
    attributes: tuple[Attribute, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    version: int = 0

    def __post_init__(self) -> None:
        if self.version != 0:
            raise CodecError(f"{self.version} is unknown, only 0 exists", field="version")
        _check_fees(self.system_fee, self.network_fee)
        _check_parts(self.signers, self.attributes)
        if not self.script:
            raise CodecError("is empty", field="script")
        if len(self.script) > SCRIPT_BYTES_MAX:
            raise LimitError(f"{len(self.script)} bytes are above the limit of {SCRIPT_BYTES_MAX}", field="script")
        if self.witnesses and len(self.witnesses) != len(self.signers):
            raise CodecError(f"{len(self.witnesses)} for {len(self.signers)} signers", field="witnesses")

    @property
    def sender(self) -> ScriptHash:
        """Who pays the fees: the first signer."""
        return self.signers[0].account

    def unsigned_bytes(self) -> bytes:
        """Everything but the witnesses.

        Raises:
            LimitError: a number that does not fit, or above the size of a transaction.
        """
        made = b"".join(
            (
                uint(self.version, 1, "version"),
                uint(self.nonce, 4, "nonce"),
                uint(self.system_fee, 8, "system fee"),
                uint(self.network_fee, 8, "network fee"),
                uint(self.valid_until_block, 4, "valid until block"),
                var_int(len(self.signers)),
                *(signer.to_bytes() for signer in self.signers),
                var_int(len(self.attributes)),
                *(attribute.to_bytes() for attribute in self.attributes),
                var_bytes(self.script),
            )
        )
        return _bounded(made)

    def to_bytes(self) -> bytes:
        """The whole transaction, as it is sent.

        Raises:
            CodecError: it is not signed.
            LimitError: above the size of a transaction.
        """
        if not self.witnesses:
            raise CodecError("it is not signed", field="witnesses")
        witnesses = (witness.to_bytes() for witness in self.witnesses)
        return _bounded(b"".join((self.unsigned_bytes(), var_int(len(self.witnesses)), *witnesses)))

    @property
    def hash_bytes(self) -> bytes:
        """SHA-256 of the unsigned bytes: the hash as it stands on the wire and in a Conflicts attribute."""
        return hashlib.sha256(self.unsigned_bytes()).digest()

    @property
    def hash(self) -> str:
        """The hash as text: 0x and its bytes in reverse order."""
        return hash_text(self.hash_bytes)

    def signed(self, *witnesses: Witness) -> Self:
        """The same transaction with these witnesses, one for each signer."""
        return replace(self, witnesses=witnesses)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Parse a whole transaction.

        Raises:
            CodecError: not exactly the canonical bytes of one, within every limit.
        """
        reader = Reader(_bounded(data))
        unsigned = cls._read_unsigned(reader)
        count = reader.var_int(SIGNERS_AND_ATTRIBUTES_MAX, "witnesses")
        if count != len(unsigned.signers):
            raise CodecError(f"{count} for {len(unsigned.signers)} signers", field="witnesses")
        witnesses = tuple(Witness.read(reader) for _ in range(count))
        reader.end()
        return unsigned.signed(*witnesses)

    @classmethod
    def from_unsigned_bytes(cls, data: bytes) -> Self:
        """Parse what ``unsigned_bytes`` made.

        Raises:
            CodecError: not exactly the canonical bytes of one, within every limit.
        """
        reader = Reader(_bounded(data))
        transaction = cls._read_unsigned(reader)
        reader.end()
        return transaction

    @classmethod
    def _read_unsigned(cls, reader: Reader) -> Self:
        version, nonce = reader.uint(1, "version"), reader.uint(4, "nonce")
        system_fee, network_fee = reader.uint(8, "system fee"), reader.uint(8, "network fee")
        valid_until_block = reader.uint(4, "valid until block")
        signer_count = reader.var_int(SIGNERS_AND_ATTRIBUTES_MAX, "signers")
        signers = tuple(Signer.read(reader) for _ in range(signer_count))
        attribute_count = reader.var_int(SIGNERS_AND_ATTRIBUTES_MAX - signer_count, "attributes")
        return cls(
            nonce=nonce,
            system_fee=system_fee,
            network_fee=network_fee,
            valid_until_block=valid_until_block,
            signers=signers,
            attributes=tuple(read_attribute(reader) for _ in range(attribute_count)),
            script=reader.var_bytes(SCRIPT_BYTES_MAX, "script"),
            version=version,
        )


def sign_data(magic: int, transaction: Transaction) -> bytes:
    """What a witness signs: the network's magic number (4 bytes, little-endian) and the hash. ECDSA hashes it again."""
    return uint(magic, 4, "magic") + transaction.hash_bytes


def hash_text(raw: bytes) -> str:
    """A 32-byte hash of the wire as text: 0x and its bytes in reverse order."""
    return "0x" + raw[::-1].hex()


def _bounded(data: bytes) -> bytes:
    if len(data) > TRANSACTION_BYTES_MAX:
        raise LimitError(f"{len(data)} bytes are above the limit of {TRANSACTION_BYTES_MAX}", field="transaction")
    return data


def _check_fees(system_fee: int, network_fee: int) -> None:
    for fee, field in ((system_fee, "system fee"), (network_fee, "network fee")):
        if not 0 <= fee <= FEE_MAX:
            raise LimitError(f"{fee} is not from 0 to {FEE_MAX}", field=field)
    if system_fee + network_fee > FEE_MAX:
        raise LimitError("both fees together do not fit 63 bits", field="network fee")


def _check_parts(signers: tuple[Signer, ...], attributes: tuple[Attribute, ...]) -> None:
    if not signers:
        raise CodecError("there is none", field="signers")
    if len(signers) + len(attributes) > SIGNERS_AND_ATTRIBUTES_MAX:
        raise LimitError(f"more than {SIGNERS_AND_ATTRIBUTES_MAX} signers and attributes", field="attributes")
    if len({signer.account for signer in signers}) != len(signers):
        raise CodecError("the same account twice", field="signers")
    kinds = [attribute if isinstance(attribute, Conflicts) else type(attribute) for attribute in attributes]
    if len(set(kinds)) != len(kinds):
        raise CodecError("the same kind, or the same Conflicts, twice", field="attributes")

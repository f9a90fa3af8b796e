"""Transactions from a seed: of every shape that can be written, and of every shape that a node accepts."""

import hashlib
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from nsl_protocol.n3 import script, verification
from nsl_protocol.n3.address import ScriptHash
from nsl_protocol.n3.attributes import (
    Attribute,
    Conflicts,
    HighPriority,
    NotaryAssisted,
    NotValidBefore,
    OracleCode,
    OracleResponse,
)
from nsl_protocol.n3.keys import PublicKey
from nsl_protocol.n3.script import Transfer
from nsl_protocol.n3.transaction import Transaction, sign_data
from nsl_protocol.n3.witness import (
    Action,
    And,
    Boolean,
    CalledByContract,
    CalledByEntry,
    CalledByGroup,
    Condition,
    CurrentContract,
    CurrentGroup,
    Not,
    Or,
    Rule,
    Scope,
    Signer,
    Witness,
)
from tests.support.n3_node import COMMITTEE_SCRIPT, MAGIC, VALIDATOR_KEY

# Native contracts, the same on every N3 network.
GAS = ScriptHash.parse("0xd2a4cff31913016155e38e474a2c06d08be276cf")
NOTARY = ScriptHash.parse("0xc1e14f19c3e60d0b9244d06dd7ba9b113135ec3b")
COMMITTEE = ScriptHash.of(COMMITTEE_SCRIPT)
SINGLE_SCOPES = (Scope.CALLED_BY_ENTRY, Scope.CUSTOM_CONTRACTS, Scope.CUSTOM_GROUPS, Scope.WITNESS_RULES)
PRIVATE_KEYS = tuple(hashlib.sha256(bytes((number,))).digest() for number in range(48))
PUBLIC_KEYS = tuple(PublicKey.of(private) for private in PRIVATE_KEYS)
SIGNING_KEYS = {
    public: ec.derive_private_key(int.from_bytes(private, "big"), ec.SECP256R1())
    for public, private in zip(PUBLIC_KEYS, PRIVATE_KEYS, strict=True)
}
VALIDATOR = ec.derive_private_key(int.from_bytes(VALIDATOR_KEY, "big"), ec.SECP256R1())
# Whoever wants may spend from these accounts: their script drops a number and says yes.
OPEN_SCRIPTS = tuple(script.push_int(100 + number) + bytes.fromhex("4511") for number in range(16))
OPEN = {ScriptHash.of(each): each for each in OPEN_SCRIPTS}
SENDERS = tuple(OPEN)[:4]
# Within the node's limit of a day ahead (864,000 blocks of 100 ms), and hours from its first block.
FAR = 500_000


def signature(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    """r and s of ECDSA with SHA-256."""
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class Generator:
    """A stream of transactions; the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)

    def written(self) -> Transaction:
        """Any transaction that can be written: unknown accounts, any bytes as script and witness, any number."""
        rng = self.rng
        signers = self._signers([ScriptHash(rng.randbytes(20)) for _ in range(self._count(8))])
        choices: list[Callable[[], Attribute]] = [HighPriority, self._oracle]
        attributes = tuple(make() for make in rng.sample(choices, rng.choice((0, 0, 1, 1, 2))))
        return Transaction(
            nonce=self._number(32),
            system_fee=self._number(62),
            network_fee=self._number(62),
            valid_until_block=self._number(32),
            signers=signers,
            attributes=attributes,
            script=self._script(),
            witnesses=tuple(self._witness() for _ in signers),
        )

    def unwritten_attributes(self) -> Transaction:
        """The same with the attributes that no oracle library reads, in any number and with any value."""
        rng = self.rng
        drawn = self.written()
        attributes: list[Attribute] = [Conflicts(rng.randbytes(32)) for _ in range(rng.randrange(4))]
        attributes += [NotValidBefore(self._number(32)), NotaryAssisted(rng.randrange(256)), *drawn.attributes]
        rng.shuffle(attributes)
        room = 16 - len(drawn.signers)
        return replace(drawn, attributes=tuple(attributes[:room]))

    def acceptable(self, height: int) -> Transaction:
        """A transaction that a node at that height takes: its signers can sign, its sender can pay."""
        rng = self.rng
        sender = rng.choice(SENDERS)
        accounts = [sender, *(each for each in rng.sample(list(OPEN), self._count(4) - 1) if each != sender)]
        keys = rng.sample(PUBLIC_KEYS, 4)
        scripts = dict(OPEN)
        if rng.random() < 0.3:
            scripts[own := verification.account(keys[0])] = verification.single(keys[0])
            accounts.append(own)
        if rng.random() < 0.3:
            shared = verification.multi(rng.randint(1, 3), keys[1:])
            scripts[ScriptHash.of(shared)] = shared
            accounts.append(ScriptHash.of(shared))
        attributes = self._accepted_attributes(height)
        signers = self._signers(accounts)
        if any(isinstance(each, HighPriority) for each in attributes):
            scripts[COMMITTEE] = COMMITTEE_SCRIPT
            signers += (Signer(COMMITTEE, Scope.NONE),)
        notary_fee = 0
        for each in attributes:
            if isinstance(each, NotaryAssisted):
                scripts[NOTARY] = b""
                signers += (Signer(NOTARY, Scope.NONE),)
                notary_fee = (each.keys + 1) * 10_000_000
        unsigned = Transaction(
            nonce=self._number(32),
            system_fee=self._number(20),
            network_fee=notary_fee + 200_000_000 + self._number(20),
            valid_until_block=FAR + self._number(18),
            signers=signers,
            attributes=attributes,
            script=self._transfer().script(),
        )
        data = sign_data(MAGIC, unsigned)
        return unsigned.signed(*(_witness(scripts[signer.account], data) for signer in signers))

    def _accepted_attributes(self, height: int) -> tuple[Attribute, ...]:
        rng = self.rng
        attributes: list[Attribute] = []
        if rng.random() < 0.4:
            attributes.append(NotValidBefore(rng.randint(0, height)))
        if rng.random() < 0.4:
            attributes += [Conflicts(rng.randbytes(32)) for _ in range(rng.randint(1, 3))]
        if rng.random() < 0.3:
            attributes.append(NotaryAssisted(rng.choice((0, 1, 2, 127, 128, 255))))
        if rng.random() < 0.2:
            attributes.append(HighPriority())
        rng.shuffle(attributes)
        return tuple(attributes)

    def _signers(self, accounts: list[ScriptHash]) -> tuple[Signer, ...]:
        return tuple(self._signer(account) for account in accounts)

    def _signer(self, account: ScriptHash) -> Signer:
        rng = self.rng
        kind = rng.random()
        if kind < 0.1:
            return Signer(account, Scope.NONE)
        if kind < 0.2:
            return Signer(account, Scope.GLOBAL)
        scopes = Scope.NONE
        for scope in rng.sample(SINGLE_SCOPES, rng.choice((1, 1, 1, 2, 3, 4))):
            scopes |= scope
        return Signer(
            account,
            scopes,
            contracts=self._some(Scope.CUSTOM_CONTRACTS in scopes, lambda: ScriptHash(rng.randbytes(20))),
            groups=self._some(Scope.CUSTOM_GROUPS in scopes, lambda: rng.choice(PUBLIC_KEYS)),
            rules=self._some(
                Scope.WITNESS_RULES in scopes, lambda: Rule(rng.choice(list(Action)), self._condition(rng.randrange(3)))
            ),
        )

    def _condition(self, depth: int) -> Condition:
        rng = self.rng
        if depth:
            several = tuple(self._condition(rng.randrange(depth)) for _ in range(self._count(16)))
            return rng.choice((Not(several[0]), And(several), Or(several)))
        return rng.choice((
            Boolean(rng.random() < 0.5),
            CurrentContract(ScriptHash(rng.randbytes(20))),
            CurrentGroup(rng.choice(PUBLIC_KEYS)),
            CalledByEntry(),
            CalledByContract(ScriptHash(rng.randbytes(20))),
            CalledByGroup(rng.choice(PUBLIC_KEYS)),
        ))  # fmt: skip

    def _oracle(self) -> OracleResponse:
        code = self.rng.choice(list(OracleCode))
        result = self.rng.randbytes(self._size()) if code is OracleCode.SUCCESS else b""
        return OracleResponse(self._number(64), code, result)

    def _script(self) -> bytes:
        if self.rng.random() < 0.5:
            return self._transfer().script()
        return self.rng.randbytes(self._size() + 1)

    def _transfer(self) -> Transfer:
        rng = self.rng
        data = rng.choice((None, rng.randrange(2**64), rng.randbytes(8), (1, b"two", None, (True, -3))))
        contract, source, recipient = (ScriptHash(rng.randbytes(20)) for _ in range(3))
        return Transfer(contract, source, recipient, self._number(200), data, asserted=rng.random() < 0.5)

    def _witness(self) -> Witness:
        rng = self.rng
        if rng.random() < 0.5:
            made = verification.single(rng.choice(PUBLIC_KEYS))
            return Witness(verification.invocation(rng.randbytes(64)), made)
        return Witness(
            rng.randbytes(rng.choice((0, 1, 66, 1024))), rng.randbytes(rng.choice((0, 1, 40, 252, 253, 1024)))
        )

    def _some(self, wanted: bool, make: Callable[[], Any]) -> tuple[Any, ...]:
        return tuple(make() for _ in range(self.rng.choice((0, 1, 1, 2, 3, 16)))) if wanted else ()

    def _count(self, most: int) -> int:
        return self.rng.choice((1, 1, 1, 1, 2, 2, 3, most))

    def _number(self, bits: int) -> int:
        """Numbers of every length, not only long ones."""
        return self.rng.getrandbits(self.rng.randint(1, bits))

    def _size(self) -> int:
        """Sizes on both sides of every boundary of the variable-length integer, most of them small."""
        rng = self.rng
        if rng.random() < 0.01:
            return rng.choice((65_534, 40_000))
        return rng.choice((0, 1, rng.randrange(100), 250, 251, 252, 253, rng.randrange(1000)))


def _witness(verified_by: bytes, data: bytes) -> Witness:
    if not verified_by:
        return Witness(verification.invocation(signature(VALIDATOR, data)), b"")
    if verified_by == COMMITTEE_SCRIPT:
        return Witness(verification.invocation(signature(VALIDATOR, data)), verified_by)
    wanted = verification.parse(verified_by)
    if wanted is None:
        return Witness(b"", verified_by)
    if not wanted.multisig:
        return Witness(verification.invocation(signature(SIGNING_KEYS[wanted.keys[0]], data)), verified_by)
    signatures = {key: signature(SIGNING_KEYS[key], data) for key in wanted.keys}
    return Witness(verification.multi_invocation(verified_by, signatures), verified_by)

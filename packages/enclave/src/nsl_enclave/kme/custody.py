"""How a root comes into a replica: made by a bootstrap, put together from shares, or handed over by a member."""

import hashlib
from collections import Counter, OrderedDict

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import DecodeError
from msgspec.msgpack import decode, encode

from nsl_enclave.kernel.clock import random_bytes
from nsl_enclave.kernel.derivation import derive
from nsl_enclave.kernel.errors import Refusal
from nsl_enclave.kme.cluster import Cluster, Proof
from nsl_enclave.kme.macs import Macs
from nsl_enclave.kme.register import MEMBER_BYTES, alone, first
from nsl_enclave.kme.state import ROOT_BYTES, Registered, Root
from nsl_protocol.attestation.binding import NONCE_BYTES, Purpose, report_data
from nsl_protocol.cluster.custody import Act, statement, with_register
from nsl_protocol.cluster.manifest import Program, approvals
from nsl_protocol.cluster.packages import Generation, RootPackage, SharePackage
from nsl_protocol.cluster.shares import Share, bad_shares, combine, split
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
    RetireRoots,
    RotateRoot,
    ShareTaken,
    SubmitShare,
)
from nsl_protocol.errors import CodecError

_QUOTES_KEPT = 65_536  # at a stranger's pace, many minutes' worth: custodians are people and take their time
_NONCE_BYTES = 12
_ACTS = {
    Purpose.BOOTSTRAP: Act.BOOTSTRAP,
    Purpose.RECOVERY: Act.RECOVER,
    Purpose.ROTATION: Act.ROTATE,
    Purpose.RETIREMENT: Act.RETIRE,
    Purpose.PROCEED: Act.PROCEED,
}


class Custody:
    """Of one replica. ``recipient_key`` is made at its start, and what is encrypted to it opens in no other."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._recipient = X25519PrivateKey.generate()
        self.recipient_key = self._recipient.public_key().public_bytes_raw()
        self._quoted: OrderedDict[bytes, Purpose] = OrderedDict()
        self._submitted: dict[str, SharePackage] = {}
        self._accepted: Certificate | None = None
        self._challenge: bytes | None = None

    def quoted(self, purpose: Purpose, quote: bytes) -> None:
        """Remember a quote that custodians may put their names to; the latest few count."""
        if purpose in _ACTS:
            self._quoted[hashlib.sha256(quote).digest()] = purpose
            if len(self._quoted) > _QUOTES_KEPT:
                self._quoted.popitem(last=False)

    def bootstrap(self, request: Bootstrap) -> Founded:
        """Make the cluster's root, once.

        Raises:
            Refusal: the quote is none of ours, or too few custodians have signed over it.
        """
        self._insist(Purpose.BOOTSTRAP, request.quote_digest, request.quote_digest, request.approvals)
        return self._found((Generation(1, random_bytes(ROOT_BYTES)),), 1, None)

    def rotate(self, request: RotateRoot) -> Founded:
        """Make another root beside those that there are, and a new epoch: the other replicas have to join again.

        Raises:
            Refusal: the quote is none of ours, or too few custodians have signed over it.
        """
        roots = self._cluster.needed_root().reveal()
        self._insist(Purpose.ROTATION, request.quote_digest, request.quote_digest, request.approvals)
        latest = Generation(roots[-1].number + 1, random_bytes(ROOT_BYTES))
        return self._found((*roots, latest), self._cluster.epoch + 1, self._cluster.registered.certificate)

    def retire(self, request: RetireRoots) -> Founded:
        """Forget all roots but the latest, in a new epoch.

        Raises:
            Refusal: the quote is none of ours, or too few custodians have signed over it.
        """
        roots = self._cluster.needed_root().reveal()
        self._insist(Purpose.RETIREMENT, request.quote_digest, request.quote_digest, request.approvals)
        return self._found(roots[-1:], self._cluster.epoch + 1, self._cluster.registered.certificate)

    def proceed(self, request: Proceed) -> Proceeded:
        """Go on alone from a register that custodians accept, be it older than what was agreed.

        Raises:
            Refusal: the quote is none of ours, too few custodians have signed over it and the register, or
                ``NOT_CERTIFIED``: it is no register of this cluster.
        """
        cluster, former = self._cluster, request.certificate
        root = cluster.needed_root()
        signed = with_register(request.quote_digest, former.head.digest)
        self._insist(Purpose.PROCEED, request.quote_digest, signed, request.approvals)
        macs = Macs(root)
        _insist_on_ours(macs, former)
        epoch = max(cluster.epoch, former.head.epoch) + 1
        packages = {} if cluster.state is None else cluster.state.packages
        cluster.begin(root.reveal(), epoch, packages, alone(macs, epoch, former))
        number = cluster.registered.certificate.head.number
        return Proceeded(epoch, number, cluster.constitution.present.lease_seconds)

    def packages(self, _: GetPackages) -> Founded:
        """The custodians' packages, as often as asked: they open for the custodians alone."""
        state = self._cluster.state
        if state is None:
            raise Refusal("NO_ROOT", "This replica has no root yet.")
        return Founded(state.epoch, state.packages, state.register.certificate)

    def submit(self, request: SubmitShare) -> ShareTaken | Founded:
        """Take one custodian's share; with enough of them the root is put together and a new epoch begins.

        Raises:
            Refusal: no custodian, not his signature, not a share for this enclave, or ``BAD_SHARE`` with the names.
        """
        register = request.certificate
        signed = with_register(request.quote_digest, None if register is None else register.head.digest)
        if not self._signed_by(Purpose.RECOVERY, request.quote_digest, signed, {request.custodian: request.approval}):
            raise Refusal("NOT_APPROVED", f"This is no signature of custodian {request.custodian} over the quote.")
        if register != self._accepted:
            self._submitted.clear()
            self._accepted = register
        try:
            package = SharePackage.opened_by_enclave(request.package, self._cluster.identifier, self._recipient)
            self._submitted[request.custodian] = package
            return self._recovered()
        except CodecError as error:
            raise Refusal("BAD_SHARE", f"The share of {request.custodian} {error.reason}.") from error

    def prepare_join(self, request: PrepareJoin) -> JoinPrepared:
        """Prove to a member what this replica is, and ask it for the same."""
        self._challenge = random_bytes(NONCE_BYTES)
        constitution = self._cluster.constitution
        bound = (self.recipient_key, constitution.digest)
        quote = self._cluster.platform.quote(report_data(Purpose.JOIN, constitution.cluster, request.challenge, *bound))
        return JoinPrepared(
            quote,
            self._cluster.platform.collateral(self._cluster.now()),
            self.recipient_key,
            constitution.present.version,
            self._challenge,
        )

    def admit(self, challenge: bytes, request: Admit) -> Admitted:
        """Hand the root to a replica that the manifest lists, proven over our challenge.

        Raises:
            Refusal: ``OLD_MANIFEST`` or ``NOT_ADMITTED``.
        """
        cluster, constitution = self._cluster, self._cluster.constitution
        root = cluster.needed_root()
        if request.manifest_version != constitution.present.version:
            raise Refusal(
                "OLD_MANIFEST",
                f"The replica goes by manifest {request.manifest_version}; {constitution.present.version} holds here.",
            )
        bound = (request.recipient_key, constitution.digest)
        expected = report_data(Purpose.JOIN, cluster.identifier, challenge, *bound)
        cluster.admit(Program.KME, Proof(request.quote, request.collateral), expected)
        register = encode(cluster.registered.certificate)
        handed = RootPackage(cluster.epoch, root.reveal(), int(cluster.now()), register)
        try:
            package = handed.for_joiner(cluster.identifier, request.recipient_key)
        except ValueError as error:
            raise Refusal("NOT_ADMITTED", "The recipient key is no X25519 key.") from error
        bound = (request.recipient_key, hashlib.sha256(package).digest())
        quote = cluster.platform.quote(report_data(Purpose.WELCOME, cluster.identifier, request.challenge, *bound))
        return Admitted(quote, cluster.platform.collateral(cluster.now()), package)

    def join(self, request: Join) -> Joined:
        """Take the root from a member that has proven itself over our challenge.

        Raises:
            Refusal: ``NOT_ADMITTED``: it is none, or it answers somebody else.
        """
        challenge, self._challenge = self._challenge, None
        if challenge is None:
            raise Refusal("NOT_ADMITTED", "Nothing was asked for: prepare the join again.")
        cluster = self._cluster
        bound = (self.recipient_key, hashlib.sha256(request.package).digest())
        expected = report_data(Purpose.WELCOME, cluster.identifier, challenge, *bound)
        cluster.admit(Program.KME, Proof(request.quote, request.collateral), expected)
        try:
            handed = RootPackage.opened_by_joiner(request.package, cluster.identifier, self._recipient)
            register = Registered(random_bytes(MEMBER_BYTES), decode(handed.certificate, type=Certificate))
        except CodecError as error:
            raise Refusal("NOT_ADMITTED", f"The package {error.reason}.") from error
        except DecodeError as error:
            raise Refusal("NOT_ADMITTED", "The package holds no register that can be read.") from error
        if handed.epoch <= cluster.epoch:
            raise Refusal("NOT_NEWER", f"The member is of epoch {handed.epoch}, this replica of {cluster.epoch}.")
        cluster.agree(handed.time)
        cluster.begin(handed.roots, handed.epoch, {}, register)
        return Joined(handed.epoch)

    def _signed_by(
        self, purpose: Purpose, quote_digest: bytes, digest: bytes, signatures: dict[str, bytes]
    ) -> frozenset[str]:
        """The custodians who have signed ``digest``, which holds the quote's."""
        if self._quoted.get(quote_digest) is not purpose:
            raise Refusal("QUOTE_UNKNOWN", "This replica made no such quote since its start: ask for a fresh one.")
        signed = statement(_ACTS[purpose], self._cluster.identifier, digest)
        as_text = {name: signature.hex() for name, signature in signatures.items()}
        return approvals(self._cluster.constitution.genesis, signed, as_text)

    def _insist(self, purpose: Purpose, quote_digest: bytes, digest: bytes, signatures: dict[str, bytes]) -> None:
        signed = self._signed_by(purpose, quote_digest, digest, signatures)
        needed = self._cluster.constitution.genesis.threshold
        if len(signed) < needed:
            raise Refusal("TOO_FEW_APPROVALS", f"{len(signed)} custodians have signed the quote; it takes {needed}.")
        del self._quoted[quote_digest]

    def _found(self, roots: tuple[Generation, ...], epoch: int, former: Certificate | None) -> Founded:
        """Split the latest root among the custodians, and begin the epoch with the register of before, if any.

        Raises:
            Refusal: ``NOT_CERTIFIED``: the register is not of this cluster.
        """
        genesis, cluster = self._cluster.constitution.genesis, self._cluster.identifier
        latest, macs = roots[-1], Macs(Root(roots, cluster))
        if former is not None:
            _insist_on_ours(macs, former)
            epoch = max(epoch, former.head.epoch + 1)
        register = first(macs, epoch) if former is None else alone(macs, epoch, former)
        shares = split(latest.secret, genesis.threshold, len(genesis.custodians))
        commitments = tuple(share.commitment(_context(cluster, epoch)) for share in shares)
        history = _history(roots, cluster)
        packages = {
            custodian.name: SharePackage(epoch, share.encode(), commitments, history).for_custodian(
                cluster, bytes.fromhex(custodian.recipient_key)
            )
            for custodian, share in zip(genesis.custodians, shares, strict=True)
        }
        self._cluster.begin(roots, epoch, packages, register)
        return Founded(epoch, packages, register.certificate)

    def _recovered(self) -> ShareTaken | Founded:
        genesis, cluster = self._cluster.constitution.genesis, self._cluster.identifier
        numbers = {custodian.name: index for index, custodian in enumerate(genesis.custodians, 1)}
        # The set of shares that most of them are of, and of those the newest.
        sets = Counter((each.epoch, each.commitments, each.history) for each in self._submitted.values())
        epoch, commitments, history = chosen = max(sets, key=lambda found: (sets[found], found[0]))
        bad = []
        good = []
        for name, package in self._submitted.items():
            share = Share.decode(package.share)
            of_this_set = (package.epoch, package.commitments, package.history) == chosen
            if (
                of_this_set
                and share.index == numbers[name]
                and not bad_shares([share], commitments, _context(cluster, epoch))
            ):
                good.append(share)
            else:
                bad.append(name)
        for name in bad:
            del self._submitted[name]
        if bad:
            raise Refusal("BAD_SHARE", f"The share of {', '.join(sorted(bad))} is not of the others' set.")
        if len(good) < genesis.threshold:
            return ShareTaken(len(good), genesis.threshold)
        self._submitted.clear()
        return self._found(_roots(combine(good), history, cluster), epoch + 1, self._accepted)


def _insist_on_ours(macs: Macs, register: Certificate) -> None:
    if not macs.certified(register):
        raise Refusal("NOT_CERTIFIED", "No replica of this cluster has certified that register.")


def _history(roots: tuple[Generation, ...], cluster: bytes) -> bytes:
    """The roots of before and all numbers, for whoever has the latest root."""
    before = encode(tuple(Generation(each.number, each.secret) for each in roots[:-1]))
    content = roots[-1].number.to_bytes(4) + before
    nonce = random_bytes(_NONCE_BYTES)
    return nonce + AESGCM(_history_key(roots[-1].secret, cluster)).encrypt(nonce, content, None)


def _roots(latest: bytes, history: bytes, cluster: bytes) -> tuple[Generation, ...]:
    """Raises CodecError: the history is not of this root."""
    try:
        content = AESGCM(_history_key(latest, cluster)).decrypt(history[:_NONCE_BYTES], history[_NONCE_BYTES:], None)
        before = decode(content[4:], type=tuple[Generation, ...])
    except (InvalidTag, ValueError, DecodeError) as error:
        raise CodecError("brings a history that is not of this root", field="package") from error
    return (*before, Generation(int.from_bytes(content[:4]), latest))


def _history_key(root: bytes, cluster: bytes) -> bytes:
    return derive(root, b"nsl-kme-history-v1\0" + cluster)


def _context(cluster: bytes, epoch: int) -> bytes:
    return cluster + epoch.to_bytes(4)

"""The KME's messages: one method for each, and the phases in which they are taken."""

from collections.abc import Callable
from typing import Any

from cryptography.x509 import Certificate
from OpenSSL import SSL

from nsl_enclave import __version__
from nsl_enclave.kernel.errors import Refusal, Violation
from nsl_enclave.kernel.phases import NEXT, PERMITTED, Phase
from nsl_enclave.kernel.server import Peer
from nsl_enclave.kme.approvals import Approvals
from nsl_enclave.kme.cluster import Cluster
from nsl_enclave.kme.custody import Custody
from nsl_enclave.kme.enrolment import Enrolment
from nsl_enclave.kme.governing import Governing
from nsl_enclave.kme.keyring import Keyring
from nsl_enclave.kme.leaves import LeafMacs, Leaves
from nsl_enclave.kme.ledger import Ledger
from nsl_enclave.kme.log import Log, LogState
from nsl_enclave.kme.macs import Macs
from nsl_enclave.kme.portable import Portable
from nsl_enclave.kme.register import Clock, Register
from nsl_enclave.kme.state import Root
from nsl_enclave.kme.stopping import Stopping
from nsl_enclave.kme.symmetric import Symmetric
from nsl_enclave.kme.tokens import Tokens
from nsl_enclave.kme.windows import Windows
from nsl_enclave.kme.wrapping import KeySecret, Opened, Wrapping
from nsl_enclave.platform import Platform
from nsl_protocol.cluster.manifest import Program
from nsl_protocol.enclave.agreement import (
    Accept,
    AskLease,
    ClusterFreeze,
    ClusterThaw,
    Conclude,
    Enlistment,
    Entry,
    GetHead,
    GrantLease,
    Item,
    Leased,
    Proceed,
    Propose,
    Record,
    Show,
    Shown,
    TakeLease,
)
from nsl_protocol.enclave.below import DeriveKeys
from nsl_protocol.enclave.evaluation import Evaluate
from nsl_protocol.enclave.fields import Message
from nsl_protocol.enclave.ledger import LeaseWindows, LedgerMade, ReturnWindows
from nsl_protocol.enclave.lifecycle import ChangeKey
from nsl_protocol.enclave.log import AppendLeaves, GetLeaves, HeadSigned, SignHead
from nsl_protocol.enclave.membership import (
    Admit,
    ApplyManifest,
    Bootstrap,
    Enrol,
    GetPackages,
    GetQuote,
    Join,
    ManifestApplied,
    PrepareJoin,
    RetireRoots,
    RotateRoot,
    SubmitShare,
)
from nsl_protocol.enclave.messages import (
    Answer,
    CreateKey,
    CreateTokenKey,
    GetStatus,
    Refused,
    Request,
    Rewrap,
    Rewrapped,
    Seal,
    Sealed,
    Sign,
    Signed,
    SignToken,
    Status,
    TokenKeyCreated,
    TokenSigned,
    Unseal,
    Unsealed,
    Used,
)
from nsl_protocol.enclave.policies import ChangePolicy, SettlePolicy
from nsl_protocol.enclave.symmetric import Use
from nsl_protocol.enclave.wire import read_call, reply_frame
from nsl_protocol.enclave.wrapped import WrappedKey, WrappedLedger, WrappedLog, WrappedSecret, WrappedTokenKey


class KeyManagement:
    """The program: a frame's payload in, a reply's frame out."""

    def __init__(self, platform: Platform, cluster: Cluster) -> None:
        self._platform = platform
        self._cluster = cluster
        self._layers: tuple[str, ...] = ()
        self._phase = Phase.STARTING
        custody = Custody(cluster)
        self._enrolment = Enrolment(cluster, custody, Program.KME)
        self._custody = custody
        self._register: Register | None = None
        self._handlers: dict[type[Message], Callable[[Any], Answer]] = {
            GetStatus: self._status,
            Bootstrap: custody.bootstrap,
            SubmitShare: custody.submit,
            GetPackages: custody.packages,
            RotateRoot: lambda request: custody.rotate(self._up_to_date(request)),
            RetireRoots: lambda request: custody.retire(self._up_to_date(request)),
            Proceed: custody.proceed,
            Rewrap: self._rewrap,
            PrepareJoin: custody.prepare_join,
            Join: custody.join,
            ApplyManifest: self._apply_manifest,
            Sign: self._sign,
            CreateTokenKey: self._create_token_key,
            SignToken: self._sign_token,
            Seal: self._seal,
            Unseal: self._unseal,
            GetHead: lambda request: self._registered().shown(request),
            Show: self._show,
            Propose: self._propose,
            Accept: lambda request: self._registered().accept(request),
            Conclude: lambda request: self._registered().conclude(request),
            AskLease: lambda request: self._registered().ask(request),
            GrantLease: lambda request: self._registered().grant(request),
            TakeLease: self._take_lease,
            SignHead: self._sign_head,
        }
        cluster.when_begun(self._begin)

    def isolated(self, layers: tuple[str, ...]) -> None:
        """Remember which isolation layers took hold, to report them."""
        self._layers = layers

    def context(self) -> SSL.Context:
        return self._enrolment.context()

    def peer(self, certificate: Certificate | None) -> Peer:
        return self._enrolment.peer(certificate)

    def stands(self, peer: Peer) -> bool:
        return self._enrolment.stands(peer)

    def expel(self, peer: Peer) -> None:
        self._enrolment.expel(peer)

    def handle(self, peer: Peer, payload: bytes) -> bytes:
        """Answer one call.

        Raises:
            CodecError: the payload is not a call.
            Violation: the phase does not permit this message, or not to this peer.
        """
        call = read_call(payload)
        if type(call.body) not in PERMITTED[self._phase, peer.role]:
            raise Violation(f"{type(call.body).__name__} is not taken from {peer.role} while {self._phase}")
        try:
            answer = self._answer(peer, call.body)
        except Refusal as refusal:
            answer = Refused(refusal.code, refusal.reason)
        return reply_frame(call.id, answer)

    def _answer(self, peer: Peer, request: Request) -> Answer:
        """Those that depend on who asks, and all others."""
        match request:
            case GetQuote():
                return self._enrolment.quote(peer, request)
            case Enrol():
                return self._enrolment.enrol(peer, request)
            case Admit():
                challenge, peer.challenge = peer.challenge, None
                if challenge is None:
                    raise Refusal("NOT_ADMITTED", "Ask for a quote first: the join must be over its challenge.")
                return self._custody.admit(challenge, request)
            case _:
                return self._handlers[type(request)](request)

    def _begin(self, root: Root, given: bool) -> None:  # noqa: FBT001 - as the cluster calls it
        """The root is there: keys can be made and used from here on."""
        cluster = self._cluster
        self._wrapping = Wrapping(root)
        self._tokens = Tokens(self._wrapping)
        leaves = Leaves(LeafMacs(root), cluster.now)
        self._windows = Windows(self._wrapping, leaves.run, cluster.steady)
        approvals = Approvals(cluster.identifier, cluster.now)
        self._keyring = Keyring(self._wrapping, leaves, self._windows, approvals, cluster.now)
        governing = Governing(self._wrapping, leaves, cluster.identifier, cluster.now)
        self._symmetric = Symmetric(self._keyring, leaves)
        self._log = Log(self._wrapping, root, cluster.identifier, cluster.now)
        self._handlers |= {
            CreateKey: self._keyring.create,
            ChangeKey: self._keyring.change,
            Evaluate: self._keyring.evaluate,
            DeriveKeys: self._keyring.derive,
            AppendLeaves: self._log.append,
            GetLeaves: leaves.kept,
            Use: self._use,
            ChangePolicy: governing.change,
            SettlePolicy: governing.settle,
            LeaseWindows: self._lease_windows,
            ReturnWindows: lambda request: self._windows.give_back(request.name, request.ledger),
        }
        clock = Clock(cluster.steady, cluster.set_steady)
        self._register = Register(Macs(root), cluster.registered, cluster.keep, self._changed, clock, fresh=given)
        self._stopping = Stopping(self._register, lambda: cluster.constitution, cluster.now)
        self._handlers |= Portable(cluster, self._wrapping, self._register, self._stopping, leaves).handlers()
        if Phase.READY not in NEXT[self._phase]:
            raise Violation(f"{self._phase} is not followed by {Phase.READY}")
        self._phase = Phase.READY

    def _status(self, _: GetStatus) -> Status:
        root = self._cluster.root
        return Status(
            program=Program.KME,
            mode=self._platform.mode,
            measurement=self._platform.measurement,
            phase=self._phase,
            version=__version__,
            layers=(*self._layers, *(("locked_memory",) if root is not None and root.locked else ())),
            cluster=self._cluster.identifier,
            epoch=self._cluster.epoch,
            generation=0 if root is None else root.generation,
            manifest_version=self._cluster.constitution.present.version,
            seal=self._cluster.seal_status,
            register=0 if self._register is None else self._register.head.number,
            lease_seconds=None if self._register is None else self._register.lease_seconds(),
            frozen_at=None if self._register is None or (found := self._register.freeze) is None else found.at,
        )

    def _registered(self) -> Register:
        if self._register is None:
            raise Violation("there is no register before there is a root")
        return self._register

    def _up_to_date[T: (RotateRoot, RetireRoots)](self, request: T) -> T:
        """The request, which is carried out only under a lease and from the newest register. Raises Refusal."""
        register = self._registered()
        register.insist_on_lease()
        register.insist_on_newest(request.certificate)
        return request

    def _changed(self, entry: Entry | None) -> None:
        """Another edition of this one holds, or may hold; None: of any."""
        match entry:
            case None:
                self._keyring.forget(None)
                self._tokens.forget(None)
                self._log.forget()
                self._windows.forget(None)
            case WrappedKey():
                self._keyring.forget(entry.name)
            case WrappedTokenKey():
                self._tokens.forget(entry.kid)
            case WrappedLog():
                self._log.forget()
            case WrappedLedger():
                self._windows.forget(entry.index)
            case Enlistment() | ClusterFreeze() | ClusterThaw():
                pass

    def _show(self, request: Show) -> Shown:
        item = request.item
        self._registered().adopt(request.certificate)
        self._registered().check(request, self._opened(item).edition)
        match item:
            case WrappedKey():
                self._keyring.keep(item)
            case WrappedTokenKey():
                self._tokens.keep(item.kid, item.wrapped)
            case WrappedLog():
                self._log.keep(item)
            case WrappedLedger():
                self._windows.keep(item)
        return Shown()

    def _propose(self, request: Propose) -> Record:
        entry = request.entry
        match entry:
            case Enlistment():
                members_max = self._cluster.constitution.present.replicas
                return self._registered().enlist(request.certificate, entry, members_max)
            case ClusterFreeze():
                return self._stopping.freeze(request.certificate, entry)
            case ClusterThaw():
                return self._stopping.thaw(request.certificate, entry)
        if request.path is None:
            raise Refusal("PATH_WRONG", "A key is entered by its path.")
        return self._registered().propose(request.certificate, entry, self._opened(entry), request.path)

    def _take_lease(self, request: TakeLease) -> Leased:
        return self._registered().take(request, self._cluster.constitution.present.lease_seconds)

    def _opened(self, item: Item) -> Opened[KeySecret] | Opened[bytes] | Opened[LogState] | Opened[Ledger]:
        match item:
            case WrappedKey():
                return self._wrapping.open_key(item.name, item.wrapped)
            case WrappedTokenKey():
                return self._wrapping.open_token_key(item.kid, item.wrapped)
            case WrappedLog():
                return self._log.opened(item)
            case WrappedLedger():
                return self._windows.opened(item)

    def _apply_manifest(self, request: ApplyManifest) -> ManifestApplied:
        return ManifestApplied(self._cluster.apply(request.document))

    def _rewrap(self, request: Rewrap) -> Rewrapped:
        return Rewrapped(tuple(map(self._rewrap_one, request.items)))

    def _rewrap_one(self, item: Item | WrappedSecret) -> bytes | Refused:
        try:
            return self._wrapping.rewrap(item)
        except Refusal as refusal:
            return Refused(refusal.code, refusal.reason)

    def _sign(self, request: Sign) -> Signed:
        self._registered().insist_on_lease()
        self._stopping.insist_on_none()
        return Signed(tuple(map(self._keyring.sign, request.orders)))

    def _use(self, request: Use) -> Used:
        self._registered().insist_on_lease()
        self._stopping.insist_on_none()
        return self._symmetric.use(request)

    def _lease_windows(self, request: LeaseWindows) -> LedgerMade:
        self._registered().insist_on_lease()
        self._stopping.insist_on_none()
        self._keyring.insist_on_shown(request.name, request.wrapped)
        return self._windows.lease(request.name, request.ledger)

    def _sign_head(self, request: SignHead) -> HeadSigned:
        self._registered().insist_on_lease()
        return self._log.sign_head(request.log)

    def _create_token_key(self, request: CreateTokenKey) -> TokenKeyCreated:
        public_key, wrapped = self._tokens.create(request.kid)
        return TokenKeyCreated(public_key, wrapped)

    def _sign_token(self, request: SignToken) -> TokenSigned:
        self._registered().insist_on_lease()
        return TokenSigned(self._tokens.sign(request.kind, request.kid, request.wrapped, request.claims))

    def _seal(self, request: Seal) -> Sealed:
        return Sealed(self._wrapping.seal(request.purpose, request.secret))

    def _unseal(self, request: Unseal) -> Unsealed:
        return Unsealed(self._wrapping.unseal(request.purpose, request.sealed))

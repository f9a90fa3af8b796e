"""The KME's messages: one method for each, and the phases in which they are taken."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from nsl_enclave import __version__
from nsl_enclave.kernel.errors import Violation
from nsl_enclave.kernel.phases import NEXT, PERMITTED, Phase
from nsl_enclave.kme import meaning
from nsl_enclave.kme.errors import Refusal
from nsl_enclave.kme.signing import PrivateHalf, new_secret, private_half
from nsl_enclave.kme.tokens import Tokens
from nsl_enclave.kme.wrapping import KeySecret, Wrapping
from nsl_enclave.platform import Platform
from nsl_protocol.enclave.messages import (
    Answer,
    CreateKey,
    CreateTokenKey,
    GetStatus,
    KeyCreated,
    KeyName,
    Message,
    Refused,
    Seal,
    Sealed,
    Sign,
    Signable,
    Signature,
    SignDigest,
    Signed,
    SignEvmTransaction,
    SignMessage,
    SignN3Transaction,
    SignOrder,
    SignToken,
    SignTypedData,
    Status,
    TokenKeyCreated,
    TokenSigned,
    Unseal,
    Unsealed,
)
from nsl_protocol.enclave.wire import read_call, reply_frame

PROGRAM = "kme"
KEYS_KEPT = 4096


class _OpenKey:
    """A key that was opened: its private half, and whether it may sign blindly."""

    __slots__ = ("blind_signing", "private")

    def __init__(self, private: PrivateHalf, *, blind_signing: bool) -> None:
        self.private = private
        self.blind_signing = blind_signing


class KeyManagement:
    """The program: a frame's payload in, a reply's frame out."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._layers: tuple[str, ...] = ()
        self._phase = Phase.STARTING
        self._wrapping = Wrapping(b"")
        self._tokens = Tokens(self._wrapping)
        self._opened: OrderedDict[tuple[KeyName, bytes], _OpenKey] = OrderedDict()
        self._handlers: dict[type[Message], Callable[[Any], Answer]] = {
            GetStatus: self._status,
            CreateKey: self._create_key,
            Sign: self._sign,
            CreateTokenKey: self._create_token_key,
            SignToken: self._sign_token,
            Seal: self._seal,
            Unseal: self._unseal,
        }

    def begin(self, root: bytes) -> None:
        """Take the root secret: keys can be made and used from here on."""
        self._wrapping = Wrapping(root)
        self._tokens = Tokens(self._wrapping)
        self._enter(Phase.READY)

    def isolated(self, layers: tuple[str, ...]) -> None:
        """Remember which isolation layers took hold, to report them."""
        self._layers = layers

    def handle(self, payload: bytes) -> bytes:
        """Answer one call.

        Raises:
            CodecError: the payload is not a call.
            Violation: the phase does not permit this message.
        """
        call = read_call(payload)
        if type(call.body) not in PERMITTED[self._phase]:
            raise Violation(f"{type(call.body).__name__} is not taken while {self._phase}")
        try:
            answer = self._handlers[type(call.body)](call.body)
        except Refusal as refusal:
            answer = Refused(refusal.code, refusal.reason)
        return reply_frame(call.id, answer)

    def _enter(self, phase: Phase) -> None:
        if phase not in NEXT[self._phase]:
            raise Violation(f"{self._phase} is not followed by {phase}")
        self._phase = phase

    def _status(self, _: GetStatus) -> Status:
        return Status(
            program=PROGRAM,
            mode=self._platform.mode,
            measurement=self._platform.measurement,
            phase=self._phase,
            version=__version__,
            layers=self._layers,
        )

    def _create_key(self, request: CreateKey) -> KeyCreated:
        secret = KeySecret(request.curve, request.blind_signing, new_secret(request.curve))
        public_key = private_half(secret.curve, secret.secret).public_key
        return KeyCreated(public_key, self._wrapping.wrap_key(request.name, secret))

    def _sign(self, request: Sign) -> Signed:
        return Signed(tuple(map(self._sign_one, request.orders)))

    def _sign_one(self, order: SignOrder) -> Signature | Refused:
        try:
            key = self._open(order.name, order.wrapped)
            found = _meaning(order.what, key)
        except Refusal as refusal:
            return Refused(refusal.code, refusal.reason)
        made = key.private.sign(found.data)
        return Signature(
            signature=made.raw,
            recovery=made.recovery,
            algorithm=key.private.algorithm,
            salt=found.salt,
            public_key=key.private.public_key,
            decoded=found.decoded_json(),
        )

    def _open(self, name: KeyName, wrapped: bytes) -> _OpenKey:
        """The key, from the cache when exactly this blob was opened before under exactly this name."""
        place = (name, wrapped)
        key = self._opened.get(place)
        if key is None:
            secret = self._wrapping.open_key(name, wrapped)
            key = _OpenKey(private_half(secret.curve, secret.secret), blind_signing=secret.blind_signing)
            self._opened[place] = key
            if len(self._opened) > KEYS_KEPT:
                self._opened.popitem(last=False)
        else:
            self._opened.move_to_end(place)
        return key

    def _create_token_key(self, request: CreateTokenKey) -> TokenKeyCreated:
        public_key, wrapped = self._tokens.create(request.kid)
        return TokenKeyCreated(public_key, wrapped)

    def _sign_token(self, request: SignToken) -> TokenSigned:
        return TokenSigned(self._tokens.sign(request.kind, request.kid, request.wrapped, request.claims))

    def _seal(self, request: Seal) -> Sealed:
        return Sealed(self._wrapping.seal(request.purpose, request.secret))

    def _unseal(self, request: Unseal) -> Unsealed:
        return Unsealed(self._wrapping.unseal(request.purpose, request.sealed))


def _meaning(what: Signable, key: _OpenKey) -> meaning.Meaning:
    curve = key.private.curve
    match what:
        case SignMessage():
            return meaning.of_message(what, curve)
        case SignDigest():
            return meaning.of_digest(what, blind_signing=key.blind_signing)
        case SignN3Transaction():
            return meaning.of_n3_transaction(what, curve, key.private.public_key)
        case SignEvmTransaction():
            return meaning.of_evm_transaction(what, curve)
        case SignTypedData():
            return meaning.of_typed_data(what, curve)

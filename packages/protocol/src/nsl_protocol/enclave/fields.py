"""What every message of the host-enclave channel is made of."""

from typing import Annotated

from msgspec import Meta, Struct

from nsl_protocol.audit.leaves import LEAF_BYTES_MAX

#: a change of the register is sealed with the blob that it enters, in a slot of fixed size
WRAPPED_BYTES_MAX = 8192
#: an assertion of a passkey is the longest
PROOF_BYTES_MAX = 2048

type Id16 = Annotated[bytes, Meta(min_length=16, max_length=16)]
type Bytes32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
type Wrapped = Annotated[bytes, Meta(min_length=1, max_length=WRAPPED_BYTES_MAX)]
type Payload = Annotated[bytes, Meta(max_length=262_144)]
type PublicKey = Annotated[bytes, Meta(min_length=1, max_length=256)]
type QuoteBytes = Annotated[bytes, Meta(min_length=1, max_length=65_536)]
type CollateralBytes = Annotated[bytes, Meta(min_length=1, max_length=262_144)]
type Name = Annotated[str, Meta(pattern="^[a-z0-9](-?[a-z0-9]){0,62}$")]
type Signature64 = Annotated[bytes, Meta(min_length=64, max_length=64)]
#: an approver's: a signature, or an assertion of a passkey (``policy.passkeys``)
type Proof = Annotated[bytes, Meta(min_length=64, max_length=PROOF_BYTES_MAX)]


class Message(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=True, gc=False):
    """Base of every body: an array whose first element is the type's name.

    Frozen values hold no circle that a collector would have to find, and thousands of them are kept.
    """


class MarkedLeaf(Message, frozen=True):
    """A leaf as an enclave gives it out: with the MAC that its cluster knows it by, and its commitment's salt."""

    content: Annotated[bytes, Meta(max_length=LEAF_BYTES_MAX)]
    mac: Annotated[bytes, Meta(min_length=32, max_length=32)]
    salt: Id16

"""What the enclave says of a key: made of what is sealed in its present edition, and of nothing that a host says."""

import hashlib

from nsl_enclave.kme.deriving import chain_code_of
from nsl_enclave.kme.signing import private_half
from nsl_enclave.kme.wrapping import KeySecret
from nsl_protocol.attestation.keys import KeyStatement
from nsl_protocol.attestation.verify import Mode
from nsl_protocol.enclave.agreement import Head
from nsl_protocol.enclave.wrapped import KeyName


def policy_of(key: KeySecret) -> bytes:
    """The hash of the policy that is sealed with a key, as the policy itself has it."""
    return hashlib.sha256(key.policy).digest()


def key_statement(
    name: KeyName, key: KeySecret, head: Head, cluster: bytes, speaker: tuple[str, str], time: int, nonce: bytes
) -> KeyStatement:
    """
    Args:
        head: of the register that has this edition.
        speaker: measurement (hex) and mode of this enclave.
        time: enclave time, Unix seconds.
    """
    measurement, mode = speaker
    chain_code = b"" if key.secret is None else chain_code_of(key.curve, key.secret)
    return KeyStatement(
        cluster=cluster,
        epoch=head.epoch,
        register=head.number,
        tenant=name.tenant,
        key=name.key,
        version=name.version,
        curve=key.curve.value,
        public_key=key.public_key if key.secret is None else private_half(key.curve, key.secrets[0]).public_key,
        origin=key.origin,
        exportable=bool(key.recipients),
        recipients=key.recipients,
        policy=policy_of(key),
        state=key.state.value,
        measurement=bytes.fromhex(measurement),
        mode=Mode(mode),
        time=time,
        nonce=nonce,
        destroyed_at=key.destroyed_at,
        chain_code_sha256=hashlib.sha256(chain_code).digest() if chain_code else b"",
    )

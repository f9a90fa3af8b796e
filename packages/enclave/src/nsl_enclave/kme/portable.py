"""Keys that come from elsewhere, keys that may leave, and what is said of a key to whoever asks.

Nothing here believes the host. A key comes in encrypted for the terms that its owner chose; it goes out encrypted to
somebody who was named when it was made; and both, like a statement, are about the edition that the register has.
"""

import hmac
from collections.abc import Callable
from typing import Any

from nsl_enclave.kernel.errors import Refusal
from nsl_enclave.kme.cluster import Cluster
from nsl_enclave.kme.leaves import Leaves
from nsl_enclave.kme.lifecycle import usable
from nsl_enclave.kme.register import Register
from nsl_enclave.kme.signing import given_out, private_half, secret_in
from nsl_enclave.kme.statements import key_statement
from nsl_enclave.kme.stopping import Stopping
from nsl_enclave.kme.wrapping import KeySecret, Wrapping
from nsl_protocol.attestation.binding import Purpose, report_data
from nsl_protocol.attestation.keys import Origin
from nsl_protocol.enclave.agreement import Show
from nsl_protocol.enclave.fields import Message
from nsl_protocol.enclave.key_transport import insist_on_recipient, open_imported, seal_export
from nsl_protocol.enclave.messages import Answer, Curve, ImportKey, KeyCreated
from nsl_protocol.enclave.portable import AttestKey, ExportKey, KeyAttested, KeyExported, Recipients
from nsl_protocol.errors import CodecError
from nsl_protocol.policy.document import Policy, read_policy


class Portable:
    """Of one replica, once it has the root."""

    def __init__(
        self, cluster: Cluster, wrapping: Wrapping, register: Register, stopping: Stopping, leaves: Leaves
    ) -> None:
        self._cluster = cluster
        self._leaves = leaves
        self._wrapping = wrapping
        self._register = register
        self._stopping = stopping

    def handlers(self) -> dict[type[Message], Callable[[Any], Answer]]:
        """By message."""
        return {ImportKey: self.imported, ExportKey: self.exported, AttestKey: self.attested}

    def imported(self, request: ImportKey) -> KeyCreated:
        """The wrapped form of a key from elsewhere.

        It is not usable before the register has it, which has each key id once: a ciphertext that is played back makes
        no second key, and does not bring back one that was destroyed.

        Raises:
            Refusal: ``IMPORT_KEY_UNKNOWN``, ``IMPORT_NOT_AUTHENTIC``, ``IMPORT_NOT_A_KEY``, ``RECIPIENT_UNSUITABLE``.
        """
        key, terms = self._cluster.needed_root().import_key(), request.terms
        if not hmac.compare_digest(key.public_key().public_bytes_raw(), request.wrapping_key):
            raise Refusal(
                "IMPORT_KEY_UNKNOWN",
                "The key was encrypted to another enclave, or before the root was replaced: "
                "get new import parameters, and encrypt it again.",
            )
        recipients = suitable(terms.recipients)
        try:
            brought = open_imported(request.encrypted, key, self._cluster.identifier, request.label, terms)
        except CodecError as error:
            raise Refusal(
                "IMPORT_NOT_AUTHENTIC",
                "The key was not encrypted for this tenant, id, name, curve and policy; whoever has it has to encrypt "
                "it for what is asked here.",
            ) from error
        secret = secret_in(terms.curve, brought)
        if secret is None:
            form = "one in PKCS #8 DER" if terms.curve is Curve.RSA_3072 else "the 32 bytes of one"
            raise Refusal("IMPORT_NOT_A_KEY", f"What was encrypted is no private key of {terms.curve}: encrypt {form}.")
        policy, public_key = policy_in(terms.policy).canonical, private_half(terms.curve, secret).public_key
        made = KeySecret(terms.curve, policy, secret, origin=Origin.IMPORTED, recipients=recipients)
        leaf = self._leaves.made("key.imported", terms.name, public_key)
        return KeyCreated(public_key, self._wrapping.wrap_key(terms.name, made), leaf)

    def exported(self, request: ExportKey) -> KeyExported:
        """The private key, encrypted to one of those who were named when it was made.

        Raises:
            Refusal: ``CLUSTER_FROZEN``, ``EXPORT_NOT_ALLOWED``, ``RECIPIENT_NOT_NAMED``, ``KEY_NOT_ACTIVE``; or as
                ``_present`` says.
        """
        key, name = self._present(request), request.item.name
        self._stopping.insist_on_none()
        if not key.recipients:
            raise Refusal(
                "EXPORT_NOT_ALLOWED",
                "The key was made without recipients, so it never leaves the enclave: make one that names them.",
            )
        if not any(hmac.compare_digest(each, request.recipient) for each in key.recipients):
            raise Refusal(
                "RECIPIENT_NOT_NAMED",
                f"{request.recipient.hex()} is none of the {len(key.recipients)} recipients who were named when the "
                "key was made, and nobody can be added: export it to one of them, or make another key.",
            )
        secret = given_out(key.curve, usable(key))
        encrypted = seal_export(secret, request.recipient, self._cluster.identifier, name, key.curve)
        return KeyExported(encrypted, self._leaves.made("key.exported", name, request.recipient))

    def attested(self, request: AttestKey) -> KeyAttested:
        """A signed statement of what the key is, and a quote of who says so. Raises Refusal as ``_present`` says."""
        cluster, platform, name = self._cluster, self._cluster.platform, request.item.name
        key, now = self._present(request), cluster.now()
        speaker = platform.measurement, platform.mode
        statement = key_statement(name, key, self._register.head, cluster.identifier, speaker, int(now), request.nonce)
        log_key, version = cluster.needed_root().log_key(), cluster.constitution.present.version
        public = log_key.public_key().public_bytes_raw()
        bound = report_data(Purpose.EVIDENCE, cluster.identifier, request.nonce, public, version.to_bytes(4))
        quote = platform.quote(bound)
        signature = log_key.sign(statement.signed(quote))
        return KeyAttested(statement, signature, public, version, quote, platform.collateral(now))

    def _present(self, request: ExportKey | AttestKey) -> KeySecret:
        """What is sealed in the edition that was brought, which is the register's.

        Raises:
            Refusal: ``NO_LEASE``, ``NOT_REGISTERED``, ``DATABASE_OLDER``; or it does not open.
        """
        self._register.insist_on_lease()
        self._register.adopt(request.certificate)
        opened = self._wrapping.open_key(request.item.name, request.item.wrapped)
        self._register.check(Show(request.certificate, request.item, request.path), opened.edition)
        return opened.secret


def suitable(recipients: Recipients) -> Recipients:
    """Whom a new key may be exported to. Raises Refusal: ``RECIPIENT_UNSUITABLE``."""
    try:
        for each in recipients:
            insist_on_recipient(each)
    except CodecError as error:
        raise Refusal("RECIPIENT_UNSUITABLE", f"A recipient {error.reason}.") from error
    if len(set(recipients)) < len(recipients):
        raise Refusal("RECIPIENT_UNSUITABLE", "A recipient is named twice.")
    return recipients


def policy_in(document: bytes) -> Policy:
    """What a key may sign. Raises Refusal: ``POLICY_UNREADABLE``."""
    try:
        return read_policy(document)
    except CodecError as error:
        raise Refusal("POLICY_UNREADABLE", f"The policy cannot be read: {error}.") from error

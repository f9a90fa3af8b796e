"""RA-TLS: an X.509 certificate that carries a quote over its own public key.

Two encodings, as Gramine, Intel's SGX SDK and rats-tls write them:

- interoperable ("Interoperable RA-TLS", CCC-Attestation): extension 2.23.133.5.4.9, CBOR tag 60000 over
  ``[quote, claims]``; the report data begins with SHA-256 of ``claims``, whose ``pubkey-hash`` is over the key;
- legacy Gramine: the raw quote; the report data begins with SHA-256 of the key.

Certificates are read by asn1crypto, because ``cryptography`` refuses the NULL parameters that Gramine writes.
"""

import hashlib
import hmac
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from asn1crypto import pem, x509
from cbor2 import CBORDecodeError, CBORDecoder, CBORTag

from nsl_protocol.errors import CodecError

CERTIFICATE_BYTES_MAX = 131_072
INTEROPERABLE = "2.23.133.5.4.9"
LEGACY = ("0.6.9.42.840.113741.1337.6", "1.2.840.113741.1337.6")  # the first is how Gramine mis-encodes the second

_EVIDENCE_TAG = 60_000
_PUBKEY_HASH = "pubkey-hash"
_NONCE = "nonce"
# IANA "Named Information Hash Algorithm Registry".
_HASHES = {1: hashlib.sha256, 7: hashlib.sha384, 8: hashlib.sha512}
_SHA256_BYTES = 32


@dataclass(frozen=True, slots=True)
class RaTlsCertificate:
    """A certificate whose quote is about its key: the quote must still be verified.

    Attributes:
        public_key: DER SubjectPublicKeyInfo.
        report_data: the 32 bytes that the quote's report data must begin with, computed from the certificate.
        nonce: what the enclave was asked to repeat, in the interoperable form.
    """

    quote: bytes
    public_key: bytes
    report_data: bytes
    nonce: bytes | None

    def bound(self, quote_report_data: bytes) -> bool:
        """Whether the quote with this report data was made for this certificate's key."""
        return hmac.compare_digest(quote_report_data[:_SHA256_BYTES], self.report_data)


def parse_certificate(data: bytes) -> RaTlsCertificate:
    """Read an RA-TLS certificate, in PEM or DER.

    Raises:
        CodecError: no certificate, no quote in it, or evidence that says nothing of the certificate's key.
    """
    if len(data) > CERTIFICATE_BYTES_MAX:
        raise CodecError(f"more than {CERTIFICATE_BYTES_MAX} bytes", field="certificate")
    try:
        der = pem.unarmor(data)[2] if pem.detect(data) else data
        certificate = x509.Certificate.load(der, strict=True)
        public_key = certificate.public_key.dump()
        # The contents as they are: asn1crypto would read what it takes for a nested structure.
        found = {
            extension["extn_id"].dotted: extension["extn_value"].contents
            for extension in certificate["tbs_certificate"]["extensions"]
        }
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError) as error:
        raise CodecError("is no X.509 certificate", field="certificate") from error
    if INTEROPERABLE in found:
        return _interoperable(found[INTEROPERABLE], public_key)
    for identifier in LEGACY:
        if identifier in found:
            return RaTlsCertificate(found[identifier], public_key, hashlib.sha256(public_key).digest(), None)
    raise CodecError("carries no quote in an extension that is known here", field="certificate")


def _interoperable(extension: bytes, public_key: bytes) -> RaTlsCertificate:
    evidence = _cbor(extension)
    match evidence:
        case CBORTag(tag=tag, value=[bytes() as quote, bytes() as claims]) if tag == _EVIDENCE_TAG:
            pass
        case _:
            raise CodecError("its evidence is not a tagged pair of quote and claims", field="certificate")
    stated = _cbor(claims)
    if not isinstance(stated, dict) or not isinstance(stated.get(_PUBKEY_HASH), bytes):
        raise CodecError("its claims have no pubkey-hash", field="certificate")
    match _cbor(stated[_PUBKEY_HASH]):
        case [int() as algorithm, bytes() as digest] if algorithm in _HASHES:
            if not hmac.compare_digest(_HASHES[algorithm](public_key).digest(), digest):
                raise CodecError("its claims are about another public key", field="certificate")
        case _:
            raise CodecError("its pubkey-hash is not a known algorithm and a digest", field="certificate")
    nonce = stated.get(_NONCE)
    if nonce is not None and not isinstance(nonce, bytes):
        raise CodecError("its nonce is not bytes", field="certificate")
    return RaTlsCertificate(quote, public_key, hashlib.sha256(claims).digest(), nonce)


def _cbor(data: bytes) -> Any:
    """One item and nothing behind it."""
    stream = BytesIO(data)
    try:
        item = CBORDecoder(stream).decode()
    except (CBORDecodeError, ValueError, TypeError, RecursionError, OverflowError) as error:
        raise CodecError("its evidence is not CBOR", field="certificate") from error
    if stream.read(1):
        raise CodecError("its evidence has bytes behind it", field="certificate")
    return item

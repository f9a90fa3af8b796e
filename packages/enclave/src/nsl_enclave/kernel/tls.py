"""TLS 1.3 with keys that never lie in a file (pyOpenSSL: the standard library reads keys from files only).

A peer may come without a certificate, to enrol. Which time a certificate is judged by is the enclave's affair and not
the host's, so OpenSSL leaves it out and ``Peer.expires_at`` says it.
"""

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL, crypto

_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME


def context(
    key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate, authority: x509.Certificate | None
) -> SSL.Context:
    """Of a server that shows ``certificate``, and believes what ``authority`` has signed; None: nobody."""
    made = SSL.Context(SSL.TLS_SERVER_METHOD)
    made.set_min_proto_version(SSL.TLS1_3_VERSION)
    made.set_options(SSL.OP_NO_TICKET)
    made.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    made.use_certificate(certificate)
    made.use_privatekey(key)
    if authority is not None:
        store = made.get_cert_store()
        if store is None:
            raise RuntimeError("a new context has a store")
        store.add_cert(crypto.X509.from_cryptography(authority))
        store.set_flags(_NO_CHECK_TIME)
        made.set_verify(SSL.VERIFY_PEER, lambda _connection, _certificate, _error, _depth, holds: bool(holds))
    return made

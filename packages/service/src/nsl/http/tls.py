"""HTTPS with the certificates of clients: what RFC 8705 needs to know of the connection, as part of each request."""

import ssl
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class CertificateProtocol(HttpToolsProtocol):
    """HTTP/1.1 whose requests carry the peer's certificate, DER, where the peer showed one."""

    _certificate: bytes | None = None

    def connection_made(self, transport: Any) -> None:
        """The handshake is over: what the peer showed was verified."""
        super().connection_made(transport)
        connection = transport.get_extra_info("ssl_object")
        self._certificate = None if connection is None else connection.getpeercert(binary_form=True)

    def on_message_begin(self) -> None:
        """Each request of the connection."""
        super().on_message_begin()
        if self._certificate is not None:
            self.scope["nsl.certificate"] = self._certificate  # type: ignore[typeddict-unknown-key]  # ours


def server(application: Any, host: str, port: int, directory: Path) -> uvicorn.Server:
    """HTTPS at ``port``.

    Args:
        directory: holds ``server.pem`` and ``server.key``, and ``clients.pem``, the CA of clients' certificates.
    """
    config = uvicorn.Config(
        application,
        host=host,
        port=port,
        http=CertificateProtocol,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=10,
        ssl_certfile=str(directory / "server.pem"),
        ssl_keyfile=str(directory / "server.key"),
        ssl_ca_certs=str(directory / "clients.pem"),
        ssl_cert_reqs=ssl.CERT_OPTIONAL,
    )
    config.load()
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return uvicorn.Server(config)

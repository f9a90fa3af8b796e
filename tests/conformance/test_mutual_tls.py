"""Certificates of clients (RFC 8705): at our own HTTPS port, and from a proxy that is trusted."""

import base64
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from nsl.cli.up.process import console_script, free_port
from tests.conformance.clauses import clause
from tests.support.oauth import App, Browser, Provider, b64, claims
from tests.support.people import Person

NAME = "CN=program,O=Ada"
#: where the proxy that is trusted connects from
PROXY = "127.0.0.2"


class Authority:
    """Makes certificates, each with its key in a file of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority {folder.name}")])
        self.certificate = self._sign(self.name, self.key.public_key(), authority=True)
        self.path = folder / "ca.pem"
        self.path.write_bytes(self.certificate.public_bytes(Encoding.PEM))

    def _sign(self, name: x509.Name, key: Any, *, authority: bool) -> x509.Certificate:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True, key_cert_sign=authority, crl_sign=authority, content_commitment=False,
                    key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
            .sign(self.key, hashes.SHA256())
        )  # fmt: skip

    def leaf(self, file: str, name: str) -> tuple[str, str, bytes]:
        """Paths of a certificate and its key, and the certificate's DER."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(x509.Name.from_rfc4514_string(name), key.public_key(), authority=False)
        pem, secret = self.folder / f"{file}.pem", self.folder / f"{file}.key"
        pem.write_bytes(certificate.public_bytes(Encoding.PEM))
        secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return str(pem), str(secret), certificate.public_bytes(Encoding.DER)


@dataclass
class Tls:
    """An API process of the same provider with HTTPS, which trusts a proxy on this machine."""

    authority: Authority
    http: httpx.Client
    https_url: str
    program: tuple[str, str, bytes]
    other: tuple[str, str, bytes]

    def https(self, leaf: tuple[str, str, bytes] | None = None, source: str = "127.0.0.1") -> httpx.Client:
        context = ssl.create_default_context(cafile=str(self.authority.path))
        if leaf is not None:
            context.load_cert_chain(leaf[0], leaf[1])
        transport = httpx.HTTPTransport(verify=context, local_address=source)
        return httpx.Client(base_url=self.https_url, transport=transport, timeout=20, trust_env=False)


def _listens(port: int) -> bool:
    with socket.socket() as found:
        return found.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def tls(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Generator[Tls]:
    folder = tmp_path_factory.mktemp("https")
    authority = Authority(folder)
    authority.leaf("server", "CN=server")
    (folder / "clients.pem").write_bytes(authority.path.read_bytes())
    port, https = free_port(), free_port()
    own = {name: value for name, value in provider.service.environment.items() if name != "NSL_DATABASE_OWNER_URL"}
    own |= {
        "NSL_HTTP_PORT": str(port), "NSL_METRICS_PORT": str(free_port()), "NSL_HTTPS_PORT": str(https),
        "NSL_HTTPS_DIR": str(folder), "NSL_TRUSTED_PROXIES": PROXY,
    }  # fmt: skip
    log = (folder / "log").open("wb")
    process = subprocess.Popen([console_script("nsl"), "serve"], env=os.environ | own, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while not (_listens(port) and _listens(https)):
            assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()  # noqa: PT018
            time.sleep(0.1)
        transport = httpx.HTTPTransport(local_address=PROXY)
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", transport=transport, timeout=20, trust_env=False
        ) as http:
            program, other = authority.leaf("program", NAME), authority.leaf("other", NAME)
            yield Tls(authority, http, f"https://127.0.0.1:{https}", program, other)
    finally:
        process.terminate()
        process.wait(30)
        log.close()


@pytest.fixture(scope="module")
def client(provider: Provider, ada: Person) -> App:
    return provider.app(ada, auth_method="tls_client_auth", tls_subject_dn=NAME)


def _thumbprint(der: bytes) -> str:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(der)
    return b64(digest.finalize())


def _token(http: httpx.Client, client: App, headers: dict[str, str] | None = None) -> httpx.Response:
    fields = {"grant_type": "client_credentials", "client_id": client.id}
    return http.post("/oauth2/token", data=fields, headers=headers)


def _header(der: bytes) -> dict[str, str]:
    """RFC 9440."""
    return {"Client-Cert": f":{base64.b64encode(der).decode()}:"}


def _keys(http: httpx.Client, token: str, headers: dict[str, str] | None = None) -> httpx.Response:
    return http.get("/v1/keys", headers={"Authorization": f"Bearer {token}"} | (headers or {}))


@clause("RFC 8705", "2", "A certificate with the registered subject proves the client.")
@clause("RFC 8705", "3.1", "The token is bound to the certificate: cnf x5t#S256.")
@clause("RFC 8705", "3", "With the certificate the token works.")
def test_at_our_own_port(tls: Tls, client: App) -> None:
    with tls.https(tls.program) as http:
        answer = _token(http, client)
        assert answer.status_code == 200, answer.text
        token = answer.json()["access_token"]
        assert answer.json()["token_type"] == "Bearer"
        assert claims(token)["cnf"] == {"x5t#S256": _thumbprint(tls.program[2])}
        assert _keys(http, token).status_code == 200
        assert _keys(http, token).status_code == 200, "each request of a connection"


@clause("RFC 8705", "3", "A bound token with another certificate, or with none, is refused with 401.")
def test_a_bound_token_elsewhere(provider: Provider, tls: Tls, client: App) -> None:
    with tls.https(tls.program) as http:
        token = _token(http, client).json()["access_token"]
    for leaf in (tls.other, None):
        with tls.https(leaf) as http:
            assert _keys(http, token).status_code == 401
    assert _keys(tls.http, token).status_code == 401
    assert provider.keys(token).status_code == 401
    assert provider.keys(token, _header(tls.program[2])).status_code == 401, "this API trusts no proxy"


@clause("RFC 8705", "2.1", "Without a certificate, or with one of another subject, the client is unknown.")
def test_other_certificates(tls: Tls, client: App) -> None:
    stranger = tls.authority.leaf("stranger", "CN=stranger,O=Ada")
    for leaf in (stranger, None):
        with tls.https(leaf) as http:
            answer = _token(http, client)
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@clause("RFC 8705", "2.1", "A certificate of another authority is not taken: the connection fails.")
def test_another_authority(tls: Tls, client: App, tmp_path: Path) -> None:
    forged = Authority(tmp_path).leaf("program", NAME)
    with tls.https(forged) as http, pytest.raises(httpx.TransportError):
        _token(http, client)


@clause("RFC 9440", "2.1", "From a trusted proxy the header Client-Cert is the connection's certificate.")
@clause("RFC 8705", "6.5", "What a client writes into that header itself counts for nothing.")
def test_behind_a_proxy(provider: Provider, tls: Tls, client: App) -> None:
    answer = _token(tls.http, client, _header(tls.program[2]))
    assert answer.status_code == 200, answer.text
    token = answer.json()["access_token"]
    assert claims(token)["cnf"] == {"x5t#S256": _thumbprint(tls.program[2])}
    assert _keys(tls.http, token, _header(tls.program[2])).status_code == 200
    assert _keys(tls.http, token, _header(tls.other[2])).status_code == 401
    assert _token(provider.http, client, _header(tls.program[2])).status_code == 401


@clause("RFC 9440", "4", "A proxy's own certificate is nobody's whom it speaks for; what a client sends us is not.")
def test_the_certificate_of_a_proxy(tls: Tls, client: App) -> None:
    with tls.https(tls.program, PROXY) as proxy, tls.https(tls.other) as direct:
        assert _token(proxy, client).status_code == 401
        assert _token(proxy, client, _header(tls.program[2])).status_code == 200
        token = _token(direct, client, _header(tls.program[2])).json()["access_token"]
    assert claims(token)["cnf"] == {"x5t#S256": _thumbprint(tls.other[2])}


@clause("RFC 9440", "2.1", "A header that cannot be read is refused.")
@pytest.mark.parametrize("value", [":!!!:", ":aGVsbG8=:", "é"])
def test_a_header_that_cannot_be_read(tls: Tls, client: App, value: str) -> None:
    answer = _token(tls.http, client, {"Client-Cert": value.encode()})  # type: ignore[dict-item]  # bytes as they are
    assert answer.status_code in (400, 401)


@clause("RFC 8705", "3", "A client with a secret gets a bound token too, when it shows a certificate.")
@clause("RFC 8705", "3.2", "Introspection tells the certificate that a token is bound to.")
def test_a_client_with_a_secret(tls: Tls, machine: App) -> None:
    fields = {"grant_type": "client_credentials"}
    with tls.https(tls.program) as http:
        token = http.post("/oauth2/token", data=fields, auth=(machine.id, machine.secret)).json()["access_token"]
    found = machine.provider.introspect(machine, token)
    assert found["cnf"] == {"x5t#S256": _thumbprint(tls.program[2])}


@clause("RFC 8705", "4", "A public client's refresh token is bound to its certificate.")
def test_a_bound_refresh_token(provider: Provider, ada: Person, browser: Browser, tls: Tls) -> None:
    public = provider.web_app(ada, auth_method="none")
    fields = {"grant_type": "authorization_code", "client_id": public.id, "redirect_uri": public.redirect_uri,
              "code": browser.code(public), "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"}  # fmt: skip
    with tls.https(tls.program) as http:
        body = http.post("/oauth2/token", data=fields).json()
        again = {"grant_type": "refresh_token", "client_id": public.id, "refresh_token": body["refresh_token"]}
        assert public.refresh(body["refresh_token"]).json()["error"] == "invalid_grant"
        with tls.https(tls.other) as other:
            assert other.post("/oauth2/token", data=again).json()["error"] == "invalid_grant"
        assert http.post("/oauth2/token", data=again).status_code == 200


@clause("RFC 8705", "3.3", "tls_client_certificate_bound_access_tokens and tls_client_auth are told by discovery.")
def test_discovery(provider: Provider) -> None:
    told = provider.http.get("/.well-known/openid-configuration").json()
    assert told["tls_client_certificate_bound_access_tokens"] is True
    assert "tls_client_auth" in told["token_endpoint_auth_methods_supported"]


@clause("RFC 9700", "2.6", "TLS below 1.2 is not spoken.")
def test_old_tls(tls: Tls) -> None:
    context = ssl.create_default_context(cafile=str(tls.authority.path))
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        httpx.Client(base_url=tls.https_url, verify=context, trust_env=False) as http,
        pytest.raises(httpx.TransportError),
    ):
        http.get("/health/live")

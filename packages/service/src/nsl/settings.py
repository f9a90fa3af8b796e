"""What the environment says, read once at the start. Secrets have no default.

What a command does not need may be unset: `nsl serve` needs the application's database and the enclave, `nsl work` the
worker's, `nsl migrate` and `nsl admin bootstrap` the owner's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from nsl.kit.errors import Malformed
from nsl_protocol.audit.heads import Witness
from nsl_protocol.errors import CodecError

NETWORKS = ("devnet", "testnet", "mainnet")
SGX_MODES = ("hw", "sim")
LOG_LEVELS = ("debug", "info", "warning", "error")
_PORT_MAX = 65_535


class BadSetting(Malformed):
    code = "BAD_SETTING"


@dataclass(frozen=True, slots=True)
class ChainSettings:
    """One blockchain. ``network_id`` is N3's magic number or Neo X's chain id; None: the network's official one."""

    network: str
    rpc_urls: tuple[str, ...]
    network_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings. A chain without endpoints is not served."""

    database_url: str | None
    database_worker_url: str | None
    database_owner_url: str | None
    kme_addresses: tuple[tuple[str, int], ...]
    manifest_dir: Path
    client_name: str
    client_key: Path
    n3: ChainSettings | None
    neo_x: ChainSettings | None
    http_host: str
    http_port: int
    metrics_port: int
    worker_metrics_port: int
    issuer: str
    log_level: str
    redis_url: str | None
    smtp_url: str | None
    mail_dir: Path | None
    mail_sender: str
    breached_passwords_url: str | None
    open_registration: bool
    sign_ins_per_minute: int
    address_requests_per_minute: int
    trusted_proxies: frozenset[str]
    https_port: int | None
    https_dir: Path
    sgx_mode: str
    simulated_root: Path | None
    pccs_url: str | None
    witnesses: tuple[tuple[Witness, str], ...]
    backups_kept: timedelta

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read ``NSL_*``.

        Raises:
            BadSetting: a value cannot be read; the message names the variable.
        """
        host = environment.get("NSL_HTTP_HOST", "127.0.0.1")
        port = _port(environment, "NSL_HTTP_PORT", 5000)
        return cls(
            database_url=environment.get("NSL_DATABASE_URL"),
            database_worker_url=environment.get("NSL_DATABASE_WORKER_URL"),
            database_owner_url=environment.get("NSL_DATABASE_OWNER_URL"),
            kme_addresses=_addresses(environment),
            manifest_dir=Path(environment.get("NSL_MANIFEST_DIR", "manifest")),
            client_name=environment.get("NSL_CLIENT_NAME", "service"),
            client_key=Path(environment.get("NSL_CLIENT_KEY", "service.key")),
            n3=_chain(environment, "NSL_N3", "NSL_N3_MAGIC"),
            neo_x=_chain(environment, "NSL_NEOX", "NSL_NEOX_CHAIN_ID"),
            http_host=host,
            http_port=port,
            metrics_port=_port(environment, "NSL_METRICS_PORT", 9090),
            worker_metrics_port=_port(environment, "NSL_WORKER_METRICS_PORT", 9091),
            issuer=environment.get("NSL_ISSUER", f"http://{host}:{port}").rstrip("/"),
            log_level=_one_of(environment, "NSL_LOG_LEVEL", LOG_LEVELS, "info"),
            redis_url=environment.get("NSL_REDIS_URL"),
            smtp_url=environment.get("NSL_SMTP_URL"),
            mail_dir=None if "NSL_MAIL_DIR" not in environment else Path(environment["NSL_MAIL_DIR"]),
            mail_sender=environment.get("NSL_MAIL_SENDER", "Neo Service Layer <no-reply@localhost>"),
            breached_passwords_url=environment.get("NSL_BREACHED_PASSWORDS_URL"),
            open_registration=_one_of(environment, "NSL_REGISTRATION", ("open", "invited"), "open") == "open",
            sign_ins_per_minute=_count(environment, "NSL_SIGN_INS_PER_MINUTE", 60),
            address_requests_per_minute=_count(environment, "NSL_ADDRESS_REQUESTS_PER_MINUTE", 1000),
            trusted_proxies=frozenset(filter(None, environment.get("NSL_TRUSTED_PROXIES", "").split(","))),
            https_port=_port(environment, "NSL_HTTPS_PORT", 0) or None,
            https_dir=Path(environment.get("NSL_HTTPS_DIR", "https")),
            sgx_mode=_one_of(environment, "NSL_SGX_MODE", SGX_MODES, "hw"),
            simulated_root=_simulated_root(environment),
            pccs_url=environment.get("NSL_PCCS_URL"),
            witnesses=_witnesses(environment),
            backups_kept=timedelta(days=_count(environment, "NSL_BACKUP_DAYS", 35)),
        )


def needed(value: str | None, variable: str) -> str:
    """A setting that the present command cannot do without. Raises BadSetting."""
    if not value:
        raise BadSetting(f"{variable} is not set, and this command needs it.")
    return value


def _witnesses(environment: Mapping[str, str]) -> tuple[tuple[Witness, str], ...]:
    """Key and address of each."""
    return tuple(_witness(each.strip()) for each in environment.get("NSL_WITNESSES", "").split(",") if each.strip())


def _witness(text: str) -> tuple[Witness, str]:
    key, _, url = text.partition("@")
    try:
        witness = Witness.parse(key)
    except CodecError as error:
        raise BadSetting(f"NSL_WITNESSES is KEY@URL, or several with commas between them: {text!r} {error}.") from error
    if not url.startswith(("http://", "https://")):
        raise BadSetting(f"NSL_WITNESSES: the address of {witness.name} begins with http:// or https://.")
    return witness, url


def _simulated_root(environment: Mapping[str, str]) -> Path | None:
    """The simulation's root certificate. Naming one in HW is refused: nothing there may know it."""
    text = environment.get("NSL_SIMULATED_ROOT")
    if text and environment.get("NSL_SGX_MODE", "hw").lower() != "sim":
        raise BadSetting("NSL_SIMULATED_ROOT is only for NSL_SGX_MODE=sim.")
    return Path(text) if text else None


def _chain(environment: Mapping[str, str], prefix: str, id_variable: str) -> ChainSettings | None:
    urls = tuple(url.strip() for url in environment.get(f"{prefix}_RPC_URLS", "").split(",") if url.strip())
    if not urls:
        return None
    if not all(url.startswith(("http://", "https://")) for url in urls):
        raise BadSetting(f"{prefix}_RPC_URLS: every endpoint begins with http:// or https://.")
    network = _one_of(environment, f"{prefix}_NETWORK", NETWORKS, "devnet")
    text = environment.get(id_variable)
    if text is not None and not (text.isascii() and text.isdigit()):
        raise BadSetting(f"{id_variable} is a whole number, not {text!r}.")
    return ChainSettings(network, urls, None if text is None else int(text))


def _addresses(environment: Mapping[str, str]) -> tuple[tuple[str, int], ...]:
    """One for each replica."""
    return tuple(map(_address, environment.get("NSL_KME_ADDRESS", "127.0.0.1:7443").split(",")))


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.strip().rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) <= _PORT_MAX:
        raise BadSetting(f"NSL_KME_ADDRESS is HOST:PORT, or several with commas between them, not {text!r}.")
    return host, int(port)


def _port(environment: Mapping[str, str], variable: str, default: int) -> int:
    text = environment.get(variable, str(default))
    if not text.isdigit() or int(text) > _PORT_MAX:
        raise BadSetting(f"{variable} is a TCP port, not {text!r}.")
    return int(text)


def _count(environment: Mapping[str, str], variable: str, default: int) -> int:
    text = environment.get(variable, str(default))
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**31):
        raise BadSetting(f"{variable} is a whole number of requests a minute, not {text!r}.")
    return int(text)


def _one_of(environment: Mapping[str, str], variable: str, allowed: tuple[str, ...], default: str) -> str:
    value = environment.get(variable, default).lower()
    if value not in allowed:
        raise BadSetting(f"{variable} is one of {', '.join(allowed)}, not {value!r}.")
    return value

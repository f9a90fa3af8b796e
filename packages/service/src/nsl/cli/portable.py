"""``nsl keys`` for keys that come from elsewhere, that may leave, and that somebody wants to be sure of."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nsl.cli.connection import AsJson, Credentials, KeyId, connect, credentials_file, key_of
from nsl.cli.enclave_connection import not_there
from nsl.cli.key_files import ImportCurve, SecretFiles, private_key
from nsl.cli.output import explained, fail, show_json, show_record

if TYPE_CHECKING:
    from nsl_client import ExportedKey
    from nsl_client.portable import Recipient
    from nsl_protocol.attestation.trust import PinnedTrust

TrustFile = Annotated[
    Path | None,
    typer.Option("--trust", envvar="NSL_TRUST", help="What you have pinned: see `nsl enclave trust`."),
]
Recipients = Annotated[
    list[str] | None,
    typer.Option(
        "--export-recipient",
        help="X25519 public key (hex) that the key may ever be exported to; may be given more than once.",
    ),
]


def import_key(  # noqa: PLR0917 - typer's options are none by position
    name: Annotated[str, typer.Argument(help="A name for people; it need not be unique.")],
    trust: TrustFile = None,
    wif_file: Annotated[Path | None, typer.Option(help="A Neo N3 key as WIF text.")] = None,
    nep2_file: Annotated[Path | None, typer.Option(help="A Neo N3 key as NEP-2 text (6P...).")] = None,
    keystore_file: Annotated[Path | None, typer.Option(help="An EVM keystore, version 3.")] = None,
    hex_file: Annotated[Path | None, typer.Option(help="32 bytes as hex, a key of --curve.")] = None,
    pem_file: Annotated[Path | None, typer.Option(help="A key of any curve, also RSA, in PEM.")] = None,
    passphrase_file: Annotated[
        Path | None, typer.Option(help="The passphrase of a NEP-2 key or keystore. Default: you are asked.")
    ] = None,
    curve: Annotated[ImportCurve, typer.Option(help="With --hex-file or a key that is typed in.")] = ImportCurve.NONE,
    recipients: Recipients = None,
    tenant: Annotated[str | None, typer.Option(help="Your tenant's id. Default: that of the credentials.")] = None,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Take a private key into the enclave. It is encrypted on this machine, to an enclave that has proven itself first.

    Without a file you are asked for the key. Whoever had it before may have it still: it says `imported` for good.

    Example: nsl keys import treasury --nep2-file key.nep2 --trust trust.json
    """
    from nsl_client.evidence import fresh_nonce
    from nsl_client.portable import NewKey, encrypt_key

    with explained():
        pinned = _needed(trust)
        files = SecretFiles(wif_file, nep2_file, keystore_file, hex_file, pem_file, passphrase_file)
        found, secret = private_key(files, curve)
        own = tenant or tenant_of(credentials)
        with connect(credentials) as client:
            nonce = fresh_nonce()
            parameters = client.keys.import_parameters(nonce)
            new = NewKey(name, found, export_recipients=tuple(recipients or ()))
            order = encrypt_key(secret, parameters, nonce, pinned, own, new)
            show_record(client.keys.import_key(order), as_json=as_json)


def export_recipient(
    out: Annotated[Path, typer.Option(help="Where to write the private key; mode 0600.")], as_json: AsJson = False
) -> None:
    """Make a key pair that keys can be exported to; print its public key, which `--export-recipient` takes.

    Example: nsl keys export-recipient --out recovery.json
    """
    from nsl.kit.files import write_private
    from nsl_client.portable import Recipient

    with explained():
        not_there(out)
        made = Recipient.new()
        record = {"public_key": made.public_key, "private_key": made.private_key.hex()}
        write_private(out, json.dumps(record, indent=2) + "\n")
        show_record({"public_key": made.public_key}, as_json=as_json)


def export(
    key_id: KeyId,
    recipient_file: Annotated[
        Path, typer.Option(help="Of `nsl keys export-recipient`, or with the public key alone (hex).")
    ],
    out: Annotated[Path, typer.Option(help="Where to write the encrypted key.")],
    credentials: Credentials = None,
) -> None:
    """Let the enclave encrypt a key to one of the recipients who were named when it was made. It is put on record.

    Example: nsl keys export KEY_ID --recipient-file recovery.json --out treasury.export.json
    """
    import msgspec

    with explained(), connect(credentials) as client:
        not_there(out)
        made = client.keys.export(key_of(client, key_id), _recipient_key(recipient_file))
        out.write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n")
        show_json({"written": str(out), "key_id": made.key_id, "recipient": made.recipient})


def open_export(
    file: Annotated[Path, typer.Argument(help="What `nsl keys export` wrote.")],
    private_key_file: Annotated[Path, typer.Option(help="What `nsl keys export-recipient` wrote.")],
    public_key: Annotated[
        str, typer.Option(help="Of the key that you expect (hex): from `nsl keys attestation`, or your own books.")
    ],
    out: Annotated[Path, typer.Option(help="Where to write the private key as hex, of RSA as PEM; mode 0600.")],
) -> None:
    """Open an exported key. It needs no network, and takes only the key that you expect.

    Example: nsl keys open-export treasury.export.json --private-key-file recovery.json --public-key 03ab.. --out k
    """
    from nsl.kit.files import write_private

    with explained():
        not_there(out)
        exported = _exported(file)
        secret = _recipient(private_key_file).open(exported, public_key=public_key)
        write_private(out, _written(secret, exported.curve))
        show_json({"written": str(out), "curve": exported.curve, "public_key": public_key})


def attestation(
    key_id: KeyId,
    trust: TrustFile = None,
    out: Annotated[Path | None, typer.Option(help="Where to keep it, for others to verify.")] = None,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Ask the enclave what a key is, and verify its answer here: generated or imported, exportable, its rules.

    Exit status 1 if a step does not hold, or hangs on nothing that you have pinned.

    Example: nsl keys attestation KEY_ID --trust trust.json --out treasury.attestation.json
    """
    from nsl_client.evidence import fresh_nonce

    nonce = fresh_nonce()
    with explained(), connect(credentials) as client:
        found = client.keys.attestation(key_of(client, key_id), nonce)
    keep_and_judge(found, out, trust, nonce, as_json=as_json)


def verify_attestation(
    file: Annotated[Path, typer.Argument(help="What `nsl keys attestation --out` wrote.")],
    trust: TrustFile = None,
    at: Annotated[datetime | None, typer.Option(help="As of when (UTC), such as 2026-01-31. Default: now.")] = None,
    as_json: AsJson = False,
) -> None:
    """Verify what an enclave has said of a key, without a network, and name each step with its outcome.

    Exit status 1 if a step does not hold, or hangs on nothing that you have pinned.

    Example: nsl keys verify-attestation treasury.attestation.json --trust trust.json
    """
    with explained():
        moment = None if at is None else int(at.replace(tzinfo=UTC).timestamp())
        _judge(_read(file), trust, None, moment, as_json=as_json)


COMMANDS: dict[str, Callable[..., None]] = {
    "import": import_key,
    "export": export,
    "open-export": open_export,
    "export-recipient": export_recipient,
    "attestation": attestation,
    "verify-attestation": verify_attestation,
}


def _written(secret: bytes, curve: str) -> str:
    if curve != ImportCurve.RSA_3072:
        return secret.hex() + "\n"
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_der_private_key,
    )

    key = load_der_private_key(secret, None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def keep_and_judge(found: object, out: Path | None, trust: Path | None, nonce: bytes, *, as_json: bool) -> None:
    """Write down what an enclave has answered, where it is to be kept, and verify it."""
    import msgspec

    document = msgspec.json.encode(found)
    if out is not None:
        out.write_bytes(document)
    _judge(document, trust, nonce, None, as_json=as_json)


def _judge(document: bytes, trust: Path | None, nonce: bytes | None, at: int | None, *, as_json: bool) -> None:
    from nsl_client.attestation import verify_key_attestation
    from nsl_protocol.attestation.keys import read_key_attestation
    from nsl_protocol.attestation.trust import PinnedTrust
    from nsl_protocol.errors import CodecError

    try:
        attested = read_key_attestation(document)
    except CodecError as error:
        fail(f"This is no attestation of a key: {error}.")
    pinned = PinnedTrust() if trust is None else _trust(trust)
    verdict = verify_key_attestation(attested, pinned, nonce, at)
    steps = {each.step.value: f"{each.outcome.value}: {each.detail}" for each in verdict.findings}
    record = {"accepted": verdict.accepted, "steps": steps, "statement": attested.statement}
    if as_json:
        findings = [
            {"step": each.step.value, "outcome": each.outcome.value, "detail": each.detail} for each in verdict.findings
        ]
        show_json(record | {"steps": findings})
    else:
        show_record(record, as_json=False)
    raise typer.Exit(0 if verdict.accepted else 1)


def _needed(trust: Path | None) -> "PinnedTrust":
    if trust is None:
        fail(
            "A private key is encrypted only to an enclave that you trust: name what you have pinned with --trust. "
            "`nsl enclave trust` writes it from the cluster's manifest."
        )
    return _trust(trust)


def _trust(file: Path) -> "PinnedTrust":
    from nsl_protocol.attestation.trust import read_trust
    from nsl_protocol.errors import CodecError

    try:
        return read_trust(_read(file))
    except CodecError as error:
        fail(f"{file} is no trust file: {error}.")


def tenant_of(credentials: Path | None) -> str:
    """From the file: an answer of the layer would be the layer's word."""
    try:
        found = json.loads(_read(credentials_file(credentials))).get("tenant_id")
    except ValueError:
        found = None
    if not isinstance(found, str):
        fail("The credentials name no tenant, which the key is bound to: name yours with --tenant ID.")
    return found


def _recipient_key(file: Path) -> str:
    text = _read(file).decode(errors="replace").strip()
    try:
        return str(json.loads(text)["public_key"])
    except (ValueError, KeyError, TypeError):
        return text


def _recipient(file: Path) -> "Recipient":
    from nsl_client.portable import Recipient

    try:
        made = Recipient(bytes.fromhex(json.loads(_read(file))["private_key"]))
        _ = made.public_key
    except (ValueError, KeyError, TypeError):
        fail(f"{file} holds no recipient's private key: `nsl keys export-recipient` makes one.")
    return made


def _exported(file: Path) -> "ExportedKey":
    import msgspec

    from nsl_client import ExportedKey

    try:
        return msgspec.json.decode(_read(file), type=ExportedKey)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        fail(f"{file} is no exported key: {error}.")


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}.")

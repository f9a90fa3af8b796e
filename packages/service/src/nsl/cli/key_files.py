"""Private keys as wallets keep them, read on this machine: from a file or the keyboard, never from an argument."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import typer

from nsl.cli.output import fail

SECRET_BYTES = 32


class ImportCurve(StrEnum):
    SECP256R1 = "secp256r1"
    SECP256K1 = "secp256k1"
    ED25519 = "ed25519"
    RSA_3072 = "rsa-3072"
    NONE = ""


@dataclass(frozen=True, slots=True)
class SecretFiles:
    """Where a key and its passphrase lie; at most one of the first five."""

    wif: Path | None
    nep2: Path | None
    keystore: Path | None
    hex: Path | None
    pem: Path | None
    passphrase: Path | None


def private_key(files: SecretFiles, curve: ImportCurve) -> tuple[str, bytes]:
    """The curve and the key, 32 bytes or PKCS #8 DER of RSA; ends the command where it cannot be read."""
    from nsl_protocol.errors import CodecError
    from nsl_protocol.evm.keystore import read_keystore
    from nsl_protocol.n3.keys import wif_decode
    from nsl_protocol.n3.nep2 import decrypt

    if sum(each is not None for each in (files.wif, files.nep2, files.keystore, files.hex, files.pem)) > 1:
        fail("One private key is imported at a time: name one file.")
    try:
        if files.wif is not None:
            return _of(ImportCurve.SECP256R1, curve), wif_decode(_text(files.wif))
        if files.nep2 is not None:
            return _of(ImportCurve.SECP256R1, curve), decrypt(_text(files.nep2), _passphrase(files.passphrase))
        if files.keystore is not None:
            document = _text(files.keystore).encode()
            return _of(ImportCurve.SECP256K1, curve), read_keystore(document, _passphrase(files.passphrase))
        if files.pem is not None:
            known, secret = _pem(files.pem)
            return _of(known, curve), secret
        typed = _text(files.hex) if files.hex is not None else _typed()
        if files.hex is None and len(typed.removeprefix("0x")) != 2 * SECRET_BYTES:
            return _of(ImportCurve.SECP256R1, curve), wif_decode(typed)
    except CodecError as error:
        fail(f"The private key cannot be read: {error}.")
    if curve is ImportCurve.RSA_3072:
        fail("An RSA key comes in by --pem-file.")
    if curve is ImportCurve.NONE:
        fail("Hex says nothing of the curve: name it with --curve.")
    return curve.value, _hex(typed)


def _of(known: ImportCurve, said: ImportCurve) -> str:
    if said not in (ImportCurve.NONE, known):
        fail(f"A key of this form is of {known.value}, not of {said.value}.")
    return known.value


def _pem(file: Path) -> tuple[ImportCurve, bytes]:
    """An unencrypted private key of any of the curves."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_pem_private_key,
    )

    try:
        key = load_pem_private_key(_text(file).encode(), None)
    except (ValueError, TypeError):
        fail(f"{file} holds no private key in PEM that is not encrypted: `openssl pkey -in FILE` decrypts one.")
    if isinstance(key, rsa.RSAPrivateKey):
        return ImportCurve.RSA_3072, key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return ImportCurve.ED25519, key.private_bytes_raw()
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name not in ("secp256r1", "secp256k1"):
        fail(f"{file} holds a key of a kind that the layer has not: {', '.join(filter(None, ImportCurve))} it has.")
    return ImportCurve(key.curve.name), key.private_numbers().private_value.to_bytes(SECRET_BYTES)


def _hex(text: str) -> bytes:
    try:
        secret = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        fail(f"A private key is {SECRET_BYTES} bytes of hex.")
    return secret


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}.")
    except UnicodeDecodeError:
        fail(f"{file} is no text.")


def _passphrase(file: Path | None) -> str:
    if file is None:
        return str(typer.prompt("Passphrase", hide_input=True, err=True))
    try:
        return file.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError):
        fail(f"{file} cannot be read as text.")


def _typed() -> str:
    return str(typer.prompt("Private key (hex or WIF)", hide_input=True, err=True)).strip()

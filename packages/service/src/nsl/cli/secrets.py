"""``nsl keys`` for keys that encrypt or authenticate."""

import base64
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from nsl.cli.connection import AsJson, Credentials, KeyId, connect, key_of
from nsl.cli.output import explained, fail, show_record

Input = Annotated[Path | None, typer.Option("--in", help="Read from this file. Default: standard input.")]
Output = Annotated[Path | None, typer.Option("--out", help="Write to this file. Default: show it as base64.")]
Context = Annotated[str, typer.Option(help="Bound to the ciphertext, not in it; the same text is needed to decrypt.")]


def encrypt(
    key_id: KeyId,
    source: Input = None,
    target: Output = None,
    context: Context = "",
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Encrypt up to 64 KiB inside the enclave. For more: `nsl keys data-key`.

    Example: nsl keys encrypt KEY_ID --in secret.txt --out secret.enc --context invoices
    """
    with explained(), connect(credentials) as client:
        made = client.keys.encrypt(key_of(client, key_id), _read(source), context=context.encode())
        record = {"key_version": made.key_version, "record_id": made.record_id}
        show_record(_put(target, "ciphertext", made.ciphertext) | record, as_json=as_json)


def decrypt(
    key_id: KeyId,
    source: Input = None,
    target: Output = None,
    context: Context = "",
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Decrypt what `nsl keys encrypt` or `data-key` gave: its file, or its base64.

    Example: nsl keys decrypt KEY_ID --in secret.enc --out secret.txt --context invoices
    """
    with explained(), connect(credentials) as client:
        made = client.keys.decrypt(key_of(client, key_id), _unwrapped(_read(source)), context=context.encode())
        record = {"key_version": made.key_version, "record_id": made.record_id}
        show_record(_put(target, "plaintext", made.plaintext) | record, as_json=as_json)


def data_key(
    key_id: KeyId,
    target: Output = None,
    context: Context = "",
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Make a 256-bit key, encrypted by this one. `nsl keys decrypt` opens it when it is needed.

    Example: nsl keys data-key KEY_ID --out backup.key
    """
    with explained(), connect(credentials) as client:
        made = client.keys.generate_data_key(key_of(client, key_id), show=False, context=context.encode())
        record = {"key_version": made.key_version, "record_id": made.record_id}
        show_record(_put(target, "ciphertext", made.ciphertext) | record, as_json=as_json)


def mac(key_id: KeyId, source: Input = None, credentials: Credentials = None, as_json: AsJson = False) -> None:
    """HMAC-SHA256 of up to 64 KiB.

    Example: nsl keys mac KEY_ID --in message.bin
    """
    with explained(), connect(credentials) as client:
        made = client.keys.mac(key_of(client, key_id), _read(source))
        show_record(
            {"mac": made.mac.hex(), "key_version": made.key_version, "record_id": made.record_id}, as_json=as_json
        )


def verify_mac(
    key_id: KeyId,
    expected: Annotated[str, typer.Argument(help="The MAC, as hex.")],
    source: Input = None,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Check a MAC inside the enclave. Exit status 1 if it is another one's.

    Example: nsl keys verify-mac KEY_ID 9f86… --in message.bin
    """
    with explained(), connect(credentials) as client:
        try:
            found = client.keys.verify_mac(key_of(client, key_id), _read(source), bytes.fromhex(expected))
        except ValueError:
            fail("The MAC is hex: 64 digits.")
        show_record(found, as_json=as_json)
    raise typer.Exit(0 if found.valid else 1)


COMMANDS: dict[str, Callable[..., None]] = {
    "encrypt": encrypt,
    "decrypt": decrypt,
    "data-key": data_key,
    "mac": mac,
    "verify-mac": verify_mac,
}


def _read(source: Path | None) -> bytes:
    try:
        return sys.stdin.buffer.read() if source is None else source.read_bytes()
    except OSError as error:
        fail(f"{source} cannot be read: {error.strerror}.")


def _unwrapped(content: bytes) -> bytes:
    """The bytes themselves, or what their base64 says."""
    try:
        return base64.b64decode(content.strip(), validate=True)
    except ValueError:
        return content


def _put(target: Path | None, name: str, content: bytes) -> dict[str, str]:
    if target is None:
        return {name: base64.b64encode(content).decode()}
    try:
        target.write_bytes(content)
    except OSError as error:
        fail(f"{target} cannot be written: {error.strerror}.")
    return {"written": str(target)}

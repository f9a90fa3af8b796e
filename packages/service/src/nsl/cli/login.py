"""Sign in as a person: `nsl login` shows a code, which is typed into the console in a browser (RFC 8628)."""

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from nsl.cli.connection import OWN_CREDENTIALS, AsJson, Credentials, connect, credentials_file
from nsl.cli.output import explained, fail, show_record, working

DEFAULT_BASE_URL = "http://127.0.0.1:5000"
TIMEOUT_SECONDS = 20
_OK = 200
_SCOPE = "openid profile email offline_access"


def login(
    base_url: Annotated[
        str, typer.Option("--base-url", envvar="NSL_BASE_URL", help="Where the layer is.")
    ] = DEFAULT_BASE_URL,
    credentials: Annotated[Path | None, typer.Option(help="Where to keep the sign-in.")] = None,
    as_json: AsJson = False,
) -> None:
    """Sign in as a person, in a browser: open the address that is shown and confirm the code.

    Example: nsl login --base-url https://nsl.example
    """
    import httpx

    from nsl.identity.model import COMMAND_LINE, Scope

    with explained(), httpx.Client(base_url=base_url, timeout=TIMEOUT_SECONDS) as http:
        try:
            scope = " ".join([_SCOPE, *(each.value for each in Scope)])
            begun = http.post("/oauth2/device_authorization", data={"client_id": str(COMMAND_LINE.id), "scope": scope})
            if begun.status_code != _OK:
                fail(f"{base_url} does not let anybody sign in: {begun.text[:200]}")
            device = begun.json()
            if as_json:
                typer.echo(json.dumps({"verification_uri": device["verification_uri_complete"]}), err=True)
            else:
                typer.echo(f"Open {device['verification_uri_complete']}\nand confirm the code {device['user_code']}")
            with working("waiting for you to confirm"):
                tokens = _wait(http, device, str(COMMAND_LINE.id))
        except (httpx.HTTPError, ValueError) as error:
            fail(f"{base_url} does not answer as a Neo Service Layer: {error}")
    file = credentials or OWN_CREDENTIALS
    kept = {"base_url": base_url, "client_id": str(COMMAND_LINE.id), "refresh_token": tokens["refresh_token"]}
    _write(file, kept)
    show_record({"signed_in": True, "credentials": str(file), "scope": tokens["scope"]}, as_json=as_json)


def logout(credentials: Credentials = None, as_json: AsJson = False) -> None:
    """End the session of `nsl login` and forget it.

    Example: nsl logout
    """
    import httpx

    file = credentials or OWN_CREDENTIALS
    if not file.is_file():
        fail(f"Nobody is signed in: there is no {file}.")
    kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if "refresh_token" not in kept:
        fail(f"{file} holds a client's secret, not a sign-in: `nsl logout` leaves it alone.")
    form = {"client_id": kept["client_id"], "token": kept["refresh_token"]}
    with explained():
        try:
            answer = httpx.post(f"{kept['base_url']}/oauth2/revoke", data=form, timeout=TIMEOUT_SECONDS)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            fail(f"The sign-in could not be ended: {error}. The file stays; try again.")
    file.unlink()
    show_record({"signed_out": True}, as_json=as_json)


def whoami(credentials: Credentials = None, as_json: AsJson = False) -> None:
    """Say whom the credentials stand for, and what they may do.

    Example: nsl whoami --json
    """
    with explained(), connect(credentials_file(credentials)) as client:
        show_record(client.me(), as_json=as_json)


def _wait(http: Any, device: dict[str, Any], client_id: str) -> dict[str, Any]:
    """Ask until the person has decided."""
    from nsl.kit.clock import monotonic
    from nsl_client.clock import wait

    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": device["device_code"],
        "client_id": client_id,
    }
    interval, deadline = float(device["interval"]), monotonic() + device["expires_in"]
    while True:
        if monotonic() > deadline:
            fail("Nobody confirmed the code in time; begin again.")
        wait(interval)
        answer = http.post("/oauth2/token", data=form)
        found: dict[str, Any] = answer.json()
        if answer.status_code == _OK:
            return found
        if found["error"] == "slow_down":
            interval += 5  # RFC 8628 section 3.5
        elif found["error"] != "authorization_pending":
            fail(found["error_description"])


def _write(file: Path, kept: dict[str, str]) -> None:
    """A file that only we can read."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        json.dump(kept, stream, indent=2)
    new.replace(file)

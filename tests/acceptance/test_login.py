"""`nsl login` against a running layer: the code is confirmed in the console; every command then acts as the person."""

import json
import os
import re
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.support.live import NSL, Live
from tests.support.people import Person, register


@pytest.fixture(scope="module")
def person(live: Live) -> Person:
    return register(live.base_url, live.state / "mail")


def test_a_person_signs_in_on_the_command_line_and_out_again(live: Live, person: Person, tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    environment = {**os.environ, "HOME": str(tmp_path)}
    command = [NSL, "login", "--base-url", live.base_url, "--credentials", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=tmp_path) as login:
        assert login.stdout is not None
        page = re.search(r"(http\S+user_code=\S+)", login.stdout.readline())
        assert page is not None
        _confirm(live, person, page[1])
        assert login.wait(timeout=60) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    me = _json(environment, tmp_path, "whoami", "--credentials", str(file))
    assert (me["kind"], me["email"]) == ("person", person.email)
    # The refresh token is used once: the file is kept up to date.
    before = json.loads(file.read_text(encoding="utf-8"))["refresh_token"]
    made = _json(environment, tmp_path, "keys", "create", "mine", "--credentials", str(file))
    assert made["name"] == "mine"
    assert json.loads(file.read_text(encoding="utf-8"))["refresh_token"] != before
    kept = file.read_text(encoding="utf-8")
    _json(environment, tmp_path, "logout", "--credentials", str(file))
    assert not file.exists()
    file.write_text(kept, encoding="utf-8")
    done = _run(environment, tmp_path, "whoami", "--credentials", str(file))
    assert done.returncode == 1
    assert "invalid_grant" in done.stderr or "refresh token" in done.stderr.lower(), done.stderr


def _confirm(live: Live, person: Person, page: str) -> None:
    headers = {"Origin": live.base_url}
    with httpx.Client(base_url=live.base_url, headers=headers, trust_env=False) as browser:
        form = {"email": person.email, "password": person.password}
        assert browser.post("/console/login", data=form).status_code == 303
        code = page.rpartition("user_code=")[2]
        assert code in browser.get(page).text
        answer = browser.post("/console/device", data={"user_code": code, "decision": "allow"})
        assert answer.status_code == 200, answer.text


def _run(environment: dict[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [NSL, *arguments]
    return subprocess.run(command, env=environment, cwd=folder, check=False, capture_output=True, text=True, timeout=60)


def _json(environment: dict[str, str], folder: Path, *arguments: str) -> dict[str, object]:
    done = _run(environment, folder, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_break_glass_is_loud_and_ends_by_itself(live: Live) -> None:
    from tests.attack.world import World

    with httpx.Client(timeout=30, trust_env=False) as http:
        world = World.of(live, http)
        environment = {**os.environ, "NSL_DATABASE_OWNER_URL": world.owner_url, "NSL_ISSUER": live.base_url}
        made = _json(environment, live.state, "admin", "break-glass", "--reason", "a test", "--minutes", "1")
        assert made["expires_at"]
        auth = (str(made["client_id"]), str(made["client_secret"]))
        form = {"grant_type": "client_credentials"}
        token = http.post(f"{live.base_url}/oauth2/token", data=form, auth=auth).json()["access_token"]
        assert world.send("GET", "/v1/tenants", token).status_code == 200
        events = world.send("GET", "/v1/audit/records", world.platform).json()["items"]
        found = {event["action"]: event for event in events if event["target"] == made["client_id"]}
        assert found["break-glass.opened"]["detail"]["reason"] == "a test"
        assert "break-glass.used" in found
        import psycopg

        with psycopg.connect(world.owner_url, autocommit=True) as owner:
            owner.execute("SELECT set_config('app.current_tenant', %s, false)", [str(made["tenant_id"])])
            owner.execute("UPDATE clients SET expires_at = now() WHERE id = %s", [made["client_id"]])
        assert http.post(f"{live.base_url}/oauth2/token", data=form, auth=auth).status_code == 401

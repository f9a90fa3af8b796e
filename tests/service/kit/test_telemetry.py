"""A log line says where something failed, and nothing of what was being worked on."""

import json

import pytest
import structlog

from nsl.kit.telemetry import configure_logs


def test_a_traceback_shows_no_values(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info")
    password = "hunter2 " * 2
    try:
        int(password)
    except ValueError:
        structlog.get_logger("test").exception("failed")
    structlog.reset_defaults()
    line = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert "hunter2 hunter2" not in json.dumps(line["exception"][0]["frames"])
    assert line["exception"][0]["frames"][-1]["name"] == "test_a_traceback_shows_no_values"

"""The trusted computing base does not grow unseen."""

from tests.enclave.golden_modules import GOLDEN, loaded

# `subprocess` is there because cffi's parser imports it, not because anything uses it: seccomp refuses fork and exec.
NEVER = {"asyncio", "urllib.request", "http", "pydantic", "litestar", "psycopg", "httpx", "socketserver"}


def test_the_loaded_modules_are_the_golden_ones() -> None:
    expected = GOLDEN.read_text(encoding="utf-8").splitlines()
    assert loaded() == expected, "run `make golden`, read the difference, and commit it if it is meant"


def test_nothing_of_the_service_is_loaded() -> None:
    found = set(loaded())
    assert not found & NEVER
    assert not [name for name in found if name == "nsl" or name.startswith(("nsl.", "nsl_client"))]

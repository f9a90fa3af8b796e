"""No sleep, wall clock or randomness in the packages outside three places: everything else is handed a clock."""

import ast

from tests.house.tree import Module, product

ALLOWED = ("nsl.kit", "nsl_enclave.kernel", "nsl_client.clock")
FORBIDDEN_MODULES = {"time", "random", "secrets"}
FORBIDDEN_CALLS = {
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "asyncio.sleep", "os.urandom", "os.getrandom",
    "uuid.uuid1", "uuid.uuid4", "uuid4", "uuid1",
}  # fmt: skip


def _offences(module: Module) -> list[str]:
    found = []
    for node in ast.walk(module.tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name in FORBIDDEN_MODULES]
        elif isinstance(node, ast.ImportFrom) and node.module in FORBIDDEN_MODULES:
            names = [node.module]
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            names = [called] if called in FORBIDDEN_CALLS else []
        found += [f"{module.place}:{getattr(node, 'lineno', 0)} {name}" for name in names]
    return found


def test_time_and_chance_come_only_from_the_clock_modules() -> None:
    found = [
        offence
        for module in product()
        if not any(module.name == room or module.name.startswith(f"{room}.") for room in ALLOWED)
        for offence in _offences(module)
    ]
    assert not found

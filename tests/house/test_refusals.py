"""No refusal of the enclave's policies and keys without a case that provokes it and holds its sentence to account."""

import ast
import re
from pathlib import Path

import nsl_enclave
import nsl_protocol
from tests.enclave.test_refusals import CASES as OF_THE_ENCLAVE
from tests.service.keys.test_refusals import CASES as OVER_HTTP

KME = Path(nsl_enclave.__file__).parent / "kme"
POLICY = Path(nsl_protocol.__file__).parent / "policy"
_CODE = re.compile(r"[A-Z]{2,}(_[A-Z]+)+")
#: what custodians, replicas and the audit log are told: no user's key and no policy is about it
OF_THE_CLUSTER = {
    "clocks",
    "cluster",
    "custody",
    "enrolment",
    "leaves",
    "log",
    "macs",
    "program",
    "register",
    "state",
    "stopping",
    "tokens",
}
#: by code, the test that provokes it where neither table does; it has to speak of the code
ELSEWHERE: dict[str, str] = {}


def _codes(file: Path) -> set[str]:
    """What looks like a code among the constants."""
    constants = (node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant))
    return {each for each in constants if isinstance(each, str) and _CODE.fullmatch(each)}


def test_every_refusal_has_its_case() -> None:
    files = [*POLICY.glob("*.py"), *(each for each in KME.glob("*.py") if each.stem not in OF_THE_CLUSTER)]
    found = set[str]().union(*map(_codes, files))
    cased = {*OVER_HTTP, *OF_THE_ENCLAVE, *ELSEWHERE}
    assert found == cased, "add a case to CASES in tests/service/keys/test_refusals.py, or take out one that is over"
    root = Path(__file__).parents[2]
    assert not [code for code, place in ELSEWHERE.items() if code not in (root / place).read_text()]

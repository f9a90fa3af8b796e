"""The verdict on an N3 execution, on logs in the words of neo-go and of the C# node."""

import base64
from typing import Any

import msgspec
import pytest

from nsl.adapters.neo_n3 import execution
from nsl.adapters.neo_n3.node import ApplicationLog
from nsl.ledger.model import GAS_N3, NEO_N3
from nsl.transactions.ports import Expected
from nsl_protocol.n3.address import ScriptHash

SENDER, RECIPIENT = ScriptHash(b"\1" * 20), ScriptHash(b"\2" * 20)
EXPECTED = Expected("0x" + "ab" * 32, GAS_N3, SENDER.address, RECIPIENT.address, 1000)


def item(value: bytes | int) -> dict[str, str]:
    if isinstance(value, int):
        return {"type": "Integer", "value": str(value)}
    return {"type": "ByteString", "value": base64.b64encode(value).decode()}


def transfer(**changes: Any) -> dict[str, Any]:
    fields = [item(SENDER.raw), item(RECIPIENT.raw), item(1000)]
    made = {"contract": GAS_N3.contract, "eventname": "Transfer", "state": {"type": "Array", "value": fields}}
    return made | changes


def state(*values: bytes | int) -> dict[str, Any]:
    return {"type": "Array", "value": [item(each) for each in values]}


def verdict(
    *notifications: dict[str, Any], vmstate: str = "HALT", stack: Any = (), trigger: str = "Application"
) -> str:
    run = {
        "trigger": trigger, "vmstate": vmstate, "gasconsumed": "1", "exception": "boom", "stack": stack,
        "notifications": notifications,
    }  # fmt: skip
    log = msgspec.json.decode(msgspec.json.encode({"txid": EXPECTED.hash, "executions": [run]}), type=ApplicationLog)
    found = execution.failure(log, EXPECTED)
    return "" if found is None else found.code


def test_the_tokens_own_event_confirms_the_transfer() -> None:
    other = transfer(contract=NEO_N3.contract)
    assert verdict(transfer()) == ""
    assert verdict(other, transfer()) == ""
    assert verdict(transfer(), stack=[{"type": "Boolean", "value": True}]) == ""


def test_an_amount_may_be_written_as_bytes() -> None:
    assert verdict(transfer(state=state(SENDER.raw, RECIPIENT.raw, (1000).to_bytes(2, "little")))) == ""


@pytest.mark.parametrize(
    "event",
    [
        transfer(contract=NEO_N3.contract),
        transfer(eventname="transfer"),
        transfer(state=state(SENDER.raw, RECIPIENT.raw, 1001)),
        transfer(state=state(RECIPIENT.raw, SENDER.raw, 1000)),
        transfer(state=state(SENDER.raw, RECIPIENT.raw)),
        transfer(state=state(SENDER.raw, RECIPIENT.raw, 1000, 1)),
        transfer(state=state(SENDER.raw[:19], RECIPIENT.raw, 1000)),
        transfer(state={"type": "Array", "value": [{"type": "Any"}, item(RECIPIENT.raw), item(1000)]}),
        transfer(state={"type": "Array", "value": ["odd", 7, None]}),
        transfer(state={"type": "ByteString", "value": "!!!"}),
        transfer(state={"type": "Integer", "value": "many"}),
        transfer(state={"type": "Interop"}),
        transfer(state="error: recursive reference"),
    ],
)
def test_an_event_that_is_not_exactly_the_transfer_confirms_nothing(event: dict[str, Any]) -> None:
    assert verdict(event) == "TRANSFER_MISSING"


def test_a_fault_is_a_failure_whatever_it_notified() -> None:
    assert verdict(transfer(), vmstate="FAULT") == "EXECUTION_FAULT"


def test_false_on_the_stack_is_a_failure_whatever_was_notified() -> None:
    assert verdict(transfer(), stack=[{"type": "Boolean", "value": False}]) == "TRANSFER_REFUSED"


def test_a_stack_that_the_node_cannot_write_says_nothing_against_the_transfer() -> None:
    assert verdict(transfer(), stack="error: recursive reference") == ""
    assert verdict(transfer(), stack=["error: recursive reference"]) == ""


def test_only_the_transactions_own_execution_counts() -> None:
    assert verdict(transfer(), trigger="OnPersist") == "EXECUTION_FAULT"

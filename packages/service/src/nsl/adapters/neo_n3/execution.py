"""Did a mined transaction do what it was made for? Pure: the node's answers in, a verdict out.

Three things must agree (see the NEP-17 standard): the VM halted, no ``false`` is left on the stack, and the token's
own contract notified the Transfer. Any contract can notify a "Transfer", and neo-go lists the notifications of a
transaction that faulted, so none of the three is enough alone.
"""

from nsl.adapters.neo_n3.node import ApplicationLog, Execution, Notification, leaves_false
from nsl.transactions.ports import Expected, Rejected
from nsl_protocol.n3.address import ScriptHash

TRANSFER_EVENT = "Transfer"
TRANSFER_FIELDS = 3


def halted(log: ApplicationLog) -> bool:
    """Whether the VM ended well, which says nothing of what a token did."""
    return [each.vmstate for each in log.executions if each.trigger == "Application"] == ["HALT"]


def failure(log: ApplicationLog, expected: Expected) -> Rejected | None:
    """None when the transfer happened; else what went wrong, with the VM's own words where it has some."""
    runs = [each for each in log.executions if each.trigger == "Application"]
    if len(runs) != 1:
        return Rejected("EXECUTION_FAULT", "The node has no record of the execution.")
    run = runs[0]
    if run.vmstate != "HALT":
        return Rejected("EXECUTION_FAULT", f"The transaction was mined but its script faulted: {run.exception}"[:400])
    if leaves_false(run.stack):
        return Rejected("TRANSFER_REFUSED", "The transaction was mined but the token answered false.")
    if not _transferred(run, expected):
        return Rejected("TRANSFER_MISSING", "The transaction was mined but the token did not record the transfer.")
    return None


def _transferred(run: Execution, expected: Expected) -> bool:
    source, recipient = ScriptHash.from_address(expected.sender), ScriptHash.from_address(expected.to)
    return any(
        event.contract == expected.asset.contract
        and event.eventname == TRANSFER_EVENT
        and _fields(event) == (source, recipient, expected.amount)
        for event in run.notifications
    )


def _fields(event: Notification) -> tuple[ScriptHash | None, ScriptHash | None, int | None] | None:
    items = None if isinstance(event.state, str) else event.state.items()
    if items is None or len(items) != TRANSFER_FIELDS:
        return None
    return items[0].account(), items[1].account(), items[2].integer()

"""Did a mined transaction do what it was made for? Pure: the node's answers in, a verdict out.

The hash commits to what was signed, so status and addresses suffice for native GAS. For an ERC-20 token its own
contract must have logged the Transfer (EIP-20): a token may answer false without reverting, and any contract can log
a "Transfer".
"""

from nsl.adapters.neo_x.node import WORD_BYTES, Log, Receipt
from nsl.transactions.ports import Expected, Rejected
from nsl_protocol.evm.abi import TRANSFER_EVENT


def failure(receipt: Receipt, expected: Expected) -> Rejected | None:
    """None when the transfer happened; else what went wrong."""
    if receipt.status != 1:
        return Rejected("EXECUTION_FAULT", "The transaction was mined but reverted.")
    contract = expected.asset.contract
    called = contract if contract is not None else expected.to
    if receipt.from_.lower() != expected.sender.lower() or (receipt.to or "").lower() != called.lower():
        return Rejected("TRANSFER_MISSING", "The mined transaction is not the one that was made.")
    if contract is not None and not any(_transferred(log, expected) for log in receipt.logs):
        return Rejected("TRANSFER_MISSING", "The transaction was mined but the token did not record the transfer.")
    return None


def _transferred(log: Log, expected: Expected) -> bool:
    return (
        log.address.lower() == (expected.asset.contract or "").lower()
        and log.topics == [TRANSFER_EVENT, _word(expected.sender), _word(expected.to)]
        and log.data == expected.amount.to_bytes(WORD_BYTES)
    )


def _word(address: str) -> bytes:
    return bytes.fromhex(address[2:]).rjust(WORD_BYTES, b"\0")

"""What a node's refusal of ``eth_sendRawTransaction`` means for the very same bytes.

There are no codes to go by (nearly all is -32000), so the words decide: those of Neo X's node (bane-labs/go-ethereum,
``core/txpool/errors.go``, ``core/error.go``) and of anvil. REJECTED is said only where the bytes themselves, or the
account behind them, are at fault; a price below the network's minimum counts as that, because Policy seldom lowers it.
"""

from nsl.adapters.json_rpc import RpcError
from nsl.transactions.ports import Sending, Sent

#: words in the message, outcome, our code; the first that fits decides
OUTCOMES: tuple[tuple[str, Sending, str], ...] = (
    ("already known", Sending.TAKEN, ""),
    ("already imported", Sending.TAKEN, ""),
    ("nonce too low", Sending.NONCE_USED, "NONCE_USED"),
    ("nonce too high", Sending.LATER, "NONCE_GAP"),
    ("replacement transaction underpriced", Sending.LATER, "NONCE_CONTESTED"),
    ("underpriced", Sending.REJECTED, "FEE_TOO_LOW"),
    ("less than block base fee", Sending.REJECTED, "FEE_TOO_LOW"),
    ("max fee per gas less", Sending.REJECTED, "FEE_TOO_LOW"),
    ("insufficient funds", Sending.REJECTED, "INSUFFICIENT_FUNDS"),
    ("txpool is full", Sending.LATER, "POOL_FULL"),
    ("account limit exceeded", Sending.LATER, "POOL_FULL"),
    ("already reserved", Sending.LATER, "POOL_FULL"),
    ("in-flight transaction limit", Sending.LATER, "POOL_FULL"),
    ("blocked sender", Sending.REJECTED, "REFUSED_BY_POLICY"),
    ("intrinsic gas too low", Sending.REJECTED, "GAS_TOO_LOW"),
    ("intrinsic gas too high", Sending.REJECTED, "TOO_LARGE"),
    ("exceeds block gas limit", Sending.REJECTED, "TOO_LARGE"),
    ("greater than the block gas limit", Sending.REJECTED, "TOO_LARGE"),
    ("oversized data", Sending.REJECTED, "TOO_LARGE"),
    ("invalid sender", Sending.REJECTED, "INVALID_SIGNATURE"),
    ("chain id", Sending.REJECTED, "WRONG_NETWORK"),
    ("failed to decode", Sending.REJECTED, "MALFORMED"),
    ("rlp:", Sending.REJECTED, "MALFORMED"),
)


def outcome(refusal: RpcError) -> Sent:
    """The meaning of a refusal. Words that are not of the table say nothing of the bytes: they are sent again."""
    said = refusal.text.lower()
    for words, found, code in OUTCOMES:
        if words in said:
            return Sent(found, code, "" if found is Sending.TAKEN else refusal.text)
    return Sent(Sending.LATER, "NODE_ERROR", refusal.text)

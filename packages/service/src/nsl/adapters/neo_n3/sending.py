"""What a node's refusal of ``sendrawtransaction`` means for the very same bytes.

Codes are those of NEP-23 (verification errors, -500 to -513). REJECTED is said only where nothing that time brings
can make the node take these bytes before they expire.
"""

from nsl.adapters.json_rpc import RpcError
from nsl.transactions.ports import Sending, Sent

#: code: outcome, our code, why it is so
OUTCOMES: dict[int, tuple[Sending, str, str]] = {
    -500: (Sending.REJECTED, "VERIFICATION_FAILED", "unclassified: low network fee, a bad witness, Conflicts on chain"),
    -501: (Sending.TAKEN, "", "on chain already"),
    -502: (Sending.LATER, "POOL_FULL", "the pool drains with every block"),
    -503: (Sending.TAKEN, "", "in the pool already"),
    -504: (Sending.REJECTED, "FEE_TOO_LOW", "the network fee stands in the signed bytes"),
    -505: (Sending.REJECTED, "REFUSED_BY_POLICY", "a signer is blocked, or the system fee is above a block's"),
    -506: (Sending.REJECTED, "INVALID_SCRIPT", "the script stands in the signed bytes"),
    -507: (Sending.LATER, "NOT_YET_VALID", "an attribute: NotValidBefore lies ahead; validUntilBlock bounds the wait"),
    -508: (Sending.REJECTED, "INVALID_SIGNATURE", "also a wrong magic number"),
    -509: (Sending.REJECTED, "TOO_LARGE", "the size stands in the signed bytes"),
    -510: (Sending.EXPIRED, "EXPIRED", "validUntilBlock is past, or further ahead than the network allows"),
    -511: (Sending.REJECTED, "INSUFFICIENT_FUNDS", "all pooled transactions of the sender count"),
    -512: (Sending.REJECTED, "INVALID_VERIFICATION", "a contract signer has no good verify method"),
    -513: (Sending.LATER, "CONFLICTS", "a pooled transaction excludes this one; one of the two will be mined"),
    -32602: (Sending.REJECTED, "MALFORMED", "the node cannot read the bytes"),
}


def outcome(refusal: RpcError) -> Sent:
    """The meaning of a refusal. A code that is not of the table says nothing of the bytes: they are sent again."""
    found, code, _ = OUTCOMES.get(refusal.code, (Sending.LATER, "NODE_ERROR", ""))
    return Sent(found, code, "" if found is Sending.TAKEN else refusal.text)

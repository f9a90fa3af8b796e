"""What can be wrong with an intent.

IdempotencyKeyMissing     400  POST without an Idempotency-Key
IdempotencyKeyReused      409  the same key came with another body
UnknownTransaction        404  no such transaction, or not yours
KindNotSupported          422  only transfers are built in this version
WrongKey                  422  the key has no address on this chain, or is not active
ShortOfFunds              422  the account is known to hold too little
ChainReplaced             503  a node serves a chain that has nothing in common with what was followed
IllegalTransition         500  a defect: the pipeline did what its table does not know
"""

from nsl.kit.errors import Conflict, Failure, Malformed, Missing, Unavailable, Unprocessable


class IdempotencyKeyMissing(Malformed):
    code = "IDEMPOTENCY_KEY_REQUIRED"


class IdempotencyKeyReused(Conflict):
    code = "IDEMPOTENCY_KEY_REUSED"


class UnknownTransaction(Missing):
    code = "TRANSACTION_NOT_FOUND"


class KindNotSupported(Unprocessable):
    code = "KIND_NOT_SUPPORTED"


class WrongKey(Unprocessable):
    code = "KEY_NOT_USABLE"


class ShortOfFunds(Unprocessable):
    code = "INSUFFICIENT_FUNDS"


class ChainReplaced(Unavailable):
    code = "CHAIN_REPLACED"


class IllegalTransition(Failure):
    code = "ILLEGAL_TRANSITION"

"""What can go wrong with the audit log.

RecordUnknown   404  no such record, or another tenant's
ReceiptUnknown  404  nothing was signed under that id, or for another tenant
NotInLogYet     503  it is written down, and comes into the log within seconds
NoHeadYet       503  the log is empty: nothing was signed yet
SizeUnknown     422  the log has never had that size, or not yet
WitnessDown     503  a witness does not answer: heads go without its cosignature meanwhile
WitnessRefused  403  a witness does not cosign a head: it may have been shown another history
"""

from nsl.kit.errors import Denied, Missing, Unavailable, Unprocessable


class RecordUnknown(Missing):
    code = "RECORD_NOT_FOUND"


class ReceiptUnknown(Missing):
    code = "RECEIPT_NOT_FOUND"


class NotInLogYet(Unavailable):
    code = "NOT_IN_LOG_YET"


class NoHeadYet(Unavailable):
    code = "NO_TREE_HEAD_YET"


class SizeUnknown(Unprocessable):
    code = "TREE_SIZE_UNKNOWN"


class WitnessDown(Unavailable):
    code = "WITNESS_UNAVAILABLE"


class WitnessRefused(Denied):
    code = "WITNESS_REFUSED"

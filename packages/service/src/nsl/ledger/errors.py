"""What can go wrong with a read of a chain.

NodeDown            503  no endpoint of the chain answers
└── NodeError       503  one answers, but with an error or with something unreadable
WrongNetwork        409  a node serves another network than the one configured; raised at start
UnknownChain        404  no such chain, or not configured
UnknownBlock        404  the chain is shorter, or holds no such block
UnknownTransaction  404  on no block
BadAddress          422  wrong checksum, or of another chain
BadAsset            422  no such token on this chain
BadAmount           422  not a positive decimal number, or too precise for the asset
"""

from nsl.kit.errors import Conflict, Missing, Unavailable, Unprocessable


class NodeDown(Unavailable):
    code = "NODE_UNAVAILABLE"


class NodeError(NodeDown):
    code = "NODE_ERROR"


class WrongNetwork(Conflict):
    code = "WRONG_NETWORK"


class UnknownChain(Missing):
    code = "UNKNOWN_CHAIN"


class UnknownBlock(Missing):
    code = "UNKNOWN_BLOCK"


class UnknownTransaction(Missing):
    code = "UNKNOWN_TRANSACTION"


class BadAddress(Unprocessable):
    code = "INVALID_ADDRESS"


class BadHash(Unprocessable):
    code = "INVALID_HASH"


class BadAsset(Unprocessable):
    code = "UNKNOWN_ASSET"


class BadAmount(Unprocessable):
    code = "INVALID_AMOUNT"

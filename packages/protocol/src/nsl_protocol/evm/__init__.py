"""EVM codecs for Neo X: RLP, addresses, transactions, signed messages, typed data."""

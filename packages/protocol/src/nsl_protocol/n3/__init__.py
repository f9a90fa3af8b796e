"""Neo N3: transactions, scripts, addresses and keys as pure values. Nothing here reads a clock, a file or a socket."""

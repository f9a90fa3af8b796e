"""What stands on the chains: blocks, balances, fees. Reads only."""

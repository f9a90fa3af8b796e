"""The audit log: its leaves, its tree, its heads and what proves that a leaf is in it."""

"""From an intent to a confirmed transaction, exactly once."""

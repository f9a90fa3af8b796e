"""The key cluster's constitution: its signed manifest, and what its custodians put their names to."""

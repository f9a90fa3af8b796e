"""The ports' real implementations."""

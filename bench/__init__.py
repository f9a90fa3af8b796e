"""The performance goals as commands: ``uv run python -m bench.NAME [--json]``; ``python -m bench`` runs all."""

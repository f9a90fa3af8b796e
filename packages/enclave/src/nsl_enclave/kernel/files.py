"""Files that an enclave program writes itself."""

from pathlib import Path


def write_private(path: Path, content: bytes) -> None:
    """Write a new file that only its owner can read, whole or not at all."""
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode=0o600, exist_ok=False)
    temporary.write_bytes(content)
    temporary.rename(path)

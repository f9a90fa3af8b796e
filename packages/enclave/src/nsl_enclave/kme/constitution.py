"""The manifests that the host brings."""

from pathlib import Path

from nsl_enclave.kernel.errors import ManifestError
from nsl_protocol.cluster.constitution import GENESIS_FILE, PRESENT_FILE, Constitution
from nsl_protocol.errors import CodecError


def read_constitution(directory: Path) -> Constitution:
    """From ``genesis.json`` and, once there was an update, ``manifest.json``.

    Raises:
        ManifestError: missing, unreadable, or not signed by enough custodians.
    """
    try:
        update = directory / PRESENT_FILE
        return Constitution.of(
            (directory / GENESIS_FILE).read_bytes(), update.read_bytes() if update.exists() else None
        )
    except OSError as error:
        raise ManifestError(
            f"{directory} holds no manifest ({error.strerror}): `nsl enclave manifest sign` makes {GENESIS_FILE}."
        ) from error
    except CodecError as error:
        raise ManifestError(f"The manifest in {directory} {error.reason}.") from error

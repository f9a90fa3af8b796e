"""The shared attestation data, where it is: real quotes with Intel-signed collateral."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "data" / "attestation"
MANIFEST = FOLDER / "MANIFEST.json"

needs_shared = pytest.mark.skipif(not MANIFEST.exists(), reason="../shared/data/attestation is not beside the project")

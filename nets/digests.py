"""The digest of fingerprints, cache keys and manifests."""

import hashlib


def digest(*parts: bytes) -> bytes:
    """Returns the SHA-256 digest of several parts in order; the boundaries between the parts count."""
    state = hashlib.sha256()
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.digest()

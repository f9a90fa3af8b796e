"""The key management enclave: makes keys, wraps them for storage, parses and signs."""

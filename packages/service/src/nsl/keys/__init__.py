"""Keys in the enclave, by reference."""

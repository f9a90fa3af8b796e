"""Whether a quote is genuine and of an enclave that is trusted."""

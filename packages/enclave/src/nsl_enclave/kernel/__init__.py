"""What every enclave program stands on: clock, phases, sealing, and one blocking loop that serves connections."""

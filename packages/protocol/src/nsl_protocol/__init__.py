"""Pure values and codecs of the Neo Service Layer: no I/O, no clock, no randomness."""

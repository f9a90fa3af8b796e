"""The console: its pages over HTTP, and in a browser."""

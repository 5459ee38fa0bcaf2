"""Our operators side by side with the official ones on the local cloud: ``python -m benchmarks --help``."""

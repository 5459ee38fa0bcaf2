"""The demo and its parts: processes, promises, the command line."""

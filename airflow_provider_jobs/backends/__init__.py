"""One folder per cloud service. Backends do not know each other."""

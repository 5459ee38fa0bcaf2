"""One suite over every backend, and the scripted fake that engine tests use."""

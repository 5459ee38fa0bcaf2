"""The engine on a clock that runs only when nothing else can."""

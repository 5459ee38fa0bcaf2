"""What all hooks share, and how they are reached by their short names."""

"""The benchmarks themselves: that they run, and say what they promise."""

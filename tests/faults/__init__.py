"""What becomes of jobs when processes die and services misbehave: measured in runs, told in one table."""

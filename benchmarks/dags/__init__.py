"""DAGs of the benchmarks, one file for each way to run a task: a worker parses the file of its task alone."""

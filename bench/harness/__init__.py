"""The harness: builds and runs the benchmark programs, compares, and prints the table of docs/benchmarks.md."""

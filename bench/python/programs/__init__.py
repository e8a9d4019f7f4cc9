"""The six allocation-heavy programs. Each module has run(scale) and does a fixed amount of work for a given scale."""

"""What comes out of a run: records, tables, result files and figures."""

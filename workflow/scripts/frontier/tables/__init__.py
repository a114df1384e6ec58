"""The cells of a study as tables: one row a cell, each variant against its parent."""

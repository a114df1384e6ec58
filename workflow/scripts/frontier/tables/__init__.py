"""Tables of a study: one row per cell, and each variant compared with its parent."""

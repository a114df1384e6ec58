"""Charts: their data, marks, style and captions."""

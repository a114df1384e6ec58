"""The page: its tables, filters and sections."""

"""The page: tables, filters and sections."""

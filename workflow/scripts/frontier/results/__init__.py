"""What measurements leave behind: records, journals, columns, checksums."""

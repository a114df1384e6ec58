"""The results of measurements: records, journals, layout, columns, checksums."""

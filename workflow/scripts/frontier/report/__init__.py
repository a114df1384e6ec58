"""The report: charts and one page, from the study's tables and cells."""

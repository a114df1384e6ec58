"""From the study's table and cells to charts and one page."""

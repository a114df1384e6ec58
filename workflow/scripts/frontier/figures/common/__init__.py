"""What figures share: those of a time of each request, and conditions."""

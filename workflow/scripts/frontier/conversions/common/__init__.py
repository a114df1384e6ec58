"""What conversions share."""

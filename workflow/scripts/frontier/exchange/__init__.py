"""Transfer of results between machines: packed there, checked and added here."""

"""Whether two mathematical answers are the same, in value and in the form asked for."""

"""Equivalence of mathematical answers, in value and in the required form."""

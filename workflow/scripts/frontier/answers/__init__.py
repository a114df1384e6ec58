"""Readers of the answer in a generated text: labels, reasoning, mathematical equivalence."""

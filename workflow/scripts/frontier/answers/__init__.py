"""What a generated text answers: labels, reasoning, mathematical equivalence."""

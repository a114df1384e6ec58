"""What the report says of them: groups, verdicts, the Pareto frontier."""

"""The report's findings: groups, verdicts, the Pareto frontier."""

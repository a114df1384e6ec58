"""The library behind llm-frontier's programs: typed, and free of Snakemake."""

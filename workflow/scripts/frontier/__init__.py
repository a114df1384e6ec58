"""The library behind llm-frontier's programs: typed, and free of Snakemake."""

FLOORS = (
    (
        "errors",
        "text",
        "unicode",
        "words",
        "values",
        "blocks",
        "engine_block",
        "registry",
        "chosen",
        "arrivals",
    ),
    ("host",),
    ("machine",),
    ("grammars",),
    ("checkpoints",),
    ("datasets",),
    ("stats",),
    ("answers",),
    ("scorers",),
    ("catalogue",),
    ("fetching",),
    ("sampling", "growing"),
    ("quantizers",),
    ("engines",),
    ("conversions",),
    ("results",),
    ("measuring",),
    ("scenarios",),
    ("scoring",),
    ("figures",),
    ("identity",),
    ("planning",),
    ("explaining",),
    ("tables",),
    ("exchange",),
    ("report",),
)
"""From the ground up. A package that is not here has no place yet, which fails as well."""
REPORT = (("naming",), ("deciding",), ("reading", "drawing"), ("writing",))
"""The floors inside the report."""

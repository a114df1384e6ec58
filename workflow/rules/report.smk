"""The study as a table, charts and a report.

Inputs: every cell of the study.
Outputs: results/study.parquet and study.csv (a row per cell), results/comparisons.parquet and .csv
         (a row per quantized cell, against its native one), results/ratings.parquet and .csv (a row per
         judged variant), results/charts/*.svg and *.png,
         results/report.html, results/provenance.json, results/answers.txt.
Steps: gather the cells; compare them; draw and write.
"""


rule aggregate:
    input:
        cells=study_cells,
    output:
        parquet=layout.table(layout.STUDY),
        csv=layout.table(layout.STUDY, "csv"),
        lock=layout.lock(layout.STUDY),
    localrule: True
    resources:
        machine=1,
    params:
        spec=lambda wildcards: STEPS.aggregate.spec_with_identity,
        results=layout.RESULTS,
    shell:
        located(
            "python workflow/scripts/aggregate.py --spec {params.spec:q} --results {params.results:q}"
            " --parquet {output.parquet:q} --csv {output.csv:q} --lock {output.lock:q}"
        )


rule compare:
    input:
        cells=compared_cells,
    output:
        parquet=layout.table(layout.COMPARISONS),
        csv=layout.table(layout.COMPARISONS, "csv"),
        ratings=layout.table(layout.RATINGS),
        ratings_csv=layout.table(layout.RATINGS, "csv"),
        lock=layout.lock(layout.COMPARISONS),
    localrule: True
    resources:
        machine=1,
    params:
        spec=lambda wildcards: STEPS.compare.spec_with_identity,
        results=layout.RESULTS,
    shell:
        located(
            "python workflow/scripts/compare.py --spec {params.spec:q} --results {params.results:q}"
            " --parquet {output.parquet:q} --csv {output.csv:q} --ratings {output.ratings:q}"
            " --lock {output.lock:q}"
        )


rule render:
    input:
        unpack(report_inputs),
    output:
        report=layout.report(),
        provenance=layout.table(layout.PROVENANCE, "json"),
        answers=layout.table(layout.ANSWERS, "txt"),
        charts=directory(layout.charts()),
        lock=layout.lock(layout.REPORT),
    localrule: True
    resources:
        machine=1,
    params:
        spec=lambda wildcards: STEPS.render.spec_with_identity,
        results=layout.RESULTS,
        study=layout.table(layout.STUDY),
        comparisons=layout.table(layout.COMPARISONS),
        ratings=layout.table(layout.RATINGS),
    shell:
        located(
            "python workflow/scripts/render.py --spec {params.spec:q} --results {params.results:q}"
            " --study {params.study:q} --comparisons {params.comparisons:q} --ratings {params.ratings:q}"
            " --output {output.report:q} --provenance {output.provenance:q}"
            " --answers {output.answers:q}"
            " --charts {output.charts:q} --lock {output.lock:q}"
        )

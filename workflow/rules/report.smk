"""The study as a table, charts and a report.

Inputs: every cell of the study.
Outputs: results/study.parquet and study.csv (a row a cell), results/comparisons.parquet and .csv
         (a row a quantized cell, against its native one), results/charts/*.svg and *.png,
         results/report.html.
Steps: gather the cells; compare them; draw and write.
"""


rule aggregate:
    input:
        cells=study_cells,
    output:
        parquet="results/study.parquet",
        csv="results/study.csv",
        lock="results/study.lock.json",
    localrule: True
    resources:
        machine=1,
    params:
        spec=lambda wildcards: STEPS.aggregate.spec_with_identity,
    shell:
        located(
            "python workflow/scripts/aggregate.py --spec {params.spec:q} --results results"
            " --parquet {output.parquet:q} --csv {output.csv:q} --lock {output.lock:q}"
        )


rule compare:
    input:
        cells=compared_cells,
    output:
        parquet="results/comparisons.parquet",
        csv="results/comparisons.csv",
        lock="results/comparisons.lock.json",
    localrule: True
    resources:
        machine=1,
    params:
        spec=lambda wildcards: STEPS.compare.spec_with_identity,
    shell:
        located(
            "python workflow/scripts/compare.py --spec {params.spec:q} --results results"
            " --parquet {output.parquet:q} --csv {output.csv:q} --lock {output.lock:q}"
        )


rule render:
    input:
        unpack(report_inputs),
    output:
        report="results/report.html",
        charts=directory("results/charts"),
        lock="results/report.lock.json",
    localrule: True
    resources:
        machine=1,
    params:
        spec=lambda wildcards: STEPS.render.spec_with_identity,
    shell:
        located(
            "python workflow/scripts/render.py --spec {params.spec:q} --results results"
            " --study results/study.parquet --comparisons results/comparisons.parquet"
            " --output {output.report:q} --charts {output.charts:q} --lock {output.lock:q}"
        )

"""The study as a table, charts and a report.

Inputs: every cell of the study.
Outputs: results/study.parquet and study.csv (a row a cell), results/charts/*.svg and *.png,
         results/report.html.
Steps: gather the cells; draw and write.
"""


rule aggregate:
    input:
        cells=study_cells,
    output:
        parquet="results/study.parquet",
        csv="results/study.csv",
        lock="results/study.lock.json",
    resources:
        machine=1,
    params:
        spec=lambda wildcards: STEPS.aggregate.signed,
    shell:
        "python workflow/scripts/aggregate.py --spec {params.spec:q} --results results"
        " --parquet {output.parquet:q} --csv {output.csv:q} --lock {output.lock:q}"


rule render:
    input:
        study=study_lock,
    output:
        report="results/report.html",
        charts=directory("results/charts"),
        lock="results/report.lock.json",
    resources:
        machine=1,
    params:
        spec=lambda wildcards: STEPS.render.signed,
    shell:
        "python workflow/scripts/render.py --spec {params.spec:q} --results results"
        " --study results/study.parquet --output {output.report:q} --charts {output.charts:q}"
        " --lock {output.lock:q}"

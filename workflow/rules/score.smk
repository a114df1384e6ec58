"""Scoring of the timed generations. Runs no model.

Inputs: a measurement, its requests, the sample's references; nothing for a cell left out.
Outputs: results/VARIANT/DEVICE/TASK.json (the cell) and TASK.parquet (a row per request).
Steps: score each generation, turn token times into latencies, give every figure its interval.
"""


rule score:
    input:
        unpack(score_inputs),
    output:
        cell=layout.WILDCARDS.summary,
        requests=layout.WILDCARDS.requests,
    localrule: True
    resources:
        machine=1,
    params:
        spec=lambda wildcards: STEPS.score(cell_of(wildcards)).spec_with_identity,
        measured=measured_options,
    shell:
        located(
            "python workflow/scripts/score.py --spec {params.spec:q} {params.measured}"
            " --cell {output.cell:q} --table {output.requests:q}"
        )

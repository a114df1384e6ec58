"""llm-frontier: which model, quantized how, on which device, is fast enough and good enough.

Runs the study in config/config.yaml, from its datasets and models to results/report.html.
Any cell of the catalogue can be requested by its path: results/VARIANT/DEVICE/TASK.json.
"""


include: "workflow/rules/common.smk"
include: "workflow/rules/datasets.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/adapters.smk"
include: "workflow/rules/measure.smk"
include: "workflow/rules/judge.smk"
include: "workflow/rules/score.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        layout.report(),

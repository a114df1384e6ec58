"""llm-frontier: which model, quantized how, on which device, is fast enough and good enough.

The study asked for in config/config.yaml, from its datasets and models to results/report.html.
Any cell of the catalogue can be asked for by its path: results/VARIANT/DEVICE/TASK.json.
"""


include: "workflow/rules/internals.smk"
include: "workflow/rules/internals_module.smk"
include: "workflow/rules/internals_plan.smk"
include: "workflow/rules/internals_run.smk"
include: "workflow/rules/common.smk"
include: "workflow/rules/runs.smk"
include: "workflow/rules/existing.smk"
include: "workflow/rules/inputs.smk"
include: "workflow/rules/outdated.smk"
include: "workflow/rules/commands.smk"
include: "workflow/rules/needs.smk"
include: "workflow/rules/starts.smk"
include: "workflow/rules/environments.smk"
include: "workflow/rules/datasets.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/measure.smk"
include: "workflow/rules/score.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        layout.report(),

"""The workflow's jobs and files as rules of one line that do nothing, for tests/scale.py."""


configfile: "config.json"


CELLS = expand(
    "results/{variant}/{device}/{task}.json",
    variant=config["variants"],
    device=config["devices"],
    task=config["tasks"],
)
MEASURED = "results/{variant}/{device}/{task}/0000000000000000"


wildcard_constraints:
    identity="[0-9a-f]{16}",
    variant="[^/]+",
    device="[^/]+",
    task="[^/]+",


rule all:
    input:
        "results/report.html",


rule dataset:
    output:
        "resources/datasets/{dataset}/{identity}/lock.json",
    shell:
        "touch {output}"


rule sample:
    input:
        ancient("resources/datasets/demo/{identity}/lock.json"),
    output:
        "resources/samples/{task}/{identity}/sample.jsonl",
        "resources/samples/{task}/{identity}/lock.json",
    shell:
        "touch {output}"


rule model:
    output:
        "resources/models/{model}/{identity}/lock.json",
    shell:
        "touch {output}"


rule measure:
    input:
        lambda wildcards: ancient(
            f"resources/models/{config['variants'][wildcards.variant]}"
            f"/{wildcards.identity}/lock.json"
        ),
        ancient("resources/samples/{task}/{identity}/sample.jsonl"),
    output:
        "results/{variant}/{device}/{task}/{identity}/requests.jsonl",
        "results/{variant}/{device}/{task}/{identity}/measurement.json",
    shell:
        "touch {output}"


rule score:
    input:
        ancient(f"{MEASURED}/requests.jsonl"),
        ancient(f"{MEASURED}/measurement.json"),
        ancient("resources/samples/{task}/0000000000000000/sample.jsonl"),
    output:
        "results/{variant}/{device}/{task}.json",
        "results/{variant}/{device}/{task}.parquet",
    shell:
        "touch {output}"


rule aggregate:
    input:
        ancient(CELLS),
    output:
        "results/study.parquet",
        "results/study.csv",
        "results/study.lock.json",
    shell:
        "touch {output}"


rule compare:
    input:
        ancient(CELLS),
    output:
        "results/comparisons.parquet",
        "results/comparisons.csv",
        "results/comparisons.lock.json",
    shell:
        "touch {output}"


rule render:
    input:
        ancient("results/study.lock.json"),
        ancient("results/comparisons.lock.json"),
    output:
        "results/report.html",
        "results/report.lock.json",
    shell:
        "touch {output}"

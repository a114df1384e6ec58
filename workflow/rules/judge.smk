"""Judging: another model's ratings or comparisons of a cell's answers.

Inputs: a cell's requests, those of the variants that it is compared with, the task's sample; the
        judge's checkpoint, unless an endpoint serves it.
Outputs: resources/judged/TASK/IDENTITY/ (sample.jsonl, the requests to the judge, pairs.jsonl and
         lock.json), results/JUDGE/DEVICE/TASK/judged/IDENTITY/requests.jsonl and measurement.json.
Steps: write each request once; ask the judge like any other variant, resumed and never again for
       the same request.
"""


rule judge_requests:
    input:
        unpack(judge_requests_inputs),
    output:
        rows=layout.judged("{task}", "{identity}"),
        pairs=layout.judged("{task}", "{identity}").with_name(layout.PAIRS),
        lock=layout.lock_beside(layout.judged("{task}", "{identity}")),
    localrule: True
    resources:
        machine=1,
    params:
        spec=lambda wildcards: judging_of(wildcards)[1].asks.spec_with_identity,
        against=against_options,
        templates=folder_option("templates"),
        check=check_option,
    shell:
        located(
            "python workflow/scripts/judge_requests.py --spec {params.spec:q} --sample {input.sample:q}"
            " --requests {input.requests:q} {params.against} {params.templates} {params.check} --output {output.rows:q}"
            " --pairs {output.pairs:q} --lock {output.lock:q}"
        )


rule judge:
    input:
        unpack(judge_inputs),
    output:
        requests=layout.WILDCARDS.judging("{identity}").with_name(layout.REQUESTS),
        measurement=layout.WILDCARDS.judging("{identity}"),
    priority: measure_priority
    resources:
        machine=lambda wildcards: machine_of(device_of(wildcards)),
        gpu=lambda wildcards: device_of(wildcards).gpus,
        # For clusters; each attempt requests more than the one before.
        gpu_model=lambda wildcards: device_of(wildcards).gpu_model or "",
        mem_mb=measure_memory,
        runtime=measure_minutes,
        attempt=lambda wildcards, attempt: attempt,
    params:
        spec=lambda wildcards: judging_of(wildcards)[1].measure.spec_with_identity,
        python=measuring_python,
        model=folder_option("model"),
        adapter=folder_option("adapter"),
        draft=folder_option("draft"),
        limits=limits_option if in_cluster_job() else "",
    shell:
        located(
            "{params.python} workflow/scripts/measure.py --spec {params.spec:q} {params.model}"
            " {params.adapter} {params.draft} --sample {input.sample:q} --requests {output.requests:q}"
            " --measurement {output.measurement:q} {params.limits}"
        )

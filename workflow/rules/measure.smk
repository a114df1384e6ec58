"""Measuring: the only step that needs a device.

Inputs: a checkpoint and its adapter, unless an endpoint serves the model; a sample; the engine's
         environment.
Outputs: results/VARIANT/DEVICE/TASK/IDENTITY/requests.jsonl (a line a request: text, token times)
         and measurement.json (outcome, load time, memory, hardware, warm-up).
         The first job on a machine also writes resources/machines/IDENTITY.json: how fast it reads
         memory and multiplies matrices. Only this job knows on which host of a cluster it runs, and
         has the device to itself, so this is no rule of its own.
Steps: load in a fresh process, warm up, time each request alone; resume a killed job.
"""


rule measure:
    input:
        unpack(measure_inputs),
    output:
        requests=layout.WILDCARDS.measurement("{identity}").with_name(layout.REQUESTS),
        measurement=layout.WILDCARDS.measurement("{identity}"),
    # Scoring needs no device and waits, since two scorings run side by side when the device is free.
    priority: measure_priority
    resources:
        # A timed job has its device to itself: the whole machine if that is the CPU or shares its
        # memory, else its GPUs.
        machine=lambda wildcards: machine_of(device_of(wildcards)),
        gpu=lambda wildcards: device_of(wildcards).gpus,
        # For clusters; each attempt requests more than the one before.
        gpu_model=lambda wildcards: device_of(wildcards).gpu_model or "",
        mem_mb=measure_memory,
        runtime=measure_minutes,
        attempt=lambda wildcards, attempt: attempt,
    params:
        spec=lambda wildcards: STEPS.measure(cell_of(wildcards)).spec_with_identity,
        python=measuring_python,
        model=folder_option("model"),
        adapter=folder_option("adapter"),
        draft=folder_option("draft"),
        machines=layout.MACHINES,
        # Only on demand: otherwise each job's resources would be computed while planning.
        limits=limits_option if in_cluster_job() else "",
    shell:
        located(
            "{params.python} workflow/scripts/measure.py --spec {params.spec:q} {params.model}"
            " {params.adapter} {params.draft} --sample {input.sample:q} --requests {output.requests:q}"
            " --measurement {output.measurement:q} --machines {params.machines:q} {params.limits}"
        )

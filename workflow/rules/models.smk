"""Checkpoints.

Inputs: a model's origin: a hub, a local folder, a recipe to grow it.
Outputs: resources/models/MODEL/IDENTITY/: a checkpoint in the hub's layout, safetensors only,
         and lock.json: facts that later steps can read without opening the weights;
         resources/quantized/VARIANT/FORMAT/IDENTITY/: the quantized checkpoint, and lock.json.
Steps: fetch at the pinned revision, or link a local folder, or train from scratch; quantize, or
       convert to an engine's own format, if that is a separate job. On a cluster a job that is too
       small is submitted again with more; the last attempt's lock says why there are no weights.
"""

GROWN_MODELS = [name for name, model in CATALOGUE.models.items() if model.grow]
GIVEN_MODELS = [
    name for name, model in CATALOGUE.models.items() if model.hub or model.path
]


rule fetch_model:
    output:
        lock=layout.model("{model}", "{identity}"),
    wildcard_constraints:
        model=any_of(GIVEN_MODELS),
    localrule: True
    resources:
        machine=1,
    params:
        spec=lambda wildcards: STEPS.published(wildcards.model).spec_with_identity,
        folder=subpath(output.lock, parent=True),
    shell:
        located(
            "python workflow/scripts/fetch_model.py --spec {params.spec:q}"
            " --output {params.folder:q} --lock {output.lock:q}"
        )


rule grow_model:
    output:
        lock=layout.model("{model}", "{identity}"),
    wildcard_constraints:
        model=any_of(GROWN_MODELS),
    resources:
        machine=1,
    params:
        spec=lambda wildcards: STEPS.published(wildcards.model).spec_with_identity,
        folder=subpath(output.lock, parent=True),
    shell:
        located(
            "python workflow/scripts/grow_model.py --spec {params.spec:q} --output {params.folder:q}"
        )


rule quantize_model:
    input:
        unpack(preparation_inputs),
    output:
        lock=layout.quantized("{variant}", "{format}", "{identity}"),
    resources:
        # Runs alongside other light jobs, but only one at a time, since it uses every core.
        machine=51,
        gpu=preparation_gpus,
        mem_mb=preparation_memory,
        runtime=preparation_minutes,
        attempt=lambda wildcards, attempt: attempt,
    params:
        spec=lambda wildcards: checkpoint_of(wildcards).step.spec_with_identity,
        python=lambda wildcards: python_of(preparation_of(wildcards).environment),
        texts=lambda wildcards, input: (
            f"--texts {input.texts}" if "texts" in input.keys() else ""
        ),
        model=folder_of("model"),
        folder=subpath(output.lock, parent=True),
        limits=limits_option if in_cluster_job() else "",
    shell:
        located(
            "{params.python} workflow/scripts/quantize_model.py --spec {params.spec:q}"
            " --model {params.model:q} {params.texts} --gpus {resources.gpu} --output {params.folder:q}"
            " {params.limits}"
        )

"""Checkpoints.

Inputs: a model's origin (a hub, a local folder, a recipe to grow it by).
Outputs: resources/models/MODEL/IDENTITY/: a checkpoint in the hub's layout, safetensors only,
         and lock.json: what later steps and readers may know without opening the weights.
Steps: fetch at the pinned revision, or link a local folder, or train from scratch.
"""


rule fetch_model:
    output:
        lock="resources/models/{model}/{identity}/lock.json",
    wildcard_constraints:
        model=any_of(GIVEN_MODELS),
    resources:
        machine=1,
    params:
        spec=lambda wildcards: STEPS.model(wildcards.model).argument,
        folder=subpath(output.lock, parent=True),
    shell:
        "python workflow/scripts/fetch_model.py --spec {params.spec:q}"
        " --output {params.folder:q} --lock {output.lock:q}"


rule grow_model:
    output:
        lock="resources/models/{model}/{identity}/lock.json",
    wildcard_constraints:
        model=any_of(GROWN_MODELS),
    resources:
        machine=1,
    params:
        spec=lambda wildcards: STEPS.model(wildcards.model).argument,
        folder=subpath(output.lock, parent=True),
    shell:
        "python workflow/scripts/grow_model.py --spec {params.spec:q} --output {params.folder:q}"

"""Adapters.

Inputs: an adapter's origin: a hub, a local folder, or a recipe to grow it and its model's checkpoint.
Outputs: resources/adapters/MODEL/IDENTITY/: a PEFT adapter, safetensors only, and lock.json;
         resources/merged/MODEL/IDENTITY/: the checkpoint with the adapter in its weights, as in
         resources/models/, for models whose adapter is `merged`.
Steps: fetch at the pinned revision, or link a local folder, or train on the model; merge.
"""

ADAPTERS = {
    name: model.adapter for name, model in CATALOGUE.models.items() if model.adapter
}


rule fetch_adapter:
    output:
        lock=layout.adapter("{model}", "{identity}"),
    wildcard_constraints:
        model=any_of(name for name, one in ADAPTERS.items() if not one.grow),
    localrule: True
    resources:
        machine=1,
    params:
        spec=lambda wildcards: STEPS.adapter_files(wildcards.model).spec_with_identity,
        folder=subpath(output.lock, parent=True),
    shell:
        located(
            "python workflow/scripts/fetch_adapter.py --spec {params.spec:q} --output {params.folder:q}"
        )


rule grow_adapter:
    input:
        unpack(adapter_inputs),
    output:
        lock=layout.adapter("{model}", "{identity}"),
    wildcard_constraints:
        model=any_of(name for name, one in ADAPTERS.items() if one.grow),
    resources:
        machine=1,
    params:
        spec=lambda wildcards: STEPS.adapter_files(wildcards.model).spec_with_identity,
        model=folder_of("model"),
        folder=subpath(output.lock, parent=True),
    shell:
        located(
            "python workflow/scripts/grow_adapter.py --spec {params.spec:q}"
            " --model {params.model:q} --output {params.folder:q}"
        )


rule merge_adapter:
    input:
        unpack(merge_inputs),
    output:
        lock=layout.model("{model}", "{identity}", merged=True),
    resources:
        # Like quantize_model, which needs about as much memory.
        machine=51,
        mem_mb=merging_memory,
    params:
        spec=lambda wildcards: STEPS.model(wildcards.model).spec_with_identity,
        model=folder_of("model"),
        adapter=folder_of("adapter"),
        folder=subpath(output.lock, parent=True),
    shell:
        located(
            "python workflow/scripts/merge_adapter.py --spec {params.spec:q}"
            " --model {params.model:q} --adapter {params.adapter:q} --output {params.folder:q}"
        )

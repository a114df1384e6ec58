"""Datasets and samples.

Inputs: a dataset's source (a hub, an archive at a URL, a local folder, a generator).
Outputs: resources/datasets/DATASET/IDENTITY/ (raw files and lock.json),
         resources/samples/TASK/IDENTITY/sample.jsonl and lock.json,
         resources/calibrations/CALIBRATION/IDENTITY/texts.jsonl and lock.json.
Steps: fetch at the pinned revision or checksum; draw the seeded, stratified sample; draw texts for
       quantizations from rows that are in no sample.
"""


rule fetch_dataset:
    input:
        unpack(dataset_inputs),
    output:
        lock=layout.dataset("{dataset}", "{identity}"),
    localrule: True
    resources:
        machine=1,
    params:
        spec=lambda wildcards: STEPS.dataset(wildcards.dataset).spec_with_identity,
        folder=subpath(output.lock, parent=True),
    shell:
        located(
            "python workflow/scripts/fetch_dataset.py --spec {params.spec:q} --output {params.folder:q}"
        )


rule sample:
    input:
        unpack(sample_inputs),
    output:
        rows=layout.sample("{task}", "{identity}"),
        lock=layout.lock_beside(layout.sample("{task}", "{identity}")),
    localrule: True
    resources:
        machine=1,
    params:
        spec=lambda wildcards: STEPS.sample(wildcards.task).spec_with_identity,
        dataset=folder_of("dataset"),
        shots=folder_option("shots"),
    shell:
        located(
            "python workflow/scripts/sample.py --spec {params.spec:q} --dataset {params.dataset:q}"
            " {params.shots} --output {output.rows:q} --lock {output.lock:q}"
        )


rule calibrate:
    input:
        unpack(calibration_inputs),
    output:
        texts=layout.calibration("{calibration}", "{identity}"),
        lock=layout.lock_beside(layout.calibration("{calibration}", "{identity}")),
    localrule: True
    resources:
        machine=1,
    params:
        spec=lambda wildcards: STEPS.calibration(
            wildcards.calibration
        ).spec_with_identity,
        datasets=lambda wildcards, input: [Path(lock).parent for lock in input.datasets],
    shell:
        located(
            "python workflow/scripts/calibrate.py --spec {params.spec:q}"
            " --datasets {params.datasets:q} --output {output.texts:q} --lock {output.lock:q}"
        )

#!/usr/bin/env bash
# Fetch into bench/wheels/ what bench/gpu_check.sh needs besides torch and transformers, for a Linux
# host with Python 3.12 on x86-64; to be copied there with this folder. At most 60 MB.
set -euo pipefail
cd "$(dirname "$0")"
packages=(pydantic pydantic_core annotated-types typing-inspection PyYAML ninja bitsandbytes optimum-quanto)
pins=("torchao==$(sed -n 's/^torchao==//p' ../workflow/envs/loading.txt)")
for package in "${packages[@]}"; do
    pins+=("$(grep -i "^$package==" ../constraints.txt)")
done
platforms=()
for platform in manylinux_2_28 manylinux_2_24 manylinux_2_17 manylinux2014; do
    platforms+=(--platform "${platform}_x86_64")
done
rm -rf wheels
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest wheels \
    --python-version 3.12 --implementation cp "${platforms[@]}" "${pins[@]}"
size=$(du -sm wheels | cut -f1)
echo "bench/wheels: $size MB"
[ "$size" -le 60 ] || { echo "more than 60 MB" >&2 && exit 1; }

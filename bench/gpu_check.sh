#!/usr/bin/env bash
# Check this checkout on a host with an NVIDIA GPU and no network: bench/gpu_check.sh [--help]
# Needs python3 with torch, transformers and accelerate; what else is missing comes from the wheels
# that bench/fetch_wheels.sh put into bench/wheels/ on a host with a network, for Python 3.12.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
if compgen -G "$here/wheels/*.whl" >/dev/null && python3 -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))'; then
    # Without dependencies, so that the host's own torch and transformers are what is checked.
    python3 -m pip install --quiet --disable-pip-version-check --no-index --no-deps --target "$site" "$here"/wheels/*.whl
fi
export PYTHONPATH="$here/../workflow/scripts:$site${PYTHONPATH:+:$PYTHONPATH}"
export PATH="$site/bin:$PATH" PYTHONDONTWRITEBYTECODE=1 TOKENIZERS_PARALLELISM=false HF_HUB_OFFLINE=1
python3 "$here/gpu_check" "$@"

"""llama.cpp's key-value cache in other formats: the bytes that it really has."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers

import shipped
from environments import run_in
from frontier.techniques import block_of
from frontier.techniques.kv_dtype import KvDtype
from stories import stories260k

PROGRAM = """
import json, sys
from dataclasses import replace
from pathlib import Path
from frontier.conversions.gguf import Gguf
from frontier.engines import Generate, Settings
from frontier.engines.loaded import llama_cpp as engine
from frontier.errors import UnsupportedError
from frontier.techniques.kv_dtype import KvDtype
from quantizing import quantizer

plain = Settings("cpu", "float32", 1, "plain", quantizer("native"))
found = {}
for name, formats in json.loads(sys.argv[2]).items():
    output = Path(sys.argv[1], f"{name}-gguf")
    output.mkdir()
    Gguf(type="F32").convert(Path(sys.argv[1], name), output, [])
    for one in formats:
        settings = replace(plain, techniques=(KvDtype(dtype=one),) if one else ())
        try:
            loaded = engine.load(output, settings)
        except UnsupportedError as error:
            found[f"{name} {one}"] = str(error)
            continue
        text = loaded.generate(Generate("Once upon a time", 12, ())).text
        found[f"{name} {one}"] = loaded.loaded.kv_bytes_per_token, text
        loaded.close()
print(json.dumps(found))
"""


def test_the_cache_has_the_bytes_of_its_format(
    test_data: Path, environment: Callable[[str], Path], tmp_path: Path
) -> None:
    """Blocks of 32 numbers in 34, 24 and 18 bytes; heads of another size are refused."""
    for name, head_dim in (("wide", 32), ("narrow", 16)):
        torch.manual_seed(0)
        config = transformers.LlamaConfig(
            vocab_size=512, hidden_size=64, num_hidden_layers=3, num_attention_heads=4,
            num_key_value_heads=2, head_dim=head_dim, intermediate_size=64, initializer_range=0.3,
        )  # fmt: skip
        folder = stories260k(test_data, tmp_path / name)
        transformers.LlamaForCausalLM(config).save_pretrained(folder)
    work = {"wide": ["", "q8_0", "q5_1", "q4_0"], "narrow": ["q8_0"]}
    output = run_in(environment("llama_cpp"), PROGRAM, str(tmp_path), json.dumps(work))
    found = json.loads(output)
    numbers = 3 * 2 * 32 * 2
    assert {name: one[0] for name, one in found.items() if name != "narrow q8_0"} == {
        "wide ": numbers * 2,
        "wide q8_0": numbers * 34 // 32,
        "wide q5_1": numbers * 24 // 32,
        "wide q4_0": numbers * 18 // 32,
    }
    assert found["wide q4_0"][1] != found["wide "][1]
    assert found["narrow q8_0"].startswith("no cache in Q8_0: ")


@pytest.mark.parametrize(
    ("engine", "formats"),
    [
        ("vllm", {"fp8_e4m3", "fp8_e5m2"}),
        ("vllm-cpu", {"fp8_e4m3", "fp8_e5m2"}),
        ("sglang", {"fp8_e4m3", "fp8_e5m2"}),
        ("tgi", {"fp8_e4m3", "fp8_e5m2"}),
        ("tensorrt-llm", {"fp8_e4m3"}),
        ("lmdeploy", {"int8", "int4"}),
        ("llama-server-cpu", {"q8_0", "q5_1", "q4_0"}),
        ("openvino-model-server", set()),
    ],
)
def test_servers_have_the_formats_of_their_settings(engine: str, formats: set[str]) -> None:
    """Each by a setting of its own; OpenVINO's cache has 8 bits without any."""
    block = shipped.catalogue().engines[engine]
    every = KvDtype.model_fields["dtype"].annotation.__args__  # type: ignore[union-attr]
    assert formats == {one for one in every if block.runs_technique(block_of(KvDtype(dtype=one)))}

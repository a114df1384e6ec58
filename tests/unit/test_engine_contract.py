"""The contract of every engine: counts and times of tokens, ends of texts, leftovers.

Each engine is found by its place and runs in its own environment, on checkpoints that are prepared
as the workflow prepares them. One is built here so that its answers are known from its weights; the
other is a small pretrained model, by which all engines are compared.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import torch
import transformers
from tokenizers import decoders, pre_tokenizers

import shipped
from engine_contract import CUTS, SEEDS
from environments import LIBRARY, ROOT, run_in
from frontier import engines
from frontier.planning.placement import engine_facts
from quantizing import quantizer
from stories import stories260k, with_wide_heads

ENGINES = [name for name in engines.ENGINES.names() if name != "server"]
"""All but servers: tests/unit/test_dialects.py has their contract."""
ENGINE_BLOCKS = {block.kind: block for block in reversed(shipped.engines().values())}
TOKENS = 40
PARTED = 7  # the token that one of the expected texts is wrong from
LONG = 30  # tokens, of the chain
POSITIONS = 256

END, SILENT = 0, 1
"""Ids of the chain's end token and of a special token, both without text."""
FORK = ">"
CHAINS = {
    "a": ["é", SILENT, "你", ".", "🙂", FORK],
    "b": ["ж", "한", ",", FORK],
    "z": ["yx", END],
}
"""The letters after prompts of these letters and, for two, a fork; bytes have one place each."""
A, B = "a" * 16 + FORK, "b" * 12 + FORK  # what is left of A would turn the forks of B
FULL = "a" * (POSITIONS - LONG - 1) + FORK  # with the answer, as long as it may be
HIDDEN, LAYERS, WIDE, HEADS, KV_HEADS = 512, 2, 3072, 8, 4
WIDE_HEADS = ("onnxruntime_genai",)
"""Engines that want heads of 16 numbers or more; the stories' have 8."""
WHOLE = (None, 4 * (5 * 4 * 8 * 2), 4 * (5 * 4 * 16 * 2))
"""Bytes of a token in the stories' cache in float32, also with such heads; None: not known."""
LETTER = 300
"""The hidden dimension that encodes the letter of the prompt."""

STORIES = [
    "Once upon a time", "One day, Lily and Ben went to the big park", "The dog", "Tom was sad",
    "She said, \"Look", "It was a sunny day and", "Mom", "There was a little red car who",
    "They were happy. But then", "A bird flew",
]  # fmt: skip


CHOICES = (", there was a little girl", " was", " purple elephants of")


def tokenizer() -> Any:
    """A token for each byte, and nothing else but two that have no text."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {piece: at for at, piece in enumerate(["</s>", "<s>", *alphabet])}
    core = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, []))
    core.add_special_tokens(["</s>", "<s>"])
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<s>", eos_token="</s>"
    )


def ids(parts: list[Any]) -> list[int]:
    """Tokens of a chain: each text's bytes, and ids as they are."""
    encode = tokenizer()
    return [
        token
        for part in parts
        for token in ([part] if isinstance(part, int) else encode(part)["input_ids"])
    ]


def following(letter: str, tokens: int) -> str:
    """The text of `tokens` tokens after a prompt of `letter`, as Python decodes their bytes."""
    bytes_of = [
        [b""] if isinstance(part, int) else [bytes([byte]) for byte in part.encode()]
        for part in CHAINS[letter]
    ]
    flat = [byte for part in bytes_of for byte in part]
    return b"".join(flat[at % len(flat)] for at in range(tokens)).decode(errors="replace")


def chain(folder: Path) -> Path:
    """A Llama of 45 MB that says the chains, by its weights.

    A token's embedding points along a dimension of its own, and the head asks for the dimension of
    the token before. At the fork the first layer's attention decides: it looks at all positions
    alike, so that it tells of which letter there were more. The rest is random and too small to
    change a token, but is computed.
    """
    config = transformers.LlamaConfig(
        vocab_size=258, hidden_size=HIDDEN, intermediate_size=WIDE, num_hidden_layers=LAYERS,
        num_attention_heads=HEADS, num_key_value_heads=KV_HEADS, max_position_embeddings=POSITIONS,
        tie_word_embeddings=False, bos_token_id=SILENT, eos_token_id=END,
    )  # fmt: skip
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(config)
    first = model.model.layers[0].self_attn
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                weight.mul_(0.01)
        for weight in (first.q_proj, first.k_proj, model.lm_head, model.model.embed_tokens):
            weight.weight.zero_()
        model.model.embed_tokens.weight.copy_(torch.eye(258, HIDDEN))
        a, b, fork = (ids([letter])[0] for letter in ("a", "b", FORK))
        first.v_proj.weight[0] = 0
        first.v_proj.weight[0, a], first.v_proj.weight[0, b] = HIDDEN**-0.5, -(HIDDEN**-0.5)
        first.o_proj.weight[:, 0] = 0
        first.o_proj.weight[LETTER, 0] = 1
        for parts in CHAINS.values():
            tokens = ids(parts)
            for before, after in itertools.pairwise(tokens):
                model.lm_head.weight[after, before] = 1
        for letter, sign in (("a", 1), ("b", -1)):
            start = ids(CHAINS[letter])[0]
            model.lm_head.weight[start, fork], model.lm_head.weight[start, LETTER] = 1, sign / 2
        model.lm_head.weight[ids(CHAINS["z"])[0], ids(["z"])[0]] = 1
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    # No checkpoint's own sampling or penalties may count.
    sampling = {"do_sample": True, "temperature": 5.0, "top_k": 9, "repetition_penalty": 2.0}
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": END, **sampling}))
    return folder


def greedy(encode: Any, model: Any, prompt: str) -> tuple[list[str], torch.Tensor]:
    """The reference: argmax after argmax over the whole sequence, without a cache.

    Texts of 1, 2, … tokens, and the logits that each last token was chosen by, [TOKENS, vocabulary].
    """
    every, logits = list(encode(prompt)["input_ids"]), []
    prompted = len(every)
    with torch.no_grad():
        for _ in range(TOKENS):
            logits.append(model(torch.tensor([every])).logits[0, -1])
            every.append(int(logits[-1].argmax()))
    texts = [
        encode.decode(every[prompted : prompted + count + 1], skip_special_tokens=True)
        for count in range(TOKENS)
    ]
    return texts, torch.stack(logits)


@pytest.fixture(scope="module")
def stories(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The pretrained 260K Llama as a checkpoint; None where the test data are absent."""
    try:
        data = request.getfixturevalue("test_data")
    except pytest.skip.Exception:
        return None
    return stories260k(data, tmp_path_factory.mktemp("stories"))


@pytest.fixture(scope="module")
def reference(stories: Path | None) -> dict[str, tuple[list[str], torch.Tensor]]:
    """The completions that transformers computes step by step, by prompt."""
    if stories is None:
        return {}
    encode = transformers.AutoTokenizer.from_pretrained(stories)
    model = transformers.AutoModelForCausalLM.from_pretrained(stories)
    return {prompt: greedy(encode, model, prompt) for prompt in STORIES}


@pytest.fixture(scope="module")
def work(
    stories: Path | None, reference: Any, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The requests to every engine, by checkpoint: [prompt, tokens, stop texts] and more."""
    chained = [
        [A, LONG, []], [B, LONG, []], [A, LONG, []], *([A, count, []] for count in range(1, 13)),
        *([A, LONG, stop] for stop in (["."], ["你"], ["你."], [FORK], ["🙂", "."], [","], ["<s>"])),
        *(["z", count, []] for count in (2, 3, LONG)), [FULL, LONG, []],
    ]  # fmt: skip
    asked = {"chain": {"requests": chained, "expected": [], "long": "a" + FULL, "rounds": True}}
    asked["chain"]["chosen"] = [A, ["é", "ж", "é."]]
    asked["chain"]["folder"] = str(chain(tmp_path_factory.mktemp("chain")))
    if stories:
        recorded = [[prompt, TOKENS, []] for prompt in (*STORIES, STORIES[0], STORIES[0])]
        expected = [texts for texts, _ in reference.values()]
        # An eleventh that is wrong from one token on, so that a parting is seen to be found.
        wrong = [text + "?" * (at >= PARTED) for at, text in enumerate(expected[0])]
        asked["stories"] = {
            "requests": [*recorded, [STORIES[0], TOKENS, ["."]], [STORIES[0], 1, []]],
            "expected": [*expected, wrong],
            "chosen": [STORIES[0], CHOICES], "long": "Once upon a time " * 200, "rounds": False, "folder": str(stories),
        }  # fmt: skip
    return asked


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine, found by its place."""
    return str(request.param)


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    """The checkpoints that were prepared so far, by their jobs: two engines may read the same."""
    return {}


@pytest.fixture(scope="module")
def found(
    engine: str,
    work: dict[str, Any],
    made: dict[str, str],
    environment: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """The engine's answers for the checkpoints, from one process in its environment."""
    folder = tmp_path_factory.mktemp(engine)

    def prepared(label: str) -> str:
        """The folder for the engine: the checkpoint's, or the output of the planned job."""
        checkpoint = work[label]["folder"]
        if label == "stories" and engine in WIDE_HEADS:
            checkpoint = str(with_wide_heads(Path(checkpoint), folder / "wide"))
        job = quantizer("native").preparation(engine_facts(ENGINE_BLOCKS[engine]), "float32")
        if job is None:
            return str(checkpoint)
        python = environment(job.environment) if job.environment else sys.executable
        spec = json.dumps({"conversion": job.conversion, "options": dict(job.options)})
        if known := made.get(f"{label} {spec}"):
            return known
        program = str(ROOT / "workflow" / "scripts" / "quantize_model.py")
        arguments = ["--spec", spec, "--model", checkpoint, "--output", str(folder / label)]
        done = subprocess.run(
            [python, program, *arguments],
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return made.setdefault(f"{label} {spec}", str(folder / label))

    with ThreadPoolExecutor() as pool:
        folders = dict(zip(work, pool.map(prepared, work), strict=True))
    asked = {label: part | {"folder": folders[label]} for label, part in work.items()}
    (folder / "work.json").write_text(json.dumps(asked), encoding="utf-8")
    block = ENGINE_BLOCKS[engine]
    python = environment(block.environment) if block.environment else Path(sys.executable)
    options = json.dumps(block.described()["options"])
    program = "import engine_contract; engine_contract.main()"
    with pytest.MonkeyPatch.context() as patch:
        # glibc would keep freed blocks of some MB now and then, which looks like weights not freed.
        patch.setenv("MALLOC_MMAP_THRESHOLD_", "1000000")
        recorded = run_in(python, program, engine, options, str(folder / "work.json"))
    answers: dict[str, Any] = json.loads(recorded)
    return answers


@pytest.fixture(params=["chain", "stories"])
def checkpoint(request: pytest.FixtureRequest, stories: Path | None) -> str:
    """Each checkpoint that is there."""
    if request.param == "stories" and stories is None:
        request.getfixturevalue("test_data")  # skips, and says why
    return str(request.param)


Answers = Callable[[str, int, list[str]], list[dict[str, Any]]]


@pytest.fixture
def chained(found: dict[str, Any], work: dict[str, Any]) -> Answers:
    """Gives the chain's answers to one request."""
    pairs = list(zip(work["chain"]["requests"], found["chain"]["answers"], strict=True))
    return lambda *request: [answer for asked, answer in pairs if asked == list(request)]


def said(answer: dict[str, Any]) -> tuple[str, int, str, int]:
    """All of an answer but its times."""
    return answer["text"], len(answer["arrivals"]), answer["finish_reason"], answer["prompt_tokens"]


def test_times(found: dict[str, Any], checkpoint: str) -> None:
    """Times rise strictly within each request, the first after its start, the last by its end."""
    last = 0
    for answer in found[checkpoint]["answers"]:
        times = [ns for ns, tokens in answer["arrivals"] if tokens == 1]
        assert len(times) == len(answer["arrivals"])
        assert times == sorted(set(times))
        assert times[0] > 0
        assert times[-1] <= answer["end_ns"]
        assert last <= answer["before_ns"] <= answer["start_ns"]
        last = answer["start_ns"] + answer["end_ns"]
        assert last <= answer["after_ns"]


def test_tokens_are_timed_when_they_come(found: dict[str, Any]) -> None:
    """Times are not all at the end: the first of thirty tokens comes in the first half of the time.

    The best of several answers counts, since another process may delay any of them.
    """
    answers = [answer for answer in found["chain"]["after"] if len(answer["arrivals"]) == LONG]
    for token, share in ((0, 0.5), (LONG // 2, 0.75)):
        assert min(answer["arrivals"][token][0] / answer["end_ns"] for answer in answers) < share


def test_every_token_counts_and_once(chained: Answers) -> None:
    """The first too, and those that have no text or a part of a character."""
    for count in range(1, 13):
        (answer,) = chained(A, count, [])
        assert said(answer) == (following("a", count), count, "length", len(A))
    texts = [following("a", count) for count in range(1, 7)]
    assert texts == ["�", "é", "é", "é�", "é�", "é你"], "what was asked for is such"


def test_answers_are_the_models_and_only_its_prompts(chained: Answers) -> None:
    """Answers follow from the weights at every fork in the prompt, not from earlier requests."""
    for answer in chained(A, LONG, []):
        assert said(answer) == (following("a", LONG), LONG, "length", len(A))
    (other,) = chained(B, LONG, [])
    assert said(other) == (following("b", LONG), LONG, "length", len(B))


@pytest.mark.parametrize(
    ("stop", "text", "tokens"),
    [
        (["."], "é你", 7),
        (["你"], "é", 6),
        (["你."], "é", 7),
        ([FORK], "é你.🙂", 12),
        (["<s>"], "é", 3),
        (["🙂", "."], "é你", 7),
    ],
)
def test_a_stop_text_ends_a_text(stop: list[str], text: str, tokens: int, chained: Answers) -> None:
    """The token that completes it is the last; the text excludes it, and the prompt does not count."""
    (answer,) = chained(A, LONG, stop)
    assert said(answer) == (text, tokens, "stop", len(A))


def test_a_stop_text_that_does_not_come(chained: Answers) -> None:
    """The limit ends it."""
    (answer,) = chained(A, LONG, [","])
    assert said(answer) == (following("a", LONG), LONG, "length", len(A))


def test_the_end_token_counts(chained: Answers) -> None:
    """It ends the text, where there is room for it, and has none itself."""
    for limit, tokens, reason in ((2, 2, "length"), (3, 3, "stop"), (LONG, 3, "stop")):
        (answer,) = chained("z", limit, [])
        assert said(answer) == ("yx", tokens, reason, 1)


def test_answers_repeat(found: dict[str, Any], work: dict[str, Any], checkpoint: str) -> None:
    """The same request has the same answer, whatever came between."""
    recorded: dict[str, tuple[str, int, str, int]] = {}
    for request, answer in zip(
        work[checkpoint]["requests"], found[checkpoint]["answers"], strict=True
    ):
        assert recorded.setdefault(json.dumps(request), said(answer)) == said(answer)
    assert len(recorded) < len(work[checkpoint]["requests"])


def test_a_pretrained_models_ends(
    test_data: Path, stories: Path, found: dict[str, Any], work: dict[str, Any]
) -> None:
    """A token of the beginning comes once; a stop text; a single token."""
    encode = transformers.AutoTokenizer.from_pretrained(stories)
    answers = found["stories"]["answers"]
    for (prompt, _, _), answer in zip(work["stories"]["requests"], answers, strict=True):
        assert answer["prompt_tokens"] == len(encode(prompt)["input_ids"])
    assert encode(STORIES[0])["input_ids"].count(1) == 1
    whole, stopped, one = answers[0], answers[-2], answers[-1]
    assert said(whole)[1:3] == (TOKENS, "length")
    assert stopped["text"] == whole["text"][: whole["text"].index(".")]
    assert stopped["finish_reason"] == "stop"
    assert len(stopped["arrivals"]) < TOKENS
    assert said(one)[1:3] == (1, "length")


def test_a_request_may_fill_all_positions(chained: Answers) -> None:
    """Up to the last one."""
    (answer,) = chained(FULL, LONG, [])
    assert said(answer) == (following("a", LONG), LONG, "length", len(FULL))


def test_too_long_a_request_is_reported(found: dict[str, Any], checkpoint: str) -> None:
    """The engine reports that it cannot do it, and answers the next request as usual."""
    recorded = found[checkpoint]
    assert "longer than the model's" in recorded["too long"]
    assert said(recorded["after too long"]) == said(recorded["answers"][0])


def test_an_interrupted_engine_is_usable(found: dict[str, Any], checkpoint: str) -> None:
    """An interrupted request has no effect on later ones."""
    recorded = found[checkpoint]
    expected = [said(answer) for answer in recorded["answers"][1::-1]] * len(CUTS)
    assert [said(answer) for answer in recorded["after"]] == expected


def test_close_gives_the_memory_back(found: dict[str, Any]) -> None:
    """Loaded and closed six times, a process has not grown by half of the weights since the second.

    None knew its requests beforehand, unlike in the other tests.
    """
    held, texts = found["chain"]["rounds"]
    assert max(held[2:]) - held[1] < found["chain"]["loaded"]["weights_bytes"] / 2
    assert set(texts) == {following("a", 4)}


def test_what_it_holds(found: dict[str, Any]) -> None:
    """Weights and cache, if any, as a Llama of that size has them, in numbers of up to 4 bytes."""
    recorded = found["chain"]
    layer = HIDDEN * (2 * HIDDEN + 2 * HIDDEN * KV_HEADS // HEADS + 3 * WIDE + 2)
    parameters = 2 * 258 * HIDDEN + LAYERS * layer + HIDDEN
    assert recorded["loaded"]["weights_bytes"] == pytest.approx(4 * parameters, rel=0.1)
    cached = LAYERS * KV_HEADS * HIDDEN // HEADS * 2
    assert recorded["loaded"]["kv_bytes_per_token"] in (None, cached, 2 * cached, 4 * cached)
    assert recorded["loaded"]["kernel"] is None or recorded["loaded"]["kernel"].strip()
    assert recorded["peak"] is None, "the CPU has no memory of its own"


def test_random_answers_are_those_of_engines_that_say_so(
    engine: str, checkpoint: str, found: dict[str, Any]
) -> None:
    """The same for the same seed, others for others; the next request has the likeliest tokens."""
    recorded = found[checkpoint]
    assert said(recorded["after random"]) == said(recorded["answers"][0])
    if ENGINE_BLOCKS[engine].samples:
        assert recorded["random"][0] == recorded["random"][1]
        assert len(set(recorded["random"])) > len(set(SEEDS)) // 2


def test_choices_are_those_of_engines_that_say_so(engine: str, found: dict[str, Any]) -> None:
    """The likeliest by the chain, in its own tokens; other engines refuse with one line."""
    chosen = found["chain"]["chosen"]
    if "choose" not in ENGINE_BLOCKS[engine].asks:
        assert chosen == "the engine does not give the likelihood of a text"
        return
    right, wrong, longer = chosen["logprobs"]
    assert wrong < right <= 0
    assert longer < right
    assert chosen["tokens"] == [2, 2, 3]
    assert chosen["prompt_tokens"] == len(A)
    assert chosen["end_ns"] > 0


def test_choices_are_as_likely_as_transformers_says(
    engine: str, test_data: Path, stories: Path, found: dict[str, Any]
) -> None:
    """Transformers' loss, the mean over the labels, gives the same likelihoods.

    A cache in half precision, 11 bits, rounds what attention sees by 5e-4 of it, once a token.
    """
    chosen = found["stories"]["chosen"]
    if "choose" not in ENGINE_BLOCKS[engine].asks:
        assert isinstance(chosen, str)
        return
    encode = transformers.AutoTokenizer.from_pretrained(stories)
    model = transformers.AutoModelForCausalLM.from_pretrained(stories)
    before = len(encode(STORIES[0])["input_ids"])
    for text, logprob, tokens in zip(CHOICES, chosen["logprobs"], chosen["tokens"], strict=True):
        ids = torch.tensor([encode(STORIES[0] + text)["input_ids"]])
        labels = ids.clone()
        labels[:, :before] = -100
        with torch.no_grad():
            loss = float(model(ids, labels=labels).loss)
        assert tokens == ids.shape[1] - before
        cached = found["stories"]["loaded"]["kv_bytes_per_token"]
        rounded = 1e-3 if cached in WHOLE else 1e-2 * tokens
        assert logprob == pytest.approx(-loss * tokens, abs=rounded)
        print(f"{engine}: {text!r} {logprob:.5f}, transformers {-loss * tokens:.5f}")


def test_no_engine_imports_another(engine: str, found: dict[str, Any]) -> None:
    """All engines use transformers' tokenizers, but none its engine; one library is built on another."""
    loaded = set(found["chain"]["modules"])
    others = set(ENGINES) - {engine}
    assert not loaded & {f"frontier.engines.loaded.{other}" for other in others}
    built_on = {"openvino"} if engine == "openvino_genai" else set()
    assert not loaded & (others - {"transformers"} - built_on)


def test_planning_imports_no_engine() -> None:
    """The whole default study is planned without torch, transformers or any other engine."""
    program = (
        "import contextlib, json, sys\n"
        "from pathlib import Path\n"
        "import plan\n"
        "with contextlib.redirect_stdout(sys.stderr):\n"
        "    steps = plan.read([Path('config/config.yaml')])\n"
        "    plan.show(steps, steps.cells)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": LIBRARY, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout))
    assert {"frontier.planning.steps", "frontier.catalogue.configuration"} <= loaded
    assert not loaded & {"torch", "tokenizers", "optimum", *ENGINES}
    assert not loaded & {f"frontier.engines.loaded.{name}" for name in ENGINES}


def test_all_engines_agree(
    engine: str, test_data: Path, found: dict[str, Any], reference: dict[str, Any]
) -> None:
    """The same tokens as transformers computes them step by step, but for near ties.

    Engines add up in other orders, so that two logits may change places that are closer than
    rounding. For numbers of 24 bits that is 1e-4, for logits of about 10 and sums of hundreds of
    products. An engine whose cache is in half precision, 11 bits, rounds what attention sees by
    5e-4 of it, and 1e-2 is twenty times that.
    """
    recorded = found["stories"]
    cached = recorded["loaded"]["kv_bytes_per_token"]
    bound = 1e-4 if cached in WHOLE else 1e-2
    partings = []
    *parted, wrong = recorded["parted"]
    assert wrong == PARTED
    for prompt, position in zip(STORIES, parted, strict=True):
        if position is not None:
            best = reference[prompt][1][position].topk(2).values
            partings.append((prompt, position, float(best[0] - best[1])))
    print(f"{engine} parts at (prompt, token, gap):", partings)
    assert all(gap < bound for _, _, gap in partings), (bound, partings)

"""Worked examples before a question, and the beginning of its answer: drawn, rendered, counted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import chains
import little
import shipped
import tiny
from frontier import prompts
from frontier.catalogue.entries import Catalogue
from frontier.catalogue.question import Config
from frontier.checkpoints.chat import ChatTemplate
from frontier.datasets import Row
from frontier.datasets.demo import Demo
from frontier.engines import Generate, Loaded, ServerFacts, Settings
from frontier.engines.loaded import transformers
from frontier.errors import UnsupportedError, UserError
from frontier.planning.steps import Steps
from frontier.prompts import Chat, Question, Shot
from frontier.sampling.shots import ShotsSpec
from frontier.scenarios.common import asked, warming
from frontier.specs.measure import MeasuredTask
from frontier.templates import TODAY
from measurements import a_measurement
from quantizing import quantizer

NATIVE = Settings("cpu", "float32", 1, "plain", quantizer("native"))
AS_CHAT = Settings("cpu", "float32", 1, "chat", quantizer("native"))
TURNS = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
TEMPLATES = {
    "plain": TURNS + "{% if add_generation_prompt %}[assistant] {% endif %}",
    "trimmed": "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}",
}
WORDS = st.text(st.characters(codec="utf-8"), min_size=1).map(str.strip).filter(bool)
SHOTS = st.lists(st.builds(Shot, WORDS, WORDS), max_size=4).map(tuple)


class Rows(Demo):
    """Rows that a test has chosen."""

    given: tuple[Any, ...] = ()

    def rows(self, folder: Path) -> Iterator[Row]:
        """Those."""
        yield from self.given


def row(number: int, group: str = "", text: str | None = None) -> Row:
    """A row whose text is its number, unless another is given."""
    fields = {"text": text or f"text {number}", "group": group}
    return Row(f"row-{number}", fields, f"answer {number}", group)


def spec(rows: list[Row], count: int, **keys: Any) -> ShotsSpec:
    """Shots from these rows."""
    loader = Rows.model_construct(grammar="arithmetic", given=tuple(rows))
    given = {"count": count, "fields": ("text",), "own": True} | keys
    return ShotsSpec.model_construct(
        loader=loader, **{"by": None, "sampler": "seeded", "seed": 0} | given
    )


TABLES = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), min_size=14).map(
    lambda pairs: [row(number, group, str(text)) for number, (group, text) in enumerate(pairs)]
)


@given(TABLES, st.data(), st.integers(0, 3), st.sampled_from(["seeded", "first"]))
def test_examples_are_others_and_grow_at_the_end(
    rows: list[Row], data: st.DataObject, seed: int, sampler: str
) -> None:
    """Never the question, nor a row with its text; a larger count begins with the smaller one.

    The first rows in their order are so too, but the last of them is nearest to the question.
    """
    asked = data.draw(st.lists(st.sampled_from(rows), min_size=1))
    most = len({one.fields["text"] for one in rows}) - 2
    assume(most > 0)
    large = data.draw(st.integers(1, most))
    small = data.draw(st.integers(1, large))
    keys = {"seed": seed, "sampler": sampler}
    drawn = spec(rows, large, **keys).choose(asked, Path())
    for question, examples in zip(asked, drawn, strict=True):
        texts = [one.fields["text"] for one in examples]
        assert len(texts) == large
        assert sampler == "first" or len(set(texts)) == large
        assert question.fields["text"] not in texts
        assert question.id not in {one.id for one in examples}
    fewer = spec(rows, small, **keys).choose(asked, Path())
    of = slice(large - small, large) if sampler == "first" else slice(small)
    assert [examples[of] for examples in drawn] == fewer
    if sampler == "seeded":
        shuffled = data.draw(st.permutations(rows))
        assert spec(shuffled, large, **keys).choose(asked, Path()) == drawn


def test_the_same_for_all_questions_and_from_all_strata() -> None:
    """Questions of another split have the same examples, equally many of each stratum."""
    rows = [row(number, "ab"[number % 5 == 0]) for number in range(60)]
    asked = [row(100 + number) for number in range(5)]
    first, *others = spec(rows, 6, own=False).choose(asked, Path())
    assert [first] * 4 == others
    assert sorted(one.stratum for one in first) == ["a"] * 3 + ["b"] * 3
    assert spec(rows, 6, own=False, seed=1).choose(asked, Path())[0] != first
    in_order = spec(rows, 3, own=False, sampler="first").choose(asked, Path())[0]
    assert in_order == rows[2::-1], "nearest first"


def test_the_first_rows_are_as_they_are() -> None:
    """One of MMLU's examples of college physics is there twice, and is asked twice."""
    rows = [row(0, text="a"), row(1, text="b"), row(2, text="a"), row(3, text="c")]
    asked = [row(9, text="z"), row(8, text="a"), row(7, text="b")]
    found = spec(rows, 2, own=False, sampler="first").choose(asked, Path())
    assert [[int(one.id[-1]) for one in each] for each in found] == [[1, 0], [3, 1], [2, 0]]
    (drawn,) = spec(rows, 3, own=False).choose(asked[:1], Path())
    assert sorted(one.fields["text"] for one in drawn) == ["a", "b", "c"], "drawn ones differ"
    many = [*(row(number, text="a") for number in range(20)), row(20), row(21)]
    (others,) = spec(many, 2, own=False, sampler="first").choose(asked[1:2], Path())
    assert others == [many[21], many[20]], "any number of the question's own text"


@pytest.mark.parametrize("by", ["stratum", "group"])
def test_examples_that_share_something_with_the_question(by: str) -> None:
    """MMLU's are of the question's subject."""
    rows = [row(number, "abc"[number % 3]) for number in range(30)]
    asked = [row(100, "b"), row(101, "c")]
    for question, found in zip(asked, spec(rows, 4, by=by).choose(asked, Path()), strict=True):
        assert {one.stratum for one in found} == {question.stratum}
    with pytest.raises(UserError, match=f"only 10 with the {by} 'b'"):
        spec(rows, 11, by=by).choose(asked, Path())
    with pytest.raises(UserError, match=f"only 0 with the {by} 'd'"):
        spec(rows, 1, by=by).choose([row(1, "d")], Path())


def test_examples_must_not_reveal_the_answer() -> None:
    """A stratum may be a label: examples of the question's stratum then have its answer."""
    rows = [Row(str(n), {"text": str(n)}, "ab"[n % 2], "ab"[n % 2]) for n in range(20)]
    with pytest.raises(UserError, match=r"shots\.by: all rows with the same stratum"):
        spec(rows, 2, by="stratum").choose(rows[:1], Path())
    assert spec(rows, 2).choose(rows[:1], Path())


@given(WORDS, SHOTS, st.sampled_from(["text", "turns"]), st.sampled_from(["", "Well:"]))
def test_fewer_shots_make_the_prompt_of_a_smaller_count(
    prompt: str, shots: tuple[Shot, ...], style: Any, begins: str
) -> None:
    """A prompt that has lost some is one that a task could have."""
    question = Question(prompt, shots, style, begins=begins)
    assert question.with_shots(len(shots)) == question.whole
    for count in range(len(shots)):
        smaller = Question(prompt, shots[:count], style, begins=begins)
        assert question.with_shots(count) == smaller.whole
        assert prompts.written(question.with_shots(count)) != prompts.written(question.whole)


def test_a_prompt_as_text_and_as_turns() -> None:
    """The first drawn is the nearest to the question; a beginning is in each answer."""
    read = {
        "fields": {"a": "3"},
        "shots": [{"fields": {"a": one}, "reference": one * 2} for one in "12"],
    }
    question = prompts.question("Q: {a}\nA:", read)
    assert question.whole == "Q: 2\nA: 22\n\nQ: 1\nA: 11\n\nQ: 3\nA:"
    begun = prompts.question("Q: {a}\nA:", read, prompts.Form("turns", begins="It is")).whole
    assert isinstance(begun, Chat)
    assert begun.turns == [
        ("user", "Q: 2\nA:"), ("assistant", "It is 22"),
        ("user", "Q: 1\nA:"), ("assistant", "It is 11"), ("user", "Q: 3\nA:"),
    ]  # fmt: skip
    assert begun.begins == "It is"
    alone = prompts.question("{a}", {"fields": {"a": "3"}}, prompts.Form("turns"))
    assert alone.whole == "3", "a task without examples has the prompt that it always had"
    about = prompts.Form(preamble="About {a}. ")
    assert prompts.question("Q: {a}\nA:", read, about).whole == f"About 3. {question.whole}"
    in_turns = prompts.question("Q: {a}\nA:", read, prompts.Form("turns", preamble="About {a}. "))
    assert in_turns.whole.turns[0] == ("user", "About 3. Q: 2\nA:")  # type: ignore[union-attr]
    assert in_turns.with_shots(1).turns[0] == ("user", "About 3. Q: 1\nA:")  # type: ignore[union-attr]
    assert in_turns.with_shots(0) == "About 3. Q: 3\nA:"


@pytest.mark.parametrize("source", TEMPLATES.values(), ids=TEMPLATES)
@given(prompt=WORDS, shots=SHOTS, begins=st.sampled_from(["", "So", "The answer is:"]))
def test_turns_are_rendered_as_transformers_does(
    source: str, prompt: str, shots: tuple[Shot, ...], begins: str
) -> None:
    """`continue_final_message` is used for an answer that has begun."""
    turns = [*Chat(prompt, shots).turns, *([("assistant", begins)] if begins else [])]
    expected = chains.tokenizer().apply_chat_template(
        [{"role": role, "content": text} for role, text in turns], chat_template=source,
        add_generation_prompt=not begins, continue_final_message=bool(begins), tokenize=False,
    )  # fmt: skip
    assert ChatTemplate(source, {}, {}, TODAY).render(Chat(prompt, shots, begins)) == expected


LAST_ONLY = "[{{ messages[-1].content }}]"
STRICT = (
    "{% for m in messages %}{% if m.role != 'user' %}{{ raise_exception('Only users speak') }}"
    "{% endif %}{{ m.content }}{% endfor %}"
)


@pytest.mark.parametrize(
    ("source", "words"), [(LAST_ONLY, "leaves earlier turns out"), (STRICT, "Only users speak")]
)
def test_a_template_without_room_for_turns_is_known_while_planning(
    tmp_path: Path, source: str, words: str
) -> None:
    """The cell is unsupported, with the reason; a task without turns runs."""
    built = chains.tokenizer()
    built.chat_template = source
    folder = chains.checkpoint(tmp_path / "model", built)
    model = {"path": str(folder), "prompt": "chat"}
    found = reasons(catalogue(tmp_path, model, {"from": "train", "count": 2, "as": "turns"}))
    assert words in str(found["t"])
    assert reasons(catalogue(tmp_path, model, {"from": "train", "count": 2}))["t"] is None
    loaded = transformers.load(chains.answering(folder, [" odd"]), AS_CHAT)
    question = Question("x =", (Shot("1", "2"),), "turns")
    with pytest.raises(UnsupportedError, match=words):  # as a hub's is, once it is fetched
        asked.check_prompts(loaded, {"one": question})
    asked.check_prompts(loaded, {"one": Question("x =", (Shot("1", "2"),))})


def catalogue(
    folder: Path, model: dict[str, Any], shots: Any = None, device: Any = None, **keys: Any
) -> Catalogue:
    """A model, a device and a task on reviews that has these shots."""
    own = {"shots": shots} if shots is not None else {}
    data = {"loader": "sst2", "source": {"path": str(folder / "reviews")}}
    sentiment = {"kind": "classification", "labels": ["negative", "positive"]}
    task = {
        "dataset": "d", "sample": {"size": 1, "split": "validation"}, "prompt": "{sentence} =",
        "max_new_tokens": 1, "scorer": sentiment, **own, **keys,
    }  # fmt: skip
    demo = {"loader": "demo", "source": {"generator": "demo"}}
    tiny.reviews(folder / "reviews")
    with (tiny.reviews(folder / "more") / "dev.tsv").open("a", encoding="utf-8") as file:
        file.write("another one that is bad \t0\n")
    return shipped.catalogue(
        models={"m": model}, quantizations={"native": {"method": "native"}},
        devices={"d": device or {"accelerator": "cpu"}},
        datasets={"d": data, "e": {"loader": "sst2", "source": {"path": str(folder / "more")}},
                  "same": data, "demo": demo},
        tasks={"t": task, "other": {**task, "shots": None, "answer_begins": None}},
    )  # fmt: skip


def steps(found: Catalogue) -> Steps:
    """The study of both tasks."""
    study = {"models": ["m"], "devices": ["d"], "tasks": ["t", "other"]}
    return Steps(found, Config.model_validate({"study": study}), lambda *_: None)


def reasons(found: Catalogue) -> dict[str, str | None]:
    """Each task's reason for being left out."""
    return {cell.task: cell.reason for cell in steps(found).cells}


PLAIN = {"hub": "owner/name", "revision": "0123456789abcdef0123456789abcdef01234567"}
CHAT = PLAIN | {"prompt": "chat"}
SERVED = {"served": "name", "prompt": "chat"}
BEGUN = {"answer_begins": "So"}
MANY = {"from": "train", "count": 2, "as": "turns"}


@pytest.mark.parametrize(
    ("model", "engine", "keys", "reason"),
    [
        (PLAIN, None, {"shots": MANY}, "shots as turns need a model with prompt: chat"),
        (PLAIN, None, {"shots": MANY | {"as": "text"}}, None),
        (CHAT, None, {"shots": MANY, **BEGUN}, None),
        (PLAIN, None, BEGUN, None),
        (SERVED, "openai", {"shots": MANY}, None),
        (SERVED, "openai", BEGUN, "chat: cannot continue an answer that has begun (dialect.pref"),
        (SERVED, "openai-responses", BEGUN, "responses: this protocol cannot continue an answer"),
        (SERVED, "openai-responses", {"shots": MANY}, None),
    ],
)
def test_where_turns_and_beginnings_are_possible(
    tmp_path: Path, model: Any, engine: str | None, keys: dict[str, Any], reason: str | None
) -> None:
    """Elsewhere the cell is unsupported with a reason, before any job."""
    device = {"accelerator": "remote", "engine": engine} if engine else None
    found = reasons(catalogue(tmp_path, model, device=device, **keys))
    assert found["other"] is None
    assert found["t"] == reason or (reason and str(found["t"]).startswith(reason))


@pytest.mark.parametrize(
    ("shots", "words"),
    [
        ({"from": "trian", "count": 2}, r"t\.shots\.from: unknown id 'trian' .*'train'"),
        ({"from": "validation", "count": 2}, r"from: 'validation' has the rows of the questions"),
        ({"from": "same", "count": 2}, r"from: 'same' has the rows of the questions"),
        ({"from": "d", "count": 2}, r"from: unknown id 'd'"),
        ({"from": "demo", "count": 2}, r"from: the loader of 'demo' is demo, not sst2"),
        ({"from": "train", "count": 0}, r"t: shots\.count: .*greater than 0 \(found 0\)"),
        ({"from": "train", "count": -1}, r"t: shots\.count: .*greater than 0 \(found -1\)"),
        ({"from": "train", "count": 2.5}, r"t: shots\.count: .*valid integer"),
        ({"from": "train"}, r"t: shots\.count: .*required"),
        ({"form": "train", "count": 2}, r"t: shots\.form: unknown key .*'from'"),
        ({"from": "train", "count": 2, "by": "stratim"}, r"shots\.by: unknown id .*'stratum'"),
        ({"from": "train", "count": 2, "by": "sentense"}, r"shots\.by: unknown id .*'sentence'"),
        ({"from": "train", "count": 2, "as": "turn"}, r"t: shots\.as: .*'turns'"),
        ({"from": "train", "count": 2, "sampler": "frist"}, r"shots\.sampler: .*'first'"),
        (3, r"t: shots: "),
    ],
)
def test_wrong_shots_are_one_line(tmp_path: Path, shots: Any, words: str) -> None:
    """The file, the key, and the nearest name, before any job."""
    with pytest.raises(UserError, match=words) as refusal:
        catalogue(tmp_path, PLAIN, shots)
    assert str(refusal.value).startswith("config/tasks.yaml: tasks.t")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("begins", ["", " So", "So\n"])
def test_a_beginning_without_white_space_around_it(tmp_path: Path, begins: str) -> None:
    with pytest.raises(UserError, match=r"t: answer_begins: "):
        catalogue(tmp_path, PLAIN, answer_begins=begins)


def identities(found: Catalogue) -> tuple[str, ...]:
    """The samples' and measurements' identities of both tasks, those of `t` first."""
    planned = steps(found)
    by_task = {cell.task: planned.measure(cell).identity for cell in planned.cells}
    samples = (planned.sample("t").identity, planned.sample("other").identity)
    return (samples[0], by_task["t"], samples[1], by_task["other"])


FIRST = {"from": "train", "count": 2}


@pytest.mark.parametrize(
    ("shots", "keys", "sampled"),
    [
        (None, {}, True),
        (FIRST | {"count": 3}, {}, True),
        (FIRST | {"from": "e"}, {}, True),
        (FIRST | {"seed": 1}, {}, True),
        (FIRST | {"sampler": "first"}, {}, True),
        (FIRST | {"by": "sentence"}, {}, True),
        (FIRST | {"as": "turns"}, {}, False),
        (FIRST | {"separator": "\n"}, {}, False),
        (FIRST, {"answer_begins": "So"}, False),
    ],
)
def test_all_that_decides_a_prompt_is_in_the_identity_of_its_task(
    tmp_path: Path, shots: Any, keys: dict[str, Any], sampled: bool
) -> None:
    """No other task's has it; the form of the examples draws no other sample."""
    model = CHAT if (shots or {}).get("as") else PLAIN
    before = identities(catalogue(tmp_path, model, FIRST))
    after = identities(catalogue(tmp_path, model, shots, **keys))
    assert [one != other for one, other in zip(before, after, strict=True)] == [
        sampled, True, False, False,
    ]  # fmt: skip


def test_defaults_said_explicitly_change_nothing(tmp_path: Path) -> None:
    explicit = {"by": None, "as": "text", "sampler": "seeded", "seed": 0, "separator": "\n\n"}
    found = [identities(catalogue(tmp_path, PLAIN, FIRST | more)) for more in ({}, explicit)]
    assert found[0] == found[1]


def task(style: str = "text", **keys: Any) -> MeasuredTask:
    """A task with three shots."""
    shots = {"count": 3, "as": style, "separator": "\n\n"}
    given = {"prompt": "{a} w1", "max_new_tokens": 4, "stop": (), "shots": shots} | keys
    return MeasuredTask.model_validate(given)


def test_a_prompt_without_room_loses_shots_and_is_counted(tmp_path: Path) -> None:
    """The last drawn first, never the question; what is too long without any is refused."""
    model = transformers.load(little.checkpoint(tmp_path / "little"), NATIVE)
    room = model.prompting.positions
    assert room
    long = " ".join(["w2"] * (room // 8))
    read = {
        "short": {"fields": {"a": "w3"}, "shots": few("w4", "w5", "w6")},
        "long": {"fields": {"a": "w3"}, "shots": few("w4", long, " ".join(["w7"] * room))},
        "longer": {"fields": {"a": "w3"}, "shots": few(" ".join(["w7"] * room), "w5", "w6")},
        "longest": {"fields": {"a": " ".join(["w7"] * room)}, "shots": few("w4", "w5", "w6")},
    }
    own = task()
    questions = {name: own.question(one) for name, one in read.items()}
    found = asked.requests_for(questions, own, model)
    assert {name: one.lost_shots for name, one in found.items()} == {
        "short": 0, "long": 1, "longer": 3, "longest": 3,
    }  # fmt: skip
    assert found["long"].prompt == f"{long} w1 w9\n\nw4 w1 w9\n\nw3 w1"
    assert found["longer"].prompt == "w3 w1"
    for name in ("short", "long", "longer"):
        assert model.generate(found[name]).text
    with pytest.raises(UnsupportedError, match="longer than the model's"):
        model.generate(found["longest"])


def few(*texts: str) -> list[dict[str, Any]]:
    """Shots with these texts."""
    return [{"fields": {"a": text}, "reference": "w9"} for text in texts]


def test_a_real_chat_model_continues_turns_and_beginnings(tmp_path: Path) -> None:
    """It answers "=" by "odd": with a beginning that ends so it does, without one it does not."""
    built = chains.tokenizer("$A")
    built.chat_template = TEMPLATES["plain"]
    folder = chains.answering(chains.checkpoint(tmp_path / "m", built), [" odd", "</s>"])
    model = transformers.load(folder, AS_CHAT)
    shots = (Shot("1", "one"), Shot("2", "two"))
    chat = Chat("3", shots, "x =")
    assert model.refusal(chat) is None
    rendered = "[user] 1\n[assistant] one\n[user] 2\n[assistant] two\n[user] 3\n[assistant] x ="
    assert model.render(chat) == rendered
    answer = model.generate(Generate(chat, 4))
    assert answer.text == " odd", "the beginning is no part of the answer"
    assert answer.prompt_tokens == len(built(rendered)["input_ids"])
    assert model.generate(Generate(Chat("3", shots), 4)).text != " odd"


def test_a_record_has_the_task_s_whole_prompt_as_its_input() -> None:
    """A task without shots has the one that earlier records have."""
    assert prompts.written("a prompt") == "a prompt"
    one = Chat("a", (Shot("b", "c"),))
    assert json.loads(prompts.written(one))[0] == ["user", "b"]


def test_a_warm_up_shares_no_beginning_with_the_sample() -> None:
    """Examples are cut too, where a server may cache what prompts begin with."""
    chat = Chat("question", (Shot("example", "answer"),), "So")
    asked = [Generate(chat, 4), Generate(Chat("question", begins="So"), 4), Generate("text", 4)]
    facts = Loaded(None, None, None, server=ServerFacts("it", prefix_cache=True))
    model = SimpleNamespace(loaded=facts)
    found = [one.prompt for one in warming.unlike(cast(Any, model), asked)]
    assert found == [
        Chat("question", (Shot("xample", "answer"),), "So"), Chat("uestion", begins="So"), "ext",
    ]  # fmt: skip


def test_a_measurement_has_the_shots_of_its_specification() -> None:
    """Written as measure.py writes it, and read again."""
    written = task("turns").model_dump(mode="json", exclude_unset=True)
    assert written["shots"] == {"count": 3, "as": "turns", "separator": "\n\n"}
    found = a_measurement(spec={"task": written}).shots
    assert found
    assert (found.count, found.as_) == (3, "turns")

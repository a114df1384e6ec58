"""Chat templates: as transformers renders them, but the same on every day, and refused in a line."""

from __future__ import annotations

import json
import re
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import chains
from conftest import ROOT
from frontier.catalogue.configuration import read_catalogue
from frontier.catalogue.models import Model
from frontier.catalogue.question import Config
from frontier.checkpoints.chat import ChatTemplate, default_template
from frontier.engines.common.prompting import Prompting
from frontier.errors import UserError
from frontier.planning import chat_files
from frontier.planning.steps import Steps

DAY = date(2025, 3, 9)
TURNS = "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}"
ALIKE = {
    "turns": TURNS + "{% if add_generation_prompt %}[assistant]{% endif %}",
    "special tokens": "{{ bos_token }}" + TURNS + "{{ eos_token }}{{ unset_token }}",
    "trimmed blocks": "\n  {% for m in messages %}\n  {{ m.content | trim }}\n  {%- endfor %}\n.",
    "no tools": "{% if tools is not none or documents is not none %}tools{% endif %}" + TURNS,
    "generation": TURNS + "{% generation %}{% set x = 1 %}an answer{% endgeneration %}",
    "loop controls": "{% for m in messages %}{{ m.content }}{% break %}{% endfor %}",
    "namespace": "{% set n = namespace(x='') %}{% for m in messages %}{% set n.x = m.content %}"
    "{% endfor %}{{ n.x }}",
    "json": "{{ messages | tojson }}{{ dict(a='ä<') | tojson(indent=2) }}",
    "conversion": "{% set c = messages[0]['content'] %}{{ c.split('</think>')[-1] }}{{ c | length }}",
    "tests": "{% if date_string is defined %}{{ date_string }}{% endif %}" + TURNS,
}  # fmt: skip


def change(path: Path, **values: Any) -> None:
    """Sets keys of a JSON file."""
    found = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(found | values), encoding="utf-8")


def rendered(source: str, prompt: str = "Is it good?", **arguments: Any) -> str:
    return ChatTemplate(source, {"bos_token": "<s>"}, arguments, DAY).render(prompt)


@pytest.mark.parametrize("source", ALIKE.values(), ids=ALIKE)
@given(prompt=st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_a_prompt_is_rendered_as_transformers_does(source: str, prompt: str) -> None:
    tokenizer = chains.tokenizer()
    chat = [{"role": "user", "content": prompt}]
    expected = tokenizer.apply_chat_template(
        chat, chat_template=source, add_generation_prompt=True, tokenize=False,
        **({"date_string": "09 Mar 2025"} if "date_string" in source else {}),
    )  # fmt: skip
    tokens = {"bos_token": "<s>", "eos_token": "</s>"}
    assert ChatTemplate(source, tokens, {}, DAY).render(prompt) == expected


@pytest.mark.parametrize("source", ["turns", "special tokens", "generation", "json"])
@given(system=st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_system_message_comes_first(source: str, system: str) -> None:
    """It is before every prompt, as transformers renders it."""
    chat = [{"role": "system", "content": system}, {"role": "user", "content": "Is it good?"}]
    expected = chains.tokenizer().apply_chat_template(
        chat, chat_template=ALIKE[source], add_generation_prompt=True, tokenize=False
    )
    tokens = {"bos_token": "<s>", "eos_token": "</s>"}
    template = ChatTemplate(ALIKE[source], tokens, {}, DAY, system)
    assert template.render("Is it good?") == expected


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ messages[-1].content }}", "leaves the system message out"),
        (
            "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}"
            "{% endif %}{{ messages[-1].content }}",
            "template fails: System role not supported",
        ),
    ],
)
def test_a_template_without_room_for_a_system_message(source: str, words: str) -> None:
    """Nothing is left out silently."""
    assert ChatTemplate(source, {}, {}, DAY).render("x") == "x"
    with pytest.raises(UserError, match=words):
        ChatTemplate(source, {}, {}, DAY, "Be brief.")


@pytest.mark.parametrize(
    ("source", "day"),
    [
        ("{{ strftime_now('%d %b %Y') }}", "09 Mar 2025"),
        ("{% if strftime_now is defined %}{{ strftime_now('%Y-%m-%dT%H:%M') }}{% endif %}",
         "2025-03-09T00:00"),
        ("{{ strftime_now('%s %Z') }}", "1741478400 UTC"),
        ("{% if not date_string is defined %}{% set date_string = 'then' %}{% endif %}"
         "{{ date_string }}", "09 Mar 2025"),
        ("{% if not date_string is defined %}{% set date_string = strftime_now('%Y') %}{% endif %}"
         "{{ date_string }}", "2025"),
    ],
)  # fmt: skip
def test_today_is_the_day_that_is_named(source: str, day: str) -> None:
    """Both transformers' function and the argument of earlier templates name it."""
    assert rendered(source + TURNS) == f"{day}[user] Is it good?\n"


def test_a_date_of_ones_own_as_an_argument() -> None:
    assert rendered("{{ date_string }}" + TURNS, date_string="today").startswith("today[")


def test_arguments_reach_the_template() -> None:
    source = TURNS + "{% if enable_thinking is defined and not enable_thinking %}/no{% endif %}"
    assert rendered(source) == "[user] Is it good?\n"
    assert rendered(source, enable_thinking=True) == "[user] Is it good?\n"
    assert rendered(source, enable_thinking=False) == "[user] Is it good?\n/no"
    tool = {"type": "function", "function": {"name": "look"}}
    assert "look" in rendered("{{ tools | tojson }}" + TURNS, tools=[tool])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"enable_thinkin": False}, "no 'enable_thinkin' (did you mean 'enable_thinking'?)"),
        ({"messages": []}, "no 'messages'"),
        ({"add_generation_prompt": False}, "it uses: budget, enable_thinking"),
        ({"bos_token": ""}, "no 'bos_token'"),
        ({"m": 1}, "no 'm'"),
    ],
)
def test_arguments_that_the_template_does_not_use(arguments: dict[str, Any], message: str) -> None:
    source = TURNS + "{{ bos_token }}{{ enable_thinking }}{{ budget }}"
    with pytest.raises(UserError, match=re.escape(message)):
        rendered(source, **arguments)


FAILING = {
    "raises": ("{{ raise_exception('A system\n message must come first') }}", "A system message"),
    "syntax": ("\n{% if messages %}", "fails in line 2"),
    "unknown tag": ("{% tool %}", "unknown tag"),
    "unknown filter": ("{{ messages | frobnicate }}", "frobnicate"),
    "undefined": ("{{ system.content }}", "'system' is undefined"),
    "clock": ("{{ datetime.now() }}", "'datetime' is undefined"),
    "chance": ("{{ [1, 2] | random }}", "it uses random values"),
    "chance text": ("{{ lipsum() }}", "it uses random values"),
    "type": ("{{ 1 + 'a' }}", "unsupported operand"),
    "division": ("{{ 1 / 0 }}", "division by zero"),
    "range": ("{{ range(10 ** 9) | list }}", "Range too big"),
    "recursion": ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recursion"),
    "sandbox": ("{{ ''.__class__.__mro__ }}", "unsafe"),
    "writing": ("{{ messages.append(1) }}", "is unsafe"),
    "include": ("{% include 'x' %}", "no loader"),
    "prompt left out": ("{{ bos_token }}Hello!", "leaves the prompt out"),
    "parts": ("{% for p in messages[0].content %}{{ p.text }}{% endfor %}", "leaves the prompt"),
}


@pytest.mark.parametrize(("source", "message"), FAILING.values(), ids=FAILING)
def test_a_template_that_fails_is_refused_in_one_line(source: str, message: str) -> None:
    """The error comes before the model gets a request."""
    with pytest.raises(UserError, match=re.escape(message)) as refused:
        ChatTemplate(source, {}, {}, DAY)
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith("prompt: chat")


def test_a_template_that_refuses_one_prompt() -> None:
    """It is found where prompts are rendered, which is before the first is timed."""
    source = "{% if 'x' in messages[0].content %}{{ raise_exception('no x') }}{% endif %}" + TURNS
    built = ChatTemplate(source, {}, {}, DAY)
    assert built.render("why") == "[user] why\n"
    with pytest.raises(UserError, match="no x"):
        built.render("x")


def test_of_several_templates_the_default_is_taken(tmp_path: Path) -> None:
    """The templates are stored as a checkpoint stores them."""
    built = chains.tokenizer()
    built.chat_template = {"default": "one " + TURNS, "tool_use": "two"}
    folder = chains.checkpoint(tmp_path, built)
    assert Prompting(folder, "chat").render("hi") == "one [user] hi\n"
    with pytest.raises(UserError, match="called 'default'; there are: 'rag', 'tool_use'"):
        default_template({"tool_use": "", "rag": ""})
    with pytest.raises(UserError, match="no chat template"):
        default_template(None)


def tried(folder: Path, **keys: Any) -> None:
    """Looks at a checkpoint's chat template as planning does."""
    block = Model.model_validate({"path": folder, "prompt": "chat", **keys})
    chat_files.check(folder, block)


@pytest.mark.parametrize("templates", [TURNS, {"default": TURNS, "tool_use": "x"}])
def test_what_planning_lets_through_can_be_used(tmp_path: Path, templates: Any) -> None:
    """The template is in a file, as transformers writes it, or in the tokenizer's settings."""
    built = chains.tokenizer()
    built.chat_template = templates
    folder = chains.checkpoint(tmp_path, built)
    tried(folder)
    own = folder / "chat_template.jinja"
    source = own.read_text(encoding="utf-8")
    own.unlink()
    # Not among the files that a checkpoint is linked or fetched with.
    shutil.rmtree(folder / "additional_chat_templates", ignore_errors=True)
    change(folder / "tokenizer_config.json", chat_template=source)
    tried(folder)
    named = [{"name": "default", "template": source}, {"name": "rag", "template": "y"}]
    change(folder / "tokenizer_config.json", chat_template=named)
    tried(folder)
    assert Prompting(folder, "chat").render("hi") == "[user] hi\n"


@pytest.mark.parametrize(
    ("template", "keys", "message"),
    [
        (None, {}, "no chat template"),
        ([{"name": "rag", "template": TURNS}], {}, "there are: 'rag'"),
        ("{{ raise_exception('A system message must come first') }}", {}, "A system message"),
        ("{% if x %}", {}, "fails in line 1"),
        (TURNS, {"template_arguments": {"enable_thinking": False}}, "no 'enable_thinking'"),
    ],
)
def test_what_cannot_be_used_is_known_while_planning(
    tmp_path: Path, template: Any, keys: dict[str, Any], message: str
) -> None:
    folder = chains.checkpoint(tmp_path, chains.tokenizer())
    change(folder / "tokenizer_config.json", chat_template=template)
    with pytest.raises(UserError, match=re.escape(message)):
        tried(folder, **keys)
    mine = {"path": str(folder), "prompt": "chat", **keys}
    catalogue = read_catalogue(ROOT / "config")
    catalogue.models["mine"] = Model.model_validate(mine)
    study = {"models": ["mine"], "devices": ["cpu"], "tasks": ["demo-sentiment"]}
    steps = Steps(catalogue, Config.model_validate({"study": study}), lambda *_: None)
    with pytest.raises(UserError, match="models\\.mine: .*" + re.escape(message)):
        steps.measure(steps.cells[0])

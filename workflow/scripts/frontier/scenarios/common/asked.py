"""The requests for a sample's questions, with as many worked examples as the model has room for."""

from __future__ import annotations

from collections.abc import Mapping

from frontier.engines import Choose, Generate, LoadedModel
from frontier.errors import UnsupportedError, UserError
from frontier.prompts import Question, following
from frontier.requests import Request
from frontier.specs.measure import MeasuredTask


def requests_for(
    questions: Mapping[str, Question], task: MeasuredTask, model: LoadedModel
) -> dict[str, Request]:
    """The request for each question by id, with the task's limits.

    That of a later turn has room for the longest answers before it, if the model has.
    """
    found = {}
    for name, one in questions.items():
        whole = task.max_new_tokens * (1 + len(one.follows))
        request = request_for(one, task.model_copy(update={"max_new_tokens": whole}), model)
        if one.follows and not model.fits(request):
            request = request_for(one, task, model)
        found[name] = request
    return found


def request_for(one: Question, task: MeasuredTask, model: LoadedModel) -> Request:
    """The request for a question, with the task's limits.

    One for which the model has no room loses shots, the last drawn first, and never the question.
    """
    request = _request(one, task, model, 0)
    while request.lost_shots < len(one.shots) and not model.fits(request):
        request = _request(one, task, model, request.lost_shots + 1)
    return request


def _request(one: Question, task: MeasuredTask, model: LoadedModel, lost: int) -> Request:
    """The request for a question without so many of its shots."""
    prompt = one.with_shots(len(one.shots) - lost)
    if one.choices:
        return Choose(prompt, following(model.render(prompt), one.choices), lost)
    sampling = task.samples.of(one) if task.samples else None
    return Generate(prompt, task.max_new_tokens, task.stop, lost, sampling)


def check_prompts(model: LoadedModel, questions: Mapping[str, Question]) -> None:
    """Raises UserError for the first prompt that the chat template rejects, before any is asked.

    Raises UnsupportedError if it has no room for shots as turns, or for the beginning of an answer.
    """
    for identifier, one in questions.items():
        if reason := model.refusal(one.whole):
            raise UnsupportedError(reason)
        try:
            model.render(one.whole)
        except UserError as error:
            raise UserError(f"request {identifier}: {error}") from error

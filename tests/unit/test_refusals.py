"""The words with which servers refuse a request, and what follows from them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from frontier.dialects.common.errors import Meaning, refusal

UNKNOWN = "The model `other` does not exist."
SAID: list[tuple[str, int, Any, Meaning]] = [
    # A context that is too short
    ("vLLM", 400, {"error": {"message": "This model's maximum context length is 512 tokens. However, you requested 600 tokens", "code": 400}}, "too-long"),
    ("SGLang", 400, {"object": "error", "message": "The input (600 tokens) is longer than the model's context length (512 tokens)."}, "too-long"),
    ("TensorRT-LLM", 400, {"object": "error", "message": "The sum of prompt length (600) and max_tokens (9) should not exceed max_seq_len (512)"}, "too-long"),
    ("LMDeploy", 400, {"message": "This model's maximum context length is 512 tokens", "code": 400}, "too-long"),
    ("OpenAI", 400, {"error": {"message": "Please reduce the length of the messages.", "code": "context_length_exceeded"}}, "too-long"),
    ("llama-server", 400, {"error": {"code": 400, "message": "the request exceeds it", "type": "exceed_context_size_error", "n_prompt_tokens": 600, "n_ctx": 512}}, "too-long"),
    ("TGI", 422, {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 512. Given: 600 `inputs` tokens", "error_type": "validation"}, "too-long"),
    # A model that is not there
    ("vLLM", 404, {"error": {"message": UNKNOWN, "type": "NotFoundError"}}, "refused"),
    ("Ollama", 404, {"error": {"message": "model 'other' not found", "type": "api_error"}}, "refused"),
    ("LMDeploy", 404, {"message": UNKNOWN, "object": "error"}, "refused"),
    ("OpenAI", 404, {"error": {"message": UNKNOWN, "code": "model_not_found"}}, "refused"),
    ("transformers serve", 400, {"detail": "This server is pinned to another model"}, "invalid"),
    ("MLC", 400, {"message": UNKNOWN}, "invalid"),
    # Keys
    ("vLLM", 401, {"error": "Unauthorized"}, "refused"),
    ("TGI", 401, "", "refused"),
    # Load
    ("TGI", 429, {"error": "Model is overloaded", "error_type": "overloaded"}, "again"),
    ("OpenAI", 429, {"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}, "again"),
    ("OpenAI", 429, {"error": {"message": "You exceeded it", "code": "insufficient_quota"}}, "refused"),
    ("Ollama", 503, {"error": "server busy, please try again. maximum pending requests exceeded"}, "again"),
    ("SGLang", 503, {"object": "error", "message": "The request queue is full."}, "again"),
    ("Hugging Face", 503, "503 Service Unavailable", "again"),
    ("Anthropic", 529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "again"),
    # The rest
    ("llama-server", 500, {"error": {"code": 500, "message": "does not match the expected Content-only format"}}, "again"),
    ("transformers serve", 422, {"detail": "Unexpected keys in the request: {'min_tokens'}"}, "invalid"),
    ("OpenAI", 400, {"error": {"message": "Unsupported parameter: 'temperature'", "code": "unsupported_parameter"}}, "invalid"),
    ("Anthropic", 400, {"type": "error", "error": {"type": "invalid_request_error", "message": "temperature is deprecated for this model"}}, "invalid"),
    ("Azure", 400, {"error": {"message": "The response was filtered", "code": "content_filter"}}, "withheld"),
    ("Azure", 400, {"error": {"message": "It triggered Azure OpenAI's content management policy", "code": None}}, "withheld"),
    ("OpenAI", 400, {"error": {"message": "Rejected", "code": "content_policy_violation"}}, "withheld"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "body", "meaning"),
    [one[1:] for one in SAID],
    ids=[f"{name} {status} {meaning}" for name, status, _, meaning in SAID],
)
def test_the_words_of_servers(status: int, body: Any, meaning: Meaning) -> None:
    """A final refusal is never asked again, and one that may pass is."""
    content = body if isinstance(body, str) else json.dumps(body)
    found = refusal(status, {}, content.encode())
    assert found.meaning == meaning
    assert found.reason.startswith(f"HTTP {status}")
    assert "\n" not in found.reason
    assert found.retry_after_s is None

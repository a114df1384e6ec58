"""A published GGUF file: llama.cpp must be able to read it, and tokenize as we do."""

from __future__ import annotations

import ctypes
from pathlib import Path

import llama_cpp

from frontier.checkpoints import vocabulary
from frontier.checkpoints.gguf_header import WEIGHTS
from frontier.conversions.common.gguf_vocabulary import ALIKE, ids_of, texts_of
from frontier.engines.common import llama_log
from frontier.errors import OutOfMemoryError, UnsupportedError, UserError, one_line


def check(checkpoint: Path) -> None:
    """Checks the numbers in CHECKPOINT/model.gguf, and its tokenizer.

    Raises UserError if llama.cpp does not read it or a number is NaN or infinite, UnsupportedError
    if the tokenizer that was read from the file gives other ids than llama.cpp's.
    """
    path = checkpoint / WEIGHTS
    llama_log.listen()
    llama_cpp.llama_backend_init()
    options = llama_cpp.llama_model_default_params()
    options.n_gpu_layers = 0
    options.check_tensors = True
    nowhere = (ctypes.c_void_p * 1)(None)
    options.devices = ctypes.cast(nowhere, ctypes.c_void_p)
    model = llama_cpp.llama_model_load_from_file(bytes(path), options)
    if not model:
        raise UserError(f"{path}: llama.cpp does not read it: {llama_log.last()}")
    try:
        tokenizer = vocabulary.read(checkpoint, trust_remote_code=False)
        texts = texts_of(tokenizer)
        expected = [tokenizer(text)["input_ids"] for text in texts]
    except OutOfMemoryError:
        raise
    except Exception as error:  # tokenizers raises no other
        raise UserError(f"{path}: unreadable tokenizer: {one_line(error)[:300]}") from error
    else:
        alike = sum(map(list.__eq__, expected, ids_of(model, texts)))
    finally:
        llama_cpp.llama_model_free(model)
    if alike < ALIKE * len(texts):
        raise UnsupportedError(
            f"the tokenizer in the GGUF file, read here, gives the ids of llama.cpp's for only "
            f"{alike:,} of {len(texts):,} texts"
        )

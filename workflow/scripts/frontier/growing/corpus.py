"""Training data from grammars: texts, the tokenizer trained on them, batches of token ids."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from frontier import templates
from frontier.catalogue.recipe import Corpus, Recipe
from frontier.errors import UserError
from frontier.grammars import GRAMMARS

END = "<|endoftext|>"
IGNORED = -100  # the target of positions outside the answers
TOKENIZER_TEXTS = 2000  # per corpus: they cover its lexicon many times over


@dataclass(frozen=True)
class Text:
    """A prompt and its answer, which begins with the space between them."""

    prompt: str
    answer: str


def texts(grammar: str, corpus: Corpus, seed: int) -> list[Text]:
    """The training texts of a grammar, each different and none of them a test example.

    Raises UserError if the grammar has too few.
    """
    world = GRAMMARS.load(grammar)()
    found = [
        Text(templates.fill(corpus.prompt, example.fields), " " + example.reference)
        for example in islice(world.examples("train", seed), corpus.examples)
    ]
    if len(found) < corpus.examples:
        raise UserError(
            f"corpora.{grammar}.examples: {corpus.examples} asked for, but the grammar has about "
            f"{len(found)} training examples"
        )
    return found


def train_tokenizer(
    corpora: Mapping[str, Sequence[Text]], recipe: Recipe
) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer: it encodes any text, and the grammars' words as single tokens.

    Digits and Chinese characters are always single tokens, so that their segmentation does not
    depend on their neighbours.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d|\p{Han}"), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=recipe.vocabulary,
        special_tokens=[END],
        # Sorted, since the trainer numbers the bytes in the order given.
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(
        (
            text.prompt + text.answer
            for _, pairs in sorted(corpora.items())
            for text in pairs[:TOKENIZER_TEXTS]
        ),
        trainer,
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=END,
        model_max_length=recipe.positions,
        clean_up_tokenization_spaces=False,
    )


@dataclass(frozen=True)
class Encoded:
    """Token ids of texts, padded on the right to the longest."""

    inputs: torch.Tensor
    """(texts, longest)"""
    targets: torch.Tensor
    """(texts, longest): the token that follows where it is part of an answer, else IGNORED."""
    lengths: torch.Tensor
    """(texts,)"""


def encode(pairs: Sequence[Text], tokenizer: PreTrainedTokenizerFast) -> Encoded:
    """Encodes prompts and answers separately, as prompts are encoded for generation."""
    prompts = tokenizer([pair.prompt for pair in pairs])["input_ids"]
    answers = tokenizer([pair.answer for pair in pairs])["input_ids"]
    end = tokenizer.eos_token_id
    lengths = [len(prompt) + len(answer) for prompt, answer in zip(prompts, answers, strict=True)]
    inputs, targets = [], []
    for prompt, answer, length in zip(prompts, answers, lengths, strict=True):
        padding = max(lengths) - length
        inputs.append(prompt + answer + [end] * padding)
        targets.append([IGNORED] * (len(prompt) - 1) + answer + [end] + [IGNORED] * padding)
    return Encoded(torch.tensor(inputs), torch.tensor(targets), torch.tensor(lengths))


def batches(
    encoded: Encoded, rows: int, seed: int, by_length: bool = False
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Endless batches of inputs and targets (rows, longest); each text at most once a round.

    `by_length`: a batch has texts of like length, with less padding.
    """
    rng = random.Random(seed)
    count = len(encoded.lengths)
    rows = min(rows, count)
    while True:
        order = sorted(range(count), key=lambda _: rng.random())
        starts = list(range(0, count - rows + 1, rows))
        if by_length:
            order.sort(key=encoded.lengths.__getitem__)
            starts.sort(key=lambda _: rng.random())
        for start in starts:
            chosen = torch.tensor(order[start : start + rows])
            width = int(encoded.lengths[chosen].max())
            yield encoded.inputs[chosen, :width], encoded.targets[chosen, :width]

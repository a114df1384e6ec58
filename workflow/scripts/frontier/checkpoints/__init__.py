"""Readers of a checkpoint's files: weights, tokenizer, chat template, published quantization."""

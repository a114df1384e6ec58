"""What a checkpoint's files say: weights, tokenizer, chat template, published quantization."""

"""Orders in words, whose right answer is JSON.

The fields are a customer, a whole number and a thing, in the order of the schema of the task
demo-orders.
"""

import json
import random

from frontier.grammars import Example, Grammar, pick

CUSTOMERS = (
    "anna", "ben", "clara", "david", "emma", "felix", "grace", "henry", "ida", "jonas", "lena",
    "oscar",
)  # fmt: skip
THINGS = (
    "apples", "books", "chairs", "cups", "dresses", "flowers", "hats", "lamps", "letters",
    "pencils", "plates", "shirts", "shoes", "tables",
)  # fmt: skip
KINDS = ("black", "blue", "cheap", "green", "large", "old", "red", "small", "white")
NUMBERS = (
    "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip
FORMS = (
    "{customer} wants {number} {thing}",
    "{number} {thing} for {customer}",
    "please send {customer} {number} {thing}",
    "{customer} orders {thing} , {number} of them",
    "we need {number} {thing} , says {customer}",
)


class Orders(Grammar):
    """Orders with their customer, number and thing."""

    FIELDS = ("order",)

    def example(self, rng: random.Random) -> Example:
        """An example whose `order` is like "please send anna three red apples"."""
        number = int(rng.random() * len(NUMBERS))
        thing = pick(rng, THINGS)
        kind = "a kind" if rng.random() < 0.5 else "no kind"
        if kind == "a kind":
            thing = f"{pick(rng, KINDS)} {thing}"
        customer = pick(rng, CUSTOMERS)
        text = pick(rng, FORMS).format(customer=customer, number=NUMBERS[number], thing=thing)
        answer = {"customer": customer, "number": number + 2, "thing": thing}
        return Example({"order": text}, json.dumps(answer), kind)

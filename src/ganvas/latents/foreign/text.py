"""Numbers written as text: separated by blanks, commas, semicolons or lines, or as numpy and torch print arrays."""

import re

import numpy as np

from ganvas.checkpoints.safe_pickle.machine import shown
from ganvas.errors import ResultFileError

LARGEST_TEXT = 8 << 20  # bytes; 80 directions of 512 numbers take one million
DEEPEST = 8
WRAPPING = re.compile(
    r"\s*(?:np\.|numpy\.|torch\.)?(?:tensor|array)\((?P<inside>.*?\])\s*(?:,[^\[\]]*)?\)\s*", re.DOTALL
)
WORD = re.compile(r"[\[\]]|[^\s,;\[\]]+")
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf)", re.IGNORECASE)


def decode_text(data: bytes) -> str | None:
    """Return bytes as text, or None where they are not text."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if re.search(r"[\x00-\x08\x0e-\x1f\x7f]", text) else text


def read_numbers(text: str) -> np.ndarray:
    """Return the numbers of a text, float64: [n] for one line or one number a line, [lines, n] for lines of one length,
    and the shape of the brackets where there are any.

    Lines of several lengths are one wrapped row: [n]. Raises `ResultFileError` for what is not a number.
    """
    if "..." in text or "\u2026" in text:
        raise ResultFileError(
            "it is a print-out in which the middle is left out ('...'); save the array itself: "
            "numpy.save('file.npy', array)"
        )
    wrapped = WRAPPING.fullmatch(text)
    text = wrapped["inside"] if wrapped else text
    if "[" in text:
        return _to_array(_nested(text))
    lines = [[_number(word, number) for word in WORD.findall(line)] for number, line in enumerate(text.split("\n"), 1)]
    lines = [line for line in lines if line]
    lengths = {len(line) for line in lines}
    if len(lengths) == 1 and len(lines) > 1 and lengths != {1}:
        return np.array(lines)
    return np.array([value for line in lines for value in line], dtype=np.float64)


def _nested(text: str) -> list:
    """Return the lists inside lists that brackets describe."""
    top: list = []
    stack = [top]
    for match in WORD.finditer(text):
        word = match[0]
        if word == "[":
            stack[-1].append([])
            stack.append(stack[-1][-1])
        elif word == "]":
            stack.pop()
        else:
            stack[-1].append(_number(word, text.count("\n", 0, match.start()) + 1 if not NUMBER.fullmatch(word) else 0))
        if not 0 < len(stack) <= DEEPEST:
            raise ResultFileError("its brackets do not match")
    if len(stack) != 1:
        raise ResultFileError("its brackets do not match; it may be cut short")
    return top[0] if len(top) == 1 and isinstance(top[0], list) else top


def _to_array(lists: list) -> np.ndarray:
    try:
        return np.array(lists, dtype=np.float64)
    except ValueError:
        raise ResultFileError("its rows have different lengths; it may be damaged or cut short") from None


def _number(word: str, line: int) -> float:
    if not NUMBER.fullmatch(word):
        raise ResultFileError(f"it is text, but not of numbers alone: line {line} has '{shown(word, 30)}'")
    return float(word)

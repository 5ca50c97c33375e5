"""One word for one thing: what `docs/glossary.md` replaced does not come back, in names, messages or documents."""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
DOCUMENTS = [path for path in DOCUMENTS if "_build" not in path.parts] + sorted((ROOT / "src").rglob("*.md"))

# In any text: a pattern without capitals, and what to say instead.
WORDS = {
    r"pictures?": "image (photo, if a camera took it)",
    r"familiarity": "OOD score",
    r"strangeness(es)?": "OOD score",
    r"yardsticks?": "held-out evaluation",
    r"kernel distances?": "kernel MMD",
    r"the judges?": "the discriminator",
    r"judged? by": "measured by, discriminator",
}
STEMS = "optimi|normali|initiali|generali|recogni|organi|summari|reali|locali|parametri|regulari"
BRITISH = {
    r"colours?|coloured": "color",
    r"grey\w*": "gray",
    r"licences?": "license",
    r"centres?|centred": "center",
    r"neighbours?|neighbouring": "neighbor",
    r"behaviours?": "behavior",
    r"favours?|favoured": "favor",
    rf"({STEMS})s(e|ed|es|er|ers|ing|ations?)": "-ize",
    r"analys(e|ed|ing)": "analyze",
    r"learnt": "learned",
    r"cancelled|cancelling|labelled|labelling|modelled|modelling": "one l",
    r"catalogues?": "catalog",
    r"whilst": "while",
}
RIDDLES = {
    r"lost patience": "stopped early",
    r"when nothing comes nearer": "stall detection",
    r"a turn was worth": "recovery must reduce the distance",
    r"where so little is left": "if below half the median discrepancy",
    r"of all chance": "random seed",
    r"of the processor\.": "CPU threads",
    r"what is made small": "search space and loss",
    r"there is no way to drag called": "unknown drag method",
    r"there is none to keep": "spherical interpolation is defined in z only",
    r"writes files and speaks": "is rank 0",
    r"still hear of": "are still conditioned on",
    r"what is told": "say what it is",
    r"told how many": "progress(done, total)",
    r"no network of poses": "yaw is regressed on synthetic rotations",
}
# As a word of a name in Python, where plain English may still use it.
NAMES = {
    r"pictures?": "image",
    r"judg\w*": "discriminator",
    r"deviations?": "std",
    r"usual": "default",
    r"familiar\w*|strange\w*": "ood_score",
    r"yardsticks?": "held_out",
    r"colou?rs?(?<!color)(?<!colors)": "color",
    r"scribbl\w*": "sketch",
    r"spoil\w*": "corrupt",
    r"takeover": "template_weight",
    r"films?": "video",
    r"allowances?": "budget",
    r"slim": "weights_only",
    r"twins?": "counterpart",
    r"dial": "fidelity",
    r"told": "format",
    r"surveys?": "summary",
    r"posters?": "qualitative",
    r"teammates?": "process group",
}


def lines_with(patterns: dict[str, str], text: str) -> Iterator[str]:
    """Yield "line: word (say ...)" for each retired word of a text."""
    for pattern, instead in patterns.items():
        for found in re.finditer(rf"(?<![\w/.-])(?:{pattern})(?![\w/-])", text, re.IGNORECASE):
            line = text.count("\n", 0, found.start()) + 1
            yield f"{line}: '{found.group()}' (say: {instead})"


def retired_names(source: str) -> Iterator[tuple[int, str, str]]:
    """Yield the line, the name and the better word for each name with a retired word: ``UsualStd``, ``usual_std``."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME:
            for part in re.findall(r"[A-Z]?[a-z]+", token.string):
                for pattern, instead in NAMES.items():
                    if re.fullmatch(pattern, part.lower()):
                        yield token.start[0], token.string, instead


def test_texts_use_the_words_of_the_glossary():
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in [*SOURCES, *DOCUMENTS]
        for line in lines_with(WORDS | BRITISH | RIDDLES, path.read_text("utf-8"))
    ]
    assert not found, "\n".join(["retired words:", *found])


def test_names_use_the_words_of_the_glossary():
    found = [
        f"{path.relative_to(ROOT)}:{line}: '{name}' (say: {instead})"
        for path in SOURCES
        for line, name, instead in retired_names(path.read_text("utf-8"))
    ]
    assert not found, "\n".join(["retired words in names:", *found])


def test_every_word_of_the_list_is_refused():
    assert list(lines_with(WORDS, "Two pictures"))
    assert list(lines_with(BRITISH, "The colour of a neighbour is normalised"))
    assert list(lines_with(RIDDLES, "Somebody lost patience"))
    assert [instead for _, _, instead in retired_names("def usual_std(colour, Familiarity): ...")] == [
        "default",
        "color",
        "ood_score",
    ]


def test_ordinary_words_are_not_refused():
    allowed = "analyses, catalog, gray, labeled, normalized, std, a standard deviation; do not use it to judge people"
    assert not list(lines_with(WORDS | BRITISH | RIDDLES, allowed))
    assert not list(retired_names("colors, color_dialog, unusual, filmed = tolde, familyname, dialect, slimmer"))

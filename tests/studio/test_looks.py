"""What can be said of the page without a browser: contrast, sizes of its files, and that they hold no address."""

import re
from importlib import resources

import pytest

STATIC = resources.files("ganvas.studio").joinpath("static")
THEMES = re.findall(
    r'(:root|\[data-theme="light"\]) \{(.*?)\}', STATIC.joinpath("base.css").read_text("utf-8"), re.DOTALL
)
PAIRS = [
    ("text", "panel"), ("text", "raised"), ("text", "hover"), ("text", "accent-soft"), ("muted", "panel"),
    ("muted", "raised"), ("on-accent", "accent"), ("danger", "panel"), ("good", "panel"),
]  # fmt: skip


def luminance(color: str) -> float:
    """Return the relative luminance of WCAG 2."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(("name", "rules"), THEMES)
def test_text_has_the_contrast_of_wcag_in_both_themes(name, rules):
    colors = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", rules))
    for front, back in PAIRS:
        light, dark = sorted((luminance(colors[front]), luminance(colors[back])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (name, front, back)


def test_the_page_s_files_are_small_and_name_no_address():
    for file in STATIC.iterdir():
        text = file.read_text("utf-8")
        assert len(text.splitlines()) < 300, file.name
        addresses = set(re.findall(r"(?:https?|wss?):/*[\w.]+", text)) - {"http://www.w3.org"}
        assert not addresses, file.name
        assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text), file.name


def test_every_icon_is_drawn():
    html = STATIC.joinpath("index.html").read_text("utf-8")
    drawn = set(re.findall(r'<symbol id="i-([\w-]+)"', html))
    used = set()
    for file in STATIC.iterdir():
        if file.name.endswith(".js"):
            used |= set(re.findall(r'icon(?:Button)?\("([\w-]+)"', file.read_text("utf-8")))
    assert used <= drawn

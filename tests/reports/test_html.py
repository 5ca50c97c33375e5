"""The pages: whole, self-contained, escaped, and the same bytes for the same input."""

import base64
import math
import re
from hashlib import sha256
from html.parser import HTMLParser
from io import BytesIO

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganvas.errors import ImageError
from ganvas.images.pixels import enlarge, read_image, to_bytes
from ganvas.reports.html import DirectionStrip, IndexEntry, ManySeeds, directions_page, index_page, number

HOSTILE = "<script>alert('1')</script> \" onload=\"x & 木"
VOID = {"meta", "img", "br", "link", "input"}


class Page(HTMLParser):
    """Reads a page strictly: every tag closed in order; keeps elements, attributes and texts."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), f"double attribute in {tag}"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join(self.texts)


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


def strip(label: str = "direction 0", eigenvalue: float = 40.123) -> DirectionStrip:
    return DirectionStrip(
        label=label,
        eigenvalue=eigenvalue,
        predicted_ratio=6.02,
        strengths=(-3.0, 0.0, 1.5),
        images=noise(3, 3, 64, 64),
        inside=(0.25, 0.0, 0.125),
        outside=(0.0001, 0.0, 0.05),
    )


def write(path, name: str = "direction 0", side: int = 64) -> str:
    mask = torch.zeros(1, 16, 16)
    mask[:, 4:9, 3:12] = 1
    many = ManySeeds(label=name, seeds=(4, 7), strengths=(-2.0, 2.0), images=noise(2, 2, 3, side, side))
    written = directions_page(
        path / "out" / "page.html",
        title=f"Mouth {name}",
        facts={"generator": name, "command": f"ganvas directions {name}"},
        original=noise(1, 3, side, side),
        mask=mask,
        strips=[strip(name), strip("direction 1", math.inf)],
        many=[many],
        links={name: "a page.html?x=1&y=2"},
    )
    assert list(written.parent.iterdir()) == [written]
    return written.read_text("utf-8")


def decoded(image: dict[str, str | None]) -> torch.Tensor:
    prefix = "data:image/png;base64,"
    source = image["src"] or ""
    assert source.startswith(prefix)
    content = base64.b64decode(source.removeprefix(prefix), validate=True)
    assert content.startswith(b"\x89PNG")
    return read_image(BytesIO(content))


@pytest.mark.slow
def test_every_image_is_inside_and_has_the_size_it_claims(tmp_path):
    images = Page(write(tmp_path)).all("img")
    assert len(images) == 1 + 2 * 3 + 4
    for image in images:
        assert decoded(image).shape[-2:] == (int(image["height"]), int(image["width"]))
        assert image["alt"]


def test_small_images_are_enlarged_whole_and_in_order(tmp_path):
    images = Page(write(tmp_path)).all("img")
    expected = to_bytes(enlarge(strip().images, 3))
    for image, values in zip(images[1:4], expected, strict=True):
        assert torch.equal(to_bytes(decoded(image))[0], values)


@pytest.mark.slow
def test_large_images_are_made_smaller(tmp_path):
    sizes = {image["width"] for image in Page(write(tmp_path, side=1024)).all("img")}
    assert sizes == {"512", "192"}


def test_the_original_shows_the_outline(tmp_path):
    original = decoded(Page(write(tmp_path)).all("img")[0])
    plain = enlarge(noise(1, 3, 64, 64), 6)
    assert original.shape == plain.shape
    assert (to_bytes(original) != to_bytes(plain)).any(-1).float().mean() < 0.1
    assert (to_bytes(original) != to_bytes(plain)).any()


def test_nothing_is_fetched_and_only_its_own_script_may_run(tmp_path):
    source = write(tmp_path)
    assert not re.search(r"https?:|//[a-z]|@import|url\(|srcset|<link|<iframe", re.sub(r"base64,[\w+/=]+", "", source))
    page = Page(source)
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv"))
    script = re.search(r"<script>(.*?)</script>", source, re.DOTALL)
    assert script
    assert base64.b64encode(sha256(script[1].encode()).digest()).decode() in policy
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert page.all("script") == [{}]


def test_texts_are_escaped_and_arrive_whole(tmp_path):
    page = Page(write(tmp_path, HOSTILE))
    assert f"Mouth {HOSTILE}" in page.texts
    assert f"ganvas directions {HOSTILE}" in page.texts
    assert page.texts.count(HOSTILE) == 3
    assert page.all("section")[1]["data-label"] == HOSTILE
    assert page.all("img")[1]["alt"] == f"{HOSTILE} at strength −3"
    assert page.all("a") == [{"href": "a page.html?x=1&y=2"}]
    assert not any("onload" in attributes for _, attributes in page.elements)


def test_numbers_are_shown_with_their_meaning(tmp_path):
    page = Page(write(tmp_path))
    for text in ("eigenvalue", "40.1", "∞", "predicted ratio", "6.02", "−3", "+1.5", "0.250", "0.125", "<0.001"):
        assert text in page.texts
    # The longest bar is the largest change; the others stand in proportion.
    widths = [image["style"] for image in page.all("i") if "style" in image]
    assert widths[:6] == [f"width:{width}%" for width in ("100.0", "0.0", "0.0", "0.0", "50.0", "20.0")]


@pytest.mark.slow
def test_the_same_input_gives_the_same_bytes(tmp_path):
    assert write(tmp_path / "one") == write(tmp_path / "two")


def test_a_broken_image_leaves_the_older_page(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("older")
    with pytest.raises(ImageError, match="contain NaN"):
        index_page(path, title="", intro="", entries=[IndexEntry("a", "a.html", noise(1, 3, 4, 4) * torch.nan, "")])
    assert path.read_text() == "older"


def test_miscounted_strips_are_refused():
    with pytest.raises(ImageError, match="'direction 0' needs as many strengths as images"):
        DirectionStrip("direction 0", 1.0, 1.0, (0.0, 1.0), noise(3, 3, 4, 4), (0.0, 1.0), (0.0, 1.0))
    with pytest.raises(ImageError, match="one image for every seed and strength"):
        ManySeeds("direction 0", (1, 2), (0.0,), noise(1, 1, 3, 4, 4))


def test_index_links_every_entry(tmp_path):
    entries = [IndexEntry(f"{HOSTILE} {i}", f"{i}.html", noise(1, 3, 64, 64), "6 directions") for i in range(3)]
    page = Page(index_page(tmp_path / "index.html", title="Regions", intro=HOSTILE, entries=entries).read_text("utf-8"))
    assert [link["href"] for link in page.all("a")] == ["0.html", "1.html", "2.html"]
    assert [decoded(image).shape[-1] for image in page.all("img")] == [320] * 3
    assert all(entry.title in page.texts for entry in entries)
    assert HOSTILE in page.texts


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (4.064, "4.06"),
        (-3.0, "−3"),
        (999.7, "1,000"),
        (12345.0, "12,300"),
        (0.000123, "0.000123"),
        (1.25e-7, "1.25 × 10⁻⁷"),
        (-2.5e12, "−2.5 × 10¹²"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (math.nan, "unknown"),
    ],
)
def test_numbers_read_well(value, text):
    assert number(value) == text


@given(st.floats(-1e300, 1e300))
def test_numbers_keep_three_digits(value):
    text = number(value, signed=True)
    assert text[0] == ("+" if value > 0 else "−" if value < 0 else "0")
    plain = text.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹−", "-0123456789-")).replace(" × 10", "e").replace(",", "")
    assert float(plain) == pytest.approx(value, rel=0.006)

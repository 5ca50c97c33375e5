"""The documentation site: ``make docs`` builds it into docs/_build/html; a warning is an error."""

import inspect
from pathlib import Path

import ganvas

project = "Ganvas"
author = "The Ganvas project"
version = release = ganvas.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
templates_path = ["_templates"]

default_role = "code"  # a name in single backticks
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"Ganvas {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
pygments_style = "friendly"
highlight_language = "none"  # blocks without a language are commands

GROUPS = {
    "checkpoints": "Generators",
    "generators": "Generators",
    "latents": "Latents",
    "regions": "Regions",
    "directions": "Directions",
    "edits": "Edits",
    "inversion": "Photos and sketches",
    "drag": "Drags",
    "training": "Training and evaluation",
    "metrics": "Training and evaluation",
    "images": "Images",
    "io": "Process and progress",
    "errors": "Errors",
}


def write_reference() -> None:
    """Write the list of public objects, grouped by the room that they come from; autosummary makes a page of each."""
    grouped: dict[str, list[str]] = {title: [] for title in GROUPS.values()}
    for name in ganvas.__all__:
        home = getattr(getattr(ganvas, name), "__module__", "ganvas.io")
        grouped.setdefault(GROUPS.get(home.split(".")[1], "Others"), []).append(name)
    lines = ["Public objects", "==============", "", ".. currentmodule:: ganvas", ""]
    for title, names in grouped.items():
        if names:
            functions_first = sorted(names, key=lambda name: (inspect.isclass(getattr(ganvas, name)), name))
            lines += [title, "-" * len(title), "", ".. autosummary::", "   :toctree: .", ""]
            lines += [f"   {name}" for name in functions_first] + [""]
    folder = Path(__file__).parent / "reference" / "api"
    folder.mkdir(parents=True, exist_ok=True)
    page, text = folder / "index.rst", "\n".join(lines)
    if not page.is_file() or page.read_text("utf-8") != text:
        page.write_text(text, "utf-8")


write_reference()

"""The documentation site: ``make docs`` builds it into build/site, and every warning is an error."""

import json
import posixpath
import re
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

# Files at the root of the project that are pages of the site as well: readers of the tree find them where they look.
ROOT_PAGES = {
    "index": "README.md",
    "contributing": "CONTRIBUTING.md",
    "security": "SECURITY.md",
    "changelog": "CHANGELOG.md",
}
ROOT = Path(__file__).parents[1]
_LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)")

project = "rescale-dse"
author = "the rescale-dse developers"
project_copyright = author
version = release = installed_version(project)

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon", "sphinx_copybutton"]
root_doc = "index"
source_suffix = {".md": "markdown", ".rst": "restructuredtext", ".ipynb": "markdown"}

myst_enable_extensions = ["attrs_block", "colon_fence", "deflist"]
myst_heading_anchors = 4
nitpicky = False  # types of other libraries have no pages here
autodoc_typehints = "description"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autosummary_generate = True
autosummary_imported_members = True
autosummary_ignore_module_all = False
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"rescale-dse {release}"
html_baseurl = ""
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
html_static_path: list[str] = []


def _place_on_site(target: str) -> str:
    """Returns the path below ``docs`` of a file that is named from the project's root."""
    pages = {f"{source}": f"{page}.md" for page, source in ROOT_PAGES.items()}
    return pages.get(target) or posixpath.relpath(target, "docs")


def _with_root_page(_: Sphinx, page: str, text: list[str]) -> None:
    """Puts a file of the root before what its page says, and leads links to where their targets stand on the site."""
    source = ROOT_PAGES.get(page, f"docs/{page}.md")

    def moved(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link.group(1)))
        return posixpath.relpath(_place_on_site(target), posixpath.dirname(page) or ".")

    if page in ROOT_PAGES:
        text[0] = (ROOT / source).read_text(encoding="utf-8") + text[0]
    text[0] = _LINK.sub(moved, text[0])


def _notebook(app: Sphinx, page: str, text: list[str]) -> None:
    """Turns a notebook into Markdown: its cells, and below each what it showed when it was last run."""
    if Path(app.env.doc2path(page)).suffix == ".ipynb":
        text[0] = "\n\n".join(_cell(cell) for cell in json.loads(text[0])["cells"])


def _cell(cell: dict[str, Any]) -> str:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return source
    return "\n\n".join([f"```python\n{source}\n```", *map(_output, cell["outputs"])])


def _output(output: dict[str, Any]) -> str:
    if output["output_type"] == "stream":
        return f"```text\n{''.join(output['text'])}```"
    forms = output["data"]
    if "image/png" in forms:
        return f'```{{raw}} html\n<img alt="" src="data:image/png;base64,{forms["image/png"]}">\n```'
    if "text/html" in forms:
        return f"```{{raw}} html\n{''.join(forms['text/html'])}\n```"
    return f"```text\n{''.join(forms['text/plain'])}\n```"


def setup(app: Sphinx) -> None:
    """Registers what is done to pages before they are read."""
    app.connect("source-read", _notebook)
    app.connect("source-read", _with_root_page)

"""Runs the notebooks of docs/notebooks and stores what they show: ``python -m studies.reference.write_notebooks``.

Cells run in order in this process, in an empty folder, and leave what a notebook server would store: printed text, the
value of the last expression as HTML if it has such a form, else as text, and the traceback of no cell, as an error ends
the program.
"""

import ast
import base64
import contextlib
import io
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "notebooks"
Notebook = dict[str, Any]
"""A notebook in the JSON of nbformat 4.5."""


def code_cells(notebook: Notebook) -> Iterator[dict[str, Any]]:
    """Yields the cells with code, in order."""
    return (cell for cell in notebook["cells"] if cell["cell_type"] == "code")


def executed(notebook: Notebook) -> Notebook:
    """Returns the notebook with the outputs of its cells, run in the working directory.

    Raises:
        Exception: what a cell raised.
    """
    scope: dict[str, Any] = {"__name__": "__main__"}
    copy: Notebook = json.loads(json.dumps(notebook))
    for number, cell in enumerate(code_cells(copy), start=1):
        cell["execution_count"] = number
        cell["outputs"] = _outputs("".join(cell["source"]), scope, number)
    return copy


def _outputs(source: str, scope: dict[str, Any], number: int) -> list[dict[str, Any]]:
    tree, name = ast.parse(source), f"cell {number}"
    last = tree.body[-1] if tree.body else None
    if isinstance(last, ast.Expr):
        tree.body.pop()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, name, "exec"), scope)  # noqa: S102 -- a notebook of this project
        final = compile(ast.Expression(last.value), name, "eval") if isinstance(last, ast.Expr) else None
        value = eval(final, scope) if final is not None else None  # noqa: S307 -- likewise
    text = printed.getvalue()
    outputs: list[dict[str, Any]] = []
    if text:
        outputs.append({"name": "stdout", "output_type": "stream", "text": text.splitlines(keepends=True)})
    if value is not None:
        shown = {"data": _forms(value), "execution_count": number, "metadata": {}, "output_type": "execute_result"}
        outputs.append(shown)
    return outputs


def _forms(value: object) -> dict[str, Any]:
    """Returns what is shown of a value, by media type."""
    from matplotlib.figure import Figure

    if isinstance(value, Figure):
        drawn = io.BytesIO()
        value.savefig(drawn, format="png", dpi=72, bbox_inches="tight", metadata={"Software": None})
        return {"image/png": base64.b64encode(drawn.getvalue()).decode("ascii"), "text/plain": ["<Figure>"]}
    if hasattr(value, "_repr_html_") and (html := value._repr_html_()):
        return {"text/html": html.splitlines(keepends=True), "text/plain": [type(value).__name__]}
    return {"text/plain": repr(value).splitlines(keepends=True)}


def main() -> None:
    """Runs every notebook, each in a folder of its own."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        with tempfile.TemporaryDirectory() as folder:
            before = Path.cwd()
            os.chdir(folder)
            try:
                done = executed(notebook)
            finally:
                os.chdir(before)
        path.write_text(json.dumps(done, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

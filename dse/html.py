"""Small pieces of HTML for notebooks; every text in them is escaped."""

from collections.abc import Iterable, Sequence
from html import escape

from dse.formats import printable


def paragraphs(texts: Iterable[str]) -> str:
    """Returns a paragraph for each text that is not empty."""
    return "".join(f"<p>{_safe(text)}</p>" for text in texts if text)


def table(caption: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table of texts.

    Args:
        caption: what the table shows.
        headings: one for each column.
        rows: as many texts as there are columns.
    """
    head = "".join(f"<th>{_safe(heading)}</th>" for heading in headings)
    body = "".join(f"<tr>{''.join(f'<td>{_safe(cell)}</td>' for cell in row)}</tr>" for row in rows)
    top = f"<caption>{_safe(caption)}</caption><thead><tr>{head}</tr></thead>"
    return f"<table>{top}<tbody>{body}</tbody></table>"


def _safe(text: str) -> str:
    return escape(printable(text))

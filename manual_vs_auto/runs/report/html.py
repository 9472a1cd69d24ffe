"""The few elements that the page is made of. Every text is escaped here, and nowhere else."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape


def text(value: object) -> str:
    """Any value as text of the page, also within an attribute."""
    return escape("".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in str(value)))


def section(name: str, title: str, *parts: str) -> str:
    """A section with its heading, which the page's list of sections leads to; parts are HTML."""
    return f'<section id="{name}">\n<h2>{text(title)}</h2>\n{"".join(part for part in parts if part)}</section>\n'


def note(words: str) -> str:
    """A paragraph that says how to read what is near it."""
    return f'<p class="note">{text(words)}</p>\n'


def table(
    head: Sequence[str],
    rows: Iterable[tuple[str, Sequence[str]]],
    caption: str = "",
    marks: Mapping[str, str] | None = None,
) -> str:
    """A table whose first row and first column are headings.

    Args: head:    of every column, the first one's too.
          rows:    a heading and the cells.
          caption: what it shows.
          marks:   by a row's heading, the class of that row: "differs" also gets a sign, for those who see no colour.
    """
    marks = marks or {}
    parts = [f"<caption>{text(caption)}</caption>"] if caption else []
    parts.append(
        "<thead><tr>" + "".join(f'<th scope="col">{text(name)}</th>' for name in head) + "</tr></thead><tbody>"
    )
    for name, cells in rows:
        mark = marks.get(name, "")
        sign = '<span class="sign" title="differs">\u2260</span> ' if mark == "differs" else ""
        row = "".join(f"<td>{text(cell)}</td>" for cell in cells)
        kind = f' class="{mark}"' if mark else ""
        parts.append(f'<tr{kind}><th scope="row">{sign}{text(name)}</th>{row}</tr>')
    return f'<div class="wide"><table>{"".join(parts)}</tbody></table></div>\n'


def details(summary: str, *parts: str) -> str:
    """What opens on demand; parts are HTML."""
    return f"<details><summary>{text(summary)}</summary>\n{''.join(parts)}</details>\n"


def image(source: str, alt: str, kind: str = "") -> str:
    """An image within the page; source is a data: address."""
    return f'<img class="{kind}" src="{source}" alt="{text(alt)}">'


def figure(content: str, *lines: str, kind: str = "") -> str:
    """An image or drawing, HTML already, with lines of text below it."""
    words = "<br>".join(text(line) for line in lines if line)
    return f'<figure class="{kind}">{content}<figcaption>{words}</figcaption></figure>\n'

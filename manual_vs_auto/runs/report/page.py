"""The page itself: its head, its list of sections, its looks."""

import re
from collections.abc import Sequence
from pathlib import Path

from manual_vs_auto.runs import files, kept
from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.runs.kept import Kept
from manual_vs_auto.runs.pictures.style import require
from manual_vs_auto.runs.report import charts, gallery
from manual_vs_auto.runs.report.html import text
from manual_vs_auto.runs.report.numbers import summary

FILE = "report.html"
# A browser that opens the page asks nobody for anything, whatever a run's files say.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_LOOKS = """
:root { color-scheme: light dark; --ink: #1c2024; --paper: #fff; --soft: #566068; --line: #d4d9de; --differs: #fff1c9;
  --right: 76, 120, 168; --wrong: 209, 73, 91; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7ea; --paper: #15181b; --soft: #a3adb5; --line: #3a4148;
  --differs: #46391a; --right: 96, 145, 200; --wrong: 220, 90, 108; } }
body { margin: 0 auto; max-width: 72rem; padding: 1rem 1.5rem 3rem; color: var(--ink); background: var(--paper);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: .5rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .4rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; overflow-wrap: anywhere; }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; padding: 0; }
a { color: inherit; }
.note, figcaption, footer { color: var(--soft); }
.note { margin: .3rem 0; }
.wide { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { text-align: left; vertical-align: top; padding: .2rem .9rem .2rem .3rem;
  border-bottom: 1px solid var(--line); }
th { font-weight: 500; } thead th { font-weight: 600; overflow-wrap: anywhere; } tbody th { color: var(--soft); }
td { max-width: 28rem; overflow-wrap: anywhere; }
tr.first td { font-weight: 600; }
tr.differs > * { background: var(--differs); color: var(--ink); }
.matrix th, .matrix td { text-align: right; padding: .2rem .5rem; white-space: nowrap; }
.matrix tr > :last-child { padding-left: 1rem; }
.matrix .right { background: rgba(var(--right), calc(var(--share) * .5)); font-weight: 600; }
.matrix .wrong { background: rgba(var(--wrong), calc(var(--share) * .6)); }
.matrix .none { color: var(--soft); }
.row { display: flex; flex-wrap: wrap; gap: .9rem; }
figure { margin: 0; } .row figure { width: 8.2rem; font-size: .85rem; line-height: 1.35; overflow-wrap: anywhere; }
.row img { width: 6rem; display: block; } .small { gap: .6rem; } .row.small figure { width: 6rem; }
.pixels { image-rendering: pixelated; }
.chart { max-width: 46rem; margin: .6rem 0; overflow-x: auto; }
.chart svg { max-width: 100%; min-width: 34rem; width: 46rem; height: auto;
  stroke-linejoin: round; stroke-linecap: butt; }
#calibration .chart svg { width: 32rem; min-width: 22rem; }
details { margin: .5rem 0; } summary { cursor: pointer; }
"""
_MADE = "Made by <code>python -m manual_vs_auto.report</code>"


def write(directories: Sequence[Path], out: Path | None = None) -> Path:
    """Read runs, and leave the page that compares them.

    Args:   directories: of runs, in the order in which the page shows them.
            out:         where to; None is report.html in the first run's directory.
    Returns: the page's file.
    Raises: UsageError, one line, where a directory holds no run or a damaged one, one is named twice, matplotlib is
            missing, or the page can't be written.
    """
    places = [directory.resolve() for directory in directories]
    for at, place in enumerate(places):
        if place in places[:at]:
            raise UsageError(f"{directories[at]} is named twice: a run is compared with others")
    runs = [kept.read(directory) for directory in directories]
    require()
    path = directories[0] / FILE if out is None else out
    place = _free(path)
    content = page(runs)
    partial = files.partial(place)
    try:
        files.write(partial, content.encode())
        partial.replace(place)
    except OSError as error:
        hint = "" if out else ": say where to with --out"
        raise UsageError(f"{path} can't be written: {error.strerror}{hint}") from None
    finally:
        if partial.is_file():
            partial.unlink()
    return path


def _free(path: Path) -> Path:
    """Where the page goes: nothing is there, or a page of before. Of a link, what it leads to.

    Raises: UsageError, one line.
    """
    try:
        place = path.resolve()
        if place.is_dir():
            raise UsageError(f"--out {str(path)!r} is a directory: name a file in it")
        if place.exists() and not (place.is_file() and _MADE in place.read_text("utf-8", "replace")):
            raise UsageError(f"--out {path} is there, and is no page of this command: name another file")
    except (OSError, RuntimeError) as error:  # it may not be read, or links lead to each other
        raise UsageError(f"--out {path} can't be looked at ({error}): name another file") from None
    return place


def page(runs: Sequence[Kept]) -> str:
    """The page that compares these runs; the same runs are the same page."""
    sections = [
        summary(runs),
        *charts.charts(runs),
        gallery.weights(runs),
        gallery.confusions(runs),
        gallery.mistakes(runs),
        charts.calibrations(runs),
    ]
    body = "".join(sections)
    titles = re.findall(r'<section id="(\w+)">\n<h2>(.*?)</h2>', body)
    links = "".join(f'<li><a href="#{name}">{title}</a></li>' for name, title in titles)
    title = f"Run {runs[0].name}" if len(runs) == 1 else f"{len(runs)} runs: " + ", ".join(run.name for run in runs)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{text(title)}</title>
<style>{_LOOKS}</style>
</head>
<body>
<header>
<h1>{text(title)}</h1>
<nav aria-label="Sections"><ul>{links}</ul></nav>
</header>
<main>
{body}</main>
<footer>{_MADE}. The page needs no network and no script.</footer>
</body>
</html>
"""

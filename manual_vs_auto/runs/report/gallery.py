"""What is looked at run by run: W's rows, the confusion matrix, the worst mistakes."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from manual_vs_auto.runs.evaluation import Evaluation, Mistake
from manual_vs_auto.runs.kept import Kept
from manual_vs_auto.runs.model import Model
from manual_vs_auto.runs.pictures import judged
from manual_vs_auto.runs.pictures.judged import percent
from manual_vs_auto.runs.pictures.style import pixels, svg
from manual_vs_auto.runs.report.html import figure, image, note, section, table, text

_WRITTEN = 20  # classes up to which a confusion matrix is a table


def weights(runs: Sequence[Kept]) -> str:
    """W's rows as images, where the inputs are images."""
    parts = [_weights(run, run.model) for run in runs if run.model is not None and judged.has_weight_images(run)]
    if not parts:
        return ""
    reading = (
        "One row of W for each class. Light: a bright pixel here speaks for the class; dark: against it; mid-grey: 0."
    )
    return section("weights", "Weights", note(reading), *parts)


def _weights(run: Kept, model: Model) -> str:
    rows, limit = judged.weight_images(model)
    shown = [
        figure(image(pixels(row, limit), f"W's row of class {name}", "pixels"), name)
        for row, name in zip(rows, model.names, strict=False)
    ]
    of = f", {len(rows)} of {len(model.names)} classes" if len(rows) < len(model.names) else ""
    unit = f"From {-limit:.3g} to {limit:.3g} and beyond: logit per pixel of 0..1."
    return f'<h3>{text(run.name)}{of}</h3>{note(unit)}<div class="row small">{"".join(shown)}</div>\n'


def confusions(runs: Sequence[Kept]) -> str:
    """For each label how often it is taken for each class."""
    parts = [
        f"<h3>{text(run.name)}</h3>{_confusion(run.evaluation, at)}" for at, run in enumerate(runs) if run.evaluation
    ]
    if not parts:
        return ""
    return section("confusion", "Confusion matrix", note("A row is a label, a column what it is taken for."), *parts)


def _confusion(evaluation: Evaluation, at: int) -> str:
    if evaluation.confusion and evaluation.classes <= _WRITTEN:
        return _matrix(evaluation)
    pairs = [
        (evaluation.name(label), [evaluation.name(taken), f"{times:,}"]) for label, taken, times in evaluation.confused
    ]
    listed = table(["label", "taken for", "times"], pairs, "The mistakes most made")
    if not evaluation.confusion:
        return listed
    label = f"Confusion matrix of {evaluation.classes} classes; the table below names the mistakes most made"
    drawing = svg(partial(judged.confusion, evaluation), f"confusion{at}", text(label))
    return figure(drawing, "Darker: a larger share of the label's examples.", kind="chart") + listed


def _matrix(evaluation: Evaluation) -> str:
    counts = np.array(evaluation.confusion)
    names = [evaluation.name(label) for label in range(evaluation.classes)]
    rows, columns = counts.sum(axis=1), counts.sum(axis=0)
    most = max(1, int(np.max(counts - np.diag(np.diag(counts)))))
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in names)
    lines = [f'<tr><th scope="col">label</th>{head}<th scope="col">recall</th></tr>']
    for label, row in enumerate(counts.tolist()):
        cells = []
        for taken, count in enumerate(row):
            share = count / max(1, rows[label]) if taken == label else count / most
            kind = "right" if taken == label else "wrong" if count else "none"
            cells.append(f'<td class="{kind}" style="--share:{share:.3f}">{count:,}</td>')
        right = percent(row[label] / rows[label]) if rows[label] else "\u2013"
        lines.append(f'<tr><th scope="row">{text(names[label])}</th>{"".join(cells)}<td>{right}</td></tr>')
    sure = [percent(counts[at, at] / columns[at]) if columns[at] else "\u2013" for at in range(len(names))]
    last = "".join(f"<td>{cell}</td>" for cell in sure)
    lines.append(f'<tr><th scope="row">precision</th>{last}<td>{percent(evaluation.top1)}</td></tr>')
    caption = f"<caption>{evaluation.examples:,} {text(evaluation.of)}</caption>"
    return f'<div class="wide"><table class="matrix">{caption}{"".join(lines)}</table></div>\n'


def mistakes(runs: Sequence[Kept]) -> str:
    """The mistakes of which the model is surest."""
    parts = [f"<h3>{text(run.name)}</h3>{_mistakes(run.evaluation)}" for run in runs if run.evaluation]
    if not parts:
        return ""
    reading = "Those to whose label the model gives the smallest probability, the worst first."
    return section("mistakes", "Worst mistakes", note(reading), *parts)


def _mistakes(evaluation: Evaluation) -> str:
    if not evaluation.mistakes:
        return note("None.")
    if all(mistake.picture for mistake in evaluation.mistakes):
        return f'<div class="row">{"".join(_seen(evaluation, mistake) for mistake in evaluation.mistakes)}</div>\n'
    head = ["example", "label", "its probability", "taken for", "its probability"]
    return table(head, [(str(mistake.index), _told(evaluation, mistake)) for mistake in evaluation.mistakes])


def _told(evaluation: Evaluation, mistake: Mistake) -> list[str]:
    return [
        evaluation.name(mistake.label),
        percent(mistake.label_probability),
        evaluation.name(mistake.predicted),
        percent(mistake.predicted_probability),
    ]


def _seen(evaluation: Evaluation, mistake: Mistake) -> str:
    label, chance, taken, sure = _told(evaluation, mistake)
    picture = mistake.picture
    source = pixels(picture.array()) if picture else ""
    alt = f"example {mistake.index}, a {label}, taken for {taken}"
    return figure(
        image(source, alt, "pixels"), f"#{mistake.index}", f"label {label}: {chance}", f"taken for {taken}: {sure}"
    )

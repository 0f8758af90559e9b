"""The model card of a run: what a reader of a paper on it is owed, and who has to tell the rest.

Idea: M. Mitchell et al., Model Cards for Model Reporting, FAT* 2019. Every item of CLAIM and TRIPOD+AI
stands here (checklists.py). Those that a machine can answer are answered from the run (model_facts.py);
the others are marked as open, so that nobody takes silence for an answer. A machine never claims that an
item of judgement is done: it says what it knows, and what is left.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from alledge.card import INTENDED_USE
from alltrain.checklists import CLAIM, TRIPOD_AI, Checklist, Item
from alltrain.model_facts import collect_facts
from alltrain.run_record import JsonMap, RunRecord, words

MODEL_CARD = "model_card.md"
OPEN = "open: for the authors"


class State(StrEnum):
    """How far a machine could answer an item."""

    FILLED = "filled"
    IN_PART = "in part"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Answer:
    """One item with what the run tells of it. left: what only the authors can add, or nothing."""

    number: str
    asks: str
    state: State
    text: str
    left: str

    def in_words(self) -> str:
        """The cell of a Markdown table: what is told, then what is open."""
        if self.state is State.OPEN:
            return f"*{OPEN}*"
        return f"{self.text} *{OPEN} ({self.left})*" if self.left else self.text


@dataclass(frozen=True, slots=True)
class FilledChecklist:
    """A checklist with an answer to each of its items."""

    name: str
    source: str
    answers: tuple[Answer, ...]

    def count(self, state: str) -> int:
        """Items in this state."""
        return sum(answer.state == state for answer in self.answers)

    @property
    def summary(self) -> str:
        """How many items are answered, in one line."""
        counts = ", ".join(f"{self.count(state)} {state}" for state in State)
        return f"{len(self.answers)} items: {counts}"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A finished card. warnings: what to read before anything else.

    details: rows of (name, text). figures: rows of (name, value with its interval, on how much it rests).
    """

    name: str
    warnings: tuple[str, ...]
    details: tuple[tuple[str, str], ...]
    figures: tuple[tuple[str, str, str], ...]
    notes: tuple[str, ...]
    checklists: tuple[FilledChecklist, ...]

    def as_markdown(self) -> str:
        """RUN/model_card.md."""
        lines = [f"# Model card: {_cell(self.name)}", "", INTENDED_USE, ""]
        lines += [f"> **{_cell(warning)}**\n" for warning in self.warnings]
        lines += ["## The model", "", *_table(("", ""), self.details)]
        lines += ["## Figures", "", *_table(("figure", "value", "of"), self.figures)]
        if self.notes:
            lines += ["## Read this first", "", *(f"- {_cell(note)}" for note in self.notes), ""]
        for checklist in self.checklists:
            rows = [(f"{answer.number}", answer.asks, answer.in_words()) for answer in checklist.answers]
            lines += [f"## {checklist.name}", "", f"{checklist.summary}. {checklist.source}.", ""]
            lines += _table(("item", "asks for", "answer"), rows)
        return "\n".join(lines).rstrip() + "\n"

    def as_html(self) -> Markup:
        """A fragment for report.html, in its classes; every value is escaped."""
        environment = Environment(
            loader=PackageLoader("alltrain"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        page = environment.get_template("_model_card.html.j2").render(model_card=self, open_mark=OPEN)
        return Markup(page)  # noqa: S704 - rendered with autoescape just above


def model_card(
    config: JsonMap,
    metrics: JsonMap,
    provenance: JsonMap,
    notes: Sequence[str] = (),
    told: Mapping[str, str] | None = None,
    name: str | None = None,
) -> ModelCard:
    """The card of a run.

    Args:
        config: content of RUN/config.json. Fields may be missing; what rests on them is then open.
        metrics: content of RUN/metrics.json, likewise.
        provenance: content of RUN/provenance.json, likewise.
        notes: what every reader must know; those of `metrics` when none are given.
        told: facts that other parts of a run know, by name, over those of `model_facts`. Of the names in
            `checklists`, "robustness", "explainability" and "external" come from nowhere else.
        name: of the model; network and first digits of the data's fingerprint by default.
    """
    run = RunRecord(config, metrics, provenance, notes)
    facts = collect_facts(run) | dict(told or {})
    return ModelCard(
        name=name or f"{run.recipe.get('model', 'network')}-{str(config.get('fingerprint', ''))[:8]}",
        warnings=_warnings(run),
        details=tuple((title, facts[fact]) for title, fact in _DETAILS if fact in facts),
        figures=tuple(
            (words(figure), run.figure(figure) or "", run.basis(figure)) for figure in run.figure_names()
        ),
        notes=run.notes,
        checklists=tuple(_fill(checklist, facts) for checklist in (CLAIM, TRIPOD_AI)),
    )


_DETAILS = (
    ("network", "model"),
    ("cells", "numbers"),
    ("data", "data"),
    ("folds", "partition"),
    ("validation", "validation"),
    ("weights", "initialisation"),
    ("training", "training"),
    ("augmentation", "augmentation"),
    ("calibration", "calibration"),
    ("failures", "failures"),
    ("software", "software"),
    ("code", "code"),
    ("machine", "machine"),
)


def _warnings(run: RunRecord) -> tuple[str, ...]:
    phantom = "Phantom: fitted and judged on rendered smears. Says nothing about clinical performance."
    ungrouped = "No groups: patients are unknown, and all figures may be optimistic."
    return (
        *((phantom,) if run.config.get("is_phantom") is True else ()),
        *((ungrouped,) if run.config.get("grouped") is False else ()),
    )


def _fill(checklist: Checklist, facts: Mapping[str, str]) -> FilledChecklist:
    return FilledChecklist(
        checklist.name, checklist.source, tuple(_answer(item, facts) for item in checklist.items)
    )


def _answer(item: Item, facts: Mapping[str, str]) -> Answer:
    text = " ".join(facts[fact] for fact in item.facts if fact in facts)
    if not text:
        return Answer(item.number, item.asks, State.OPEN, "", item.left)
    return Answer(item.number, item.asks, State.IN_PART if item.left else State.FILLED, text, item.left)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table and an empty line after it."""
    lines = [header, ["---"] * len(header), *rows]
    return [*(f"| {' | '.join(map(_cell, line))} |" for line in lines), ""]


def _cell(text: str) -> str:
    """Text that stays in its cell and is no markup, whatever a file or a label is called."""
    one_line = " ".join(text.split())
    for mark, harmless in (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|")):
        one_line = one_line.replace(mark, harmless)
    return one_line

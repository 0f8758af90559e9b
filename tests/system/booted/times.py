"""How long each thing took, as a table for the documents."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Times:
    """What happened, and the seconds that it took."""

    rows: list[str] = field(
        default_factory=lambda: ["| what | READY, s | next field stored, s |", "|---|---|---|"]
    )

    def note(self, what: str, ready_s: float | None, stored_s: float | None = None) -> None:
        told = ["-" if seconds is None else f"{seconds:.1f}" for seconds in (ready_s, stored_s)]
        self.rows.append(f"| {what} | {' | '.join(told)} |")

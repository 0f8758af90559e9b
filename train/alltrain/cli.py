"""The `alltrain` command. Imports Keras, OpenCV and matplotlib only when a command needs them."""

from alledge import RESEARCH_USE_ONLY
from alledge.command_line import new_app, run_app
from alltrain.commands.audit import audit
from alltrain.commands.cells import cells
from alltrain.commands.compare import compare
from alltrain.commands.evaluate import evaluate
from alltrain.commands.fit import fit
from alltrain.commands.phantom import phantom

app = new_app(f"Fits and judges models that call white cells. {RESEARCH_USE_ONLY}")
for command in (audit, fit, evaluate, compare, cells, phantom):
    app.command()(command)


def main() -> None:
    """Entry point of `alltrain`."""
    run_app(app)

"""The `allconvert` command. TensorFlow is imported when a model is quantised, and only then."""

from allconvert.commands.bench import bench
from allconvert.commands.inspect import inspect
from allconvert.commands.publish import (
    publish,
    publish_init,
    publish_refresh,
    publish_rotate,
    publish_sign,
    publish_withdraw,
)
from allconvert.commands.quantize import quantize
from allconvert.commands.verify import verify
from alledge import RESEARCH_USE_ONLY
from alledge.command_line import new_app, run_app

app = new_app(f"Float model in, verified int8 model file out. {RESEARCH_USE_ONLY}")
for command in (quantize, inspect, verify, bench):
    app.command()(command)
for ceremony in (publish, publish_sign, publish_init, publish_refresh, publish_rotate, publish_withdraw):
    app.command()(ceremony)


@app.callback()
def allconvert() -> None:
    """Keeps `allconvert` a command with subcommands."""


def main() -> None:
    """Entry point of `allconvert`."""
    run_app(app)

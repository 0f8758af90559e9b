"""The `alledge` command. Imports numpy, OpenCV and the runtime only when a command needs them."""

from alledge import RESEARCH_USE_ONLY
from alledge.command_line import new_app, run_app
from alledge.commands.calibrate import calibrate
from alledge.commands.doctor import doctor
from alledge.commands.export import export
from alledge.commands.install_service import install_service, uninstall_service
from alledge.commands.metrics import metrics
from alledge.commands.model import model_app
from alledge.commands.page import page
from alledge.commands.publish import publish
from alledge.commands.report import report
from alledge.commands.run import run, tell
from alledge.commands.scan import scan
from alledge.commands.snap import snap
from alledge.commands.verify_log import verify_log

app = new_app(f"Finds and classifies white cells under the microscope. {RESEARCH_USE_ONLY}")
for command in (
    snap,
    scan,
    calibrate,
    run,
    tell,
    page,
    metrics,
    publish,
    report,
    export,
    verify_log,
    install_service,
    uninstall_service,
    doctor,
):
    app.command()(command)
app.add_typer(model_app, name="model")


def main() -> None:
    """Entry point of `alledge`."""
    run_app(app)

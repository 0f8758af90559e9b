"""`allconvert publish` and its ceremony: a repository of signed models, made, added to, renewed."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from allconvert.commands.options import ModelArgument, PythonsOption

if TYPE_CHECKING:
    from allconvert.publishing.repository import Days, ModelRepository
    from allconvert.publishing.staging import Staged

PASSPHRASE: Final = "ALLSCOPE_KEY_PASSPHRASE"  # noqa: S105 - the name of a variable
RepoOption = Annotated[
    Path, typer.Option("--repo", metavar="DIR", help="The repository: a folder of static files.")
]
KeysOption = Annotated[
    list[Path],
    typer.Option("--keys", metavar="DIR", help="Folder of private keys; once for each holder."),
]
PlainOption = Annotated[
    bool, typer.Option("--no-passphrase", help="New online keys without one, for a timer.")
]
StageOption = Annotated[
    bool,
    typer.Option("--stage", help="Let it wait for the signatures of holders elsewhere: `publish-sign`."),
]
StampDaysOption = Annotated[
    int,
    typer.Option(min=1, max=400, help="How long a copy can be installed from; longer shows older states."),
]


def publish_init(
    repo: RepoOption,
    keys: Annotated[Path, typer.Option("--keys", metavar="DIR", help="Where the new keys go.")],
    holders: Annotated[int, typer.Option(min=1, max=20, help="Keys of root and of targets each.")] = 3,
    threshold: Annotated[int, typer.Option(min=1, max=20, help="How many of them must sign.")] = 2,
    no_passphrase: PlainOption = False,
    timestamp_days: StampDaysOption = 100,
) -> None:
    """Makes keys and an empty repository; tells which file devices are to trust."""
    from allconvert.publishing.publish import check_as_device, fingerprint

    if keys.resolve().is_relative_to(repo.resolve()):
        raise typer.BadParameter(
            "the repository is copied whole, keys must lie elsewhere", param_hint="--keys"
        )
    if threshold > holders:
        raise typer.BadParameter("more must sign than there are", param_hint="--threshold")
    repository = _repository(repo, [keys], no_passphrase, timestamp_days)
    root = repository.create(keys, holders, threshold)
    check_as_device(repo)
    typer.echo(f"{root}: trust it on every device, once: alledge model trust {root.name}")
    typer.echo(f"  sha256 {fingerprint(root)}")
    typer.echo(f"  Give each holder one root and one targets key of {keys / 'offline'}, and keep none;")
    typer.echo(f"  and {root.name} beside them, to see by that nobody changed the repository.")


def publish(
    model: ModelArgument,
    repo: RepoOption,
    keys: KeysOption,
    name: Annotated[
        str | None, typer.Option(help="Its name in the repository. Default: the card's, as a file is named.")
    ] = None,
    min_software: Annotated[
        str | None, typer.Option(help="Lowest version of allscope. Default: this one.")
    ] = None,
    python: PythonsOption = None,
    timestamp_days: StampDaysOption = 100,
    stage: StageOption = False,
) -> None:
    """Examines a model, signs it, and reads it back as a device would."""
    from allconvert.publishing.publish import plain_name, publish_model, stage_model
    from alledge import __version__
    from alledge.model_file import read_model
    from alledge.models.examining import readable

    chosen = name or plain_name(readable(lambda: read_model(model), str(model)).name)
    repository = _repository(repo, keys, False, timestamp_days)
    software, now = min_software or __version__, datetime.now(UTC)
    if stage:
        _tell_staged(stage_model(model, repository, chosen, now, software, python or ()), repo)
        return
    release = publish_model(model, repository, chosen, now, software, python or ())
    typer.echo(f"published {release.name} v{release.version}: {', '.join(release.labels)}")
    typer.echo(f"  copy {repo} whole, to a web server or a stick: alledge model install SOURCE")


def publish_sign(
    repo: RepoOption,
    keys: KeysOption,
    yes: Annotated[bool, typer.Option("--yes", help="Sign what is shown without being asked.")] = False,
    python: PythonsOption = None,
    timestamp_days: StampDaysOption = 100,
) -> None:
    """Shows what waits for signatures, examines it and signs it; with enough of them it becomes public."""
    from allconvert.publishing.publish import sign_staged

    def confirm(told: str) -> bool:
        typer.echo(told)
        return yes or typer.confirm("Is this what you mean to make public?")

    staged, is_public = sign_staged(_repository(repo, keys, False, timestamp_days), confirm, python or ())
    if is_public:
        typer.echo(f"public: copy {repo} whole, to a web server or a stick")
    elif staged is not None:
        _tell_staged(staged, repo)


def publish_refresh(
    repo: RepoOption,
    keys: KeysOption,
    root: Annotated[bool, typer.Option("--root", help="Also the root, with its holders' keys.")] = False,
    timestamp_days: StampDaysOption = 100,
    stage: StageOption = False,
) -> None:
    """Signs new dates with the online keys, so that copies can be installed from again."""
    from allconvert.publishing.publish import check_as_device

    repository = _repository(repo, keys, False, timestamp_days)
    if stage:
        if not root:
            raise typer.BadParameter("only the root has holders to wait for: --root", param_hint="--stage")
        _tell_staged(repository.stage_root(), repo)
        return
    if root:
        typer.echo(f"root v{repository.renew_root()}")
    repository.refresh()
    check_as_device(repo)
    typer.echo(f"{repo}: can be installed from for {timestamp_days} days")


def publish_rotate(
    role: Annotated[str, typer.Argument(help="root, targets, snapshot or timestamp")],
    drop: Annotated[str, typer.Argument(help="The key to drop: the first digits in its file's name.")],
    repo: RepoOption,
    keys: KeysOption,
    no_passphrase: PlainOption = False,
) -> None:
    """Replaces a key that was lost or stolen; devices follow by the next root."""
    from allconvert.publishing.publish import check_as_device
    from allconvert.publishing.repository import ROLES

    if role not in ROLES:
        raise typer.BadParameter(f"one of {', '.join(ROLES)}", param_hint="ROLE")
    if keys[0].resolve().is_relative_to(repo.resolve()):
        raise typer.BadParameter(
            "the repository is copied whole, keys must lie elsewhere", param_hint="--keys"
        )
    version = _repository(repo, keys, no_passphrase).rotate(role, drop, keys[0])
    check_as_device(repo)
    typer.echo(f"root v{version}: {role} has a new key in {keys[0]}; destroy the old one")


def publish_withdraw(
    name: Annotated[str, typer.Argument(help="Name of the model.")],
    version: Annotated[int, typer.Argument(min=1, help="Its version.")],
    repo: RepoOption,
    keys: KeysOption,
    stage: StageOption = False,
) -> None:
    """Takes a model off the list; its number is not used again."""
    repository = _repository(repo, keys, False)
    if stage:
        _tell_staged(repository.stage_withdrawal(name, version), repo)
        return
    repository.withdraw(name, version)
    typer.echo(f"{name} v{version} is no longer offered; devices that have it keep it")


def _tell_staged(staged: "Staged", repo: Path) -> None:
    typer.echo(staged.told())
    if staged.missing:
        typer.echo(f"  {staged.missing} more must sign: carry {repo} whole to the next holder, and there")
        typer.echo("  allconvert publish-sign --repo COPY --keys KEYS")
    else:
        typer.echo("  signed by enough; make it public where the online keys are: allconvert publish-sign")


def _repository(
    repo: Path, keys: list[Path], no_passphrase: bool, timestamp_days: int | None = None
) -> "ModelRepository":
    from allconvert.publishing.holders import Holders
    from allconvert.publishing.keys import ONLINE
    from allconvert.publishing.repository import ModelRepository

    # Runtimes are asked in other processes: none of them shall load a module that lies on a holder's stick.
    os.environ["PYTHONSAFEPATH"] = "1"

    def passphrase(name: str, is_new: bool) -> bytes | None:
        if is_new and no_passphrase and name.startswith(ONLINE):
            return None
        given = os.environ.get(PASSPHRASE) or typer.prompt(
            f"Passphrase of {name}", hide_input=True, confirmation_prompt=is_new
        )
        return str(given).encode()

    return ModelRepository(repo, Holders(keys, passphrase), datetime.now(UTC), _days(timestamp_days))


def _days(timestamp_days: int | None) -> "Days":
    from allconvert.publishing.repository import Days

    return Days() if timestamp_days is None else Days(snapshot=timestamp_days, timestamp=timestamp_days)

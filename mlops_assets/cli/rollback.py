"""`mlops rollback`: the previous champion serves again, at once.

Here: the command and what it says. Not here: the way back itself (`assets.rolling_back`).
"""

from mlops_assets.assets.rolling_back import RolledBack, roll_back
from mlops_assets.assets.versions import named
from mlops_assets.cli.names import program
from mlops_assets.cli.versions import opened
from mlops_assets.cli.world import World, console


def run(name: str, to: str | None, *, reason: str) -> None:
    """Take out what serves, and serve what served before it, or ``to``.

    Raises:
        NothingToRollBack: nothing serves, or nothing is there to go back to.
        Untrusted: what would be served again does not hold; nothing was changed.
        DeploymentFailed: the way back failed; the message says what serves.
    """
    world = World.open()
    versions = opened(world, name)
    words = f"by {versions.who}{': ' if reason else ''}{reason}"
    _say(name, roll_back(versions, world.instance, to=to, words=words))


def _say(name: str, done: RolledBack) -> None:
    if done.bad is None:
        console.print(
            f"{named(done.target)} serves: an earlier rollback to it, or promotion of it, had been "
            "interrupted, and the registry says so now. Run it again to go back further."
        )
        return
    console.print(
        f"served before   {named(done.bad)}, now rolled-back: nothing deploys it by itself"
    )
    console.print(f"serves now      [bold]{named(done.target)}[/]")
    console.print(f"took            {done.seconds:.1f} s")
    console.print(
        f"To bring it back: [bold]{program()} promote {name} {done.bad.version}[/], "
        "then materialize its endpoint.",
        soft_wrap=True,
    )

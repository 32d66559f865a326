"""The `kunren` command: finds the command that was asked for and imports only that one."""

from __future__ import annotations

import importlib
import sys

import click

from kunren import __version__

# command → where it is; a command's module is imported when it is asked for, so that `exec` starts quickly
COMMANDS = {
    "up": "kunren.cli.up:up",
    "down": "kunren.cli.up:down",
    "reset": "kunren.cli.up:reset",
    "status": "kunren.cli.inspect:status",
    "doctor": "kunren.cli.inspect:doctor",
    "logs": "kunren.cli.inspect:logs",
    "ca": "kunren.cli.environment:ca",
    "env": "kunren.cli.environment:env",
    "exec": "kunren.cli.execute:execute",
    "ssh": "kunren.cli.ssh:ssh",
    "spot": "kunren.cli.spot:spot",
    "drill": "kunren.cli.drill:drill",
    "simulate": "kunren.cli.simulate:simulate",
    "image": "kunren.cli.images:image",
    "graph": "kunren.cli.graph:graph",
    "trace": "kunren.cli.trace:trace",
    "stack": "kunren.cli.stacks:stack",
}


class LazyGroup(click.Group):
    """A group whose commands are imported on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        target = COMMANDS.get(cmd_name)
        if target is None:
            return None
        module, _, attribute = target.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kunren")
def cli() -> None:
    """A local AWS whose traffic is real.

    \b
    Deploy with the tools you already use, send packets, break it, read the recovery.

    \b
      kunren up --detach                          start one
      kunren exec -- aws ec2 describe-vpcs        use it from inside its world
      kunren exec --from tokyo -- curl https://example-one.test/
      kunren ssh i-0123456789abcdef0 -- uptime    a command, or a shell, in an instance
      eval "$(kunren env)"                        or point the tools of this shell at it
      kunren drill run redirect                   deploy the showpiece and check it
      kunren simulate active-passive-dns          foretell it for a million clients
      kunren graph                                draw what is deployed
      kunren image load web.tar --name web:1      have a container image for tasks and functions
      kunren trace https://example-one.test/      follow one request, step by step
      kunren down                                 end it; `up` comes back to the same world
    """


def main() -> None:
    """Entry point: a failure that is the user's to mend is one paragraph, never a traceback."""
    from kunren.cli.failures import explained

    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("Stopped.", err=True)
        sys.exit(130)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except Exception as error:
        text = explained(error)
        if text is None:
            raise
        click.echo(f"kunren: {text}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()

"""The process entry: answers `ferry` and `python -m ferrycli`."""

import os
import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    from ferrycli.cli import complete

    # A shell waits for this at a press of TAB, so nothing else is loaded before it, and the
    # interpreter is left as it stands: taking it down costs a good part of the answer's time.
    if sys.argv[1:2] == [complete.WORD]:
        os._exit(complete.run(sys.argv[2:]))

    from ferrycli.cli.main import run

    raise SystemExit(run())


if __name__ == "__main__":
    main()

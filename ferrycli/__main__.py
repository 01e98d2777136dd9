"""The process entry: answers `ferry` and `python -m ferrycli`."""


def main() -> None:
    """Run the command line and leave with its exit code."""
    from ferrycli.cli.main import run

    raise SystemExit(run())


if __name__ == "__main__":
    main()

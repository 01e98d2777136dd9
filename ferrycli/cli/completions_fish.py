"""`completions/ferry.fish`: for fish 3.1 and later, a line for each thing that can be typed."""

from __future__ import annotations

from collections.abc import Iterator

from ferrycli.cli.completions import LEADING_TO_DATABASE, Command, Option, Tree, Values, filled

_SCRIPT = r"""# TAB for `ferry` in fish. Made by ferrycli/cli/completions_fish.py.

# The command that the line has named so far, and on a second line the number of its arguments.
function __ferry_place
    set -l path ''
    set -l arguments 0
    set -l waits no
    for word in (commandline -opc)[2..-1]
        if test $waits = yes
            set waits no
            continue
        end
        switch $word
            case @VALUED@
                set waits yes
            case '-*'
            case '*'
                set -l further (string trim -- "$path $word")
                if contains -- $further @PATHS@
                    set path $further
                else
                    set arguments (math $arguments + 1)
                end
        end
    end
    printf '%s\n' "$path" $arguments
end

# Whether the line is within this command, and has so many arguments where a number is given.
function __ferry_at
    set -l place (__ferry_place)
    test "$place[1]" = "$argv[1]"; or return 1
    test (count $argv) -eq 1; or test $place[2] -eq $argv[2]
end

# The begun word, or what stands after its `=`; without the quote before it.
function __ferry_begun
    commandline -ct | string replace -r '^--[^=]*=' '' | string trim -l -c '"\''
end

# Names from the database that the line leads to.
function __ferry_names
    set -l typed (commandline -opc)
    set -l leading
    set -l option ''
    for word in $typed[2..-1]
        if test -n "$option"
            set -a leading "$option=$word"
            set option ''
            continue
        end
        switch $word
            case @LEADING@
                set option $word
            case @LEADING_WITH_VALUE@
                set -a leading $word
        end
    end
    set -l program $typed[1]
    command -q $program; or set program ferry
    command $program @WORD@ $argv[1] (__ferry_begun) $leading 2>/dev/null </dev/null
end

# Words with commas between: those that are there stay, and none comes twice.
function __ferry_list
    set -l there (__ferry_begun | string replace -r '[^,]*$' '')
    for word in $argv
        contains -- $word (string split , -- $there); or echo "$there$word"
    end
end

complete -c ferry -f
@LINES@
"""


def script(tree: Tree) -> str:
    """The whole file."""
    from ferrycli.cli.complete import WORD

    valued = dict.fromkeys(
        name for (_, name), values in tree.places().items() if values and name.startswith("-")
    )
    parts = {
        "VALUED": " ".join(valued),
        "PATHS": " ".join(_quoted(one.path) for one in tree.root.walk() if one.words),
        "LEADING": " ".join(LEADING_TO_DATABASE),
        "LEADING_WITH_VALUE": " ".join(f"'{name}=*'" for name in LEADING_TO_DATABASE),
        "WORD": WORD,
        "LINES": "\n".join(_lines(tree)),
    }
    return filled(_SCRIPT, parts)


def _lines(tree: Tree) -> Iterator[str]:
    for option in tree.every_option:
        yield f"complete -c ferry {_option(option)}"
    for command in tree.root.walk():
        yield ""
        for child in command.commands:
            name, sentence = child.words[-1], _quoted(child.sentence)
            yield f"{_at(command, 0)} -a {name} -d {sentence}"
        for number, argument in enumerate(command.arguments):
            if argument.values != Values():
                at = _at(command, None if argument.repeats else number)
                yield f"{at} {_values(argument.values)}"
        for option in command.options:
            yield f"{_at(command)} {_option(option)}"


def _at(command: Command, arguments: int | None = None) -> str:
    """The beginning of a line that holds within a command, after so many arguments."""
    path = f'"{command.path}"' if len(command.words) != 1 else command.path
    number = "" if arguments is None else f" {arguments}"
    return f"complete -c ferry -n '__ferry_at {path}{number}'"


def _option(option: Option) -> str:
    names = (
        f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names
    )
    parts = [*names]
    if option.metavar:
        # A value has to follow; files are offered only where it is one.
        parts.append("-r" if option.values.are_files else "-x")
        parts.append(_values(option.values))
    return " ".join(part for part in (*parts, f"-d {_quoted(option.sentence)}") if part)


def _values(values: Values) -> str:
    words = " ".join(values.words)
    if values.kind:
        return f"-a '(__ferry_names {values.kind})'"
    if values.are_listed:
        return f"-a '(__ferry_list {words})'"
    if values.words:
        return f"-a '{words}'"
    return "-F" if values.are_files else ""


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

"""`completions/_ferry`: for zsh, by its own `_arguments`, a function for each command."""

from __future__ import annotations

from collections.abc import Iterator

from ferrycli.cli.completions import (
    LEADING_TO_DATABASE,
    Argument,
    Command,
    Option,
    Tree,
    Values,
    filled,
)

_SCRIPT = r"""#compdef ferry
# TAB for `ferry` in zsh. Made by ferrycli/cli/completions_zsh.py.

# Names from the database that the line leads to: `typed` holds its words up to the cursor.
__ferry_names() {
    local -a leading names
    local word option=
    for word in "${(@Q)typed[2,-1]}"; do
        if [[ -n $option ]]; then
            leading+=("$option=$word")
            option=
        else
            case $word in
                (@LEADING@) option=$word ;;
                (@LEADING_WITH_VALUE@) leading+=("$word") ;;
            esac
        fi
    done
    local program=${(Q)typed[1]}
    (( $+commands[$program] )) || [[ -x $program && $program == */* ]] || program=ferry
    leading+=("$argv[-1]" "${(Q)PREFIX}")
    names=("${(@f)$(command $program @WORD@ $leading 2>/dev/null </dev/null)}")
    names=("${(@)names:#}")
    compadd "${(@)argv[1,-2]}" -a names
}

@FUNCTIONS@

_ferry() {
    local -a typed=("${(@)words[1,CURRENT-1]}")
    local -a everywhere=(
@EVERYWHERE@
    )
    __ferry_at
}

# As a file of `fpath` this is the body of `_ferry`; read by `source` it has to be made known.
if [[ $funcstack[1] == _ferry ]]; then
    _ferry "$@"
else
    compdef _ferry ferry
fi
"""

_GROUP = r"""@NAME@() {
    local curcontext=$curcontext state state_descr context
    local -a line
    local -A opt_args
    local -i ret=1
    _arguments -C -S : \
        $everywhere \
@OPTIONS@        '(-)1: :@BELOW@' \
        '(-)*:: :->below' && ret=0
    [[ $state == below ]] || return ret
    curcontext=${curcontext%:*:*}:@CONTEXT@-$words[1]:
    case $words[1] in
@BRANCHES@
    esac
    return ret
}

@BELOW@() {
    local -a found=(
@COMMANDS@
    )
    _describe -t commands command found "$@"
}"""

_LEAF = r"""@NAME@() {
    _arguments -S : \
        $everywhere@OPTIONS@
}"""


def script(tree: Tree) -> str:
    """The whole file."""
    from ferrycli.cli.complete import WORD

    parts = {
        "WORD": WORD,
        "LEADING": "|".join(LEADING_TO_DATABASE),
        "LEADING_WITH_VALUE": "|".join(f"{name}=*" for name in LEADING_TO_DATABASE),
        "FUNCTIONS": "\n\n".join(_function(one) for one in tree.root.walk()),
        "EVERYWHERE": "\n".join(f"        {one}" for one in _options(tree.every_option)),
    }
    return filled(_SCRIPT, parts)


def _name(command: Command, role: str = "at") -> str:
    return "_".join(["__ferry", role, *(word.replace("-", "_") for word in command.words)])


def _function(command: Command) -> str:
    specs = list(_options(command.options))
    if not command.commands:
        specs += map(_argument, command.arguments, range(1, len(command.arguments) + 1))
        lines = "".join(f" \\\n        {one}" for one in specs)
        return filled(_LEAF, {"NAME": _name(command), "OPTIONS": lines})
    children = command.commands
    branches = (f"        ({one.words[-1]}) {_name(one)} && ret=0 ;;" for one in children)
    described = (f"{one.words[-1]}:{_escaped(one.sentence)}" for one in children)
    parts = {
        "NAME": _name(command),
        "BELOW": _name(command, "below"),
        "CONTEXT": "-".join(["ferry", *command.words]),
        "OPTIONS": "".join(f"        {one} \\\n" for one in specs),
        "BRANCHES": "\n".join(branches),
        "COMMANDS": "\n".join(f"        {_quoted(one)}" for one in described),
    }
    return filled(_GROUP, parts)


def _options(options: tuple[Option, ...]) -> Iterator[str]:
    """One specification for every name: what excludes it, its sentence, what follows."""
    for option in options:
        for name in option.names:
            before = "*" if option.repeats else f"({' '.join(option.names)})"
            if option.stands_alone:
                before = "(- *)"
            # `=` lets the value follow after `=` or a space; a letter's follows after a space.
            joint = "=" if option.metavar and name.startswith("--") else ""
            follows = f":{_escaped(option.metavar)}:{_action(option.values)}"
            sentence = f"[{_escaped(option.sentence, ':[]')}]"
            yield _quoted(f"{before}{name}{joint}{sentence}{follows if option.metavar else ''}")


def _argument(argument: Argument, number: int) -> str:
    place = "*" if argument.repeats else str(number)
    # A message in place of matches would keep zsh from finishing an option's name.
    action = "{true}" if argument.values == Values() else _action(argument.values)
    return _quoted(f"{place}:{_escaped(argument.metavar)}:{action}")


def _action(values: Values) -> str:
    words = " ".join(values.words)
    if values.kind:
        return f"__ferry_names {values.kind}"
    if values.are_listed:
        return f"_sequence compadd - {words}"
    if values.words:
        # The part that follows the `=` is typed at once, without a space.
        return f'compadd -S "" - {words}' if words.endswith("=") else f"({words})"
    return "_files" if values.are_files else " "


def _escaped(text: str, ends: str = ":") -> str:
    """Text for a place that each of `ends` would end."""
    return "".join(f"\\{letter}" if letter in f"\\{ends}" else letter for letter in text)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"

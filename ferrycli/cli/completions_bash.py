"""`completions/ferry.bash`: for bash 3.2 and later, needing no other package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ferrycli.cli.completions import LEADING_TO_DATABASE, Option, Tree, Values, filled

LINE_WIDTH = 96

_SCRIPT = r"""# TAB for `ferry` in bash. Made by ferrycli/cli/completions_bash.py.

# The commands below one, into `found`.
__ferry_commands() {
    found=
    case $1 in
@COMMANDS@
    esac
}

# The options of a command, into `found`; `+` after one that may come again.
__ferry_options() {
    found=
    case $1 in
@OPTIONS@
    esac
    found+=' @EVERYWHERE@'
}

# What follows an option of a command, or is its argument of a number: into `how` and `choices`.
# Nothing follows a flag.
__ferry_place() {
    how= choices=
    case $1 in
@PLACES@
    esac
}

# The words before the cursor into `typed`, and the begun one into `current`: bash parts words at
# `=`, `:` and `@`, too, and what no space parts belongs together.
__ferry_read() {
    local line=${COMP_LINE:0:COMP_POINT} part space
    typed=() current=
    for part in "${COMP_WORDS[@]}"; do
        [[ -n $part ]] || continue
        space=${line%%[![:space:]]*}
        [[ -n ${line#"$space"} ]] || break
        line=${line#"$space"}
        # The cursor stands in this one, or the line was changed behind bash's back.
        [[ $line == "$part"* ]] || part=$line
        line=${line#"$part"}
        if [[ -n $space && -n $current ]]; then
            typed+=("$current")
            current=$part
        else
            current+=$part
        fi
    done
    if [[ -n $line ]]; then
        typed+=("$current")
        current=
    fi
}

# A word as `ferry` would get it, into `plain`: without its quotes. Nothing in it is carried out.
__ferry_unquote() {
    plain=$1
    case $plain in
        \"*) plain=${plain#\"} plain=${plain%\"} ;;
        \'*) plain=${plain#\'} plain=${plain%\'} ;;
        *) plain=${plain//\\/} ;;
    esac
}

# Goes through the words before the cursor: which command it is, how many arguments it has, which
# options were there, which of them waits for its value, and which lead to the database.
__ferry_walk() {
    local word how choices found plain are_arguments=
    path= arguments=0 waiting= seen=' ' leading=()
    for word in "${typed[@]:1}"; do
        if [[ -n $waiting ]]; then
            __ferry_unquote "$word"
            case $waiting in @LEADING@) leading+=("$waiting=$plain") ;; esac
            waiting=
        elif [[ -z $are_arguments && $word == -* ]]; then
            case $word in
                --) are_arguments=yes ;;
                *=*)
                    seen+="${word%%=*} "
                    __ferry_unquote "${word#*=}"
                    case ${word%%=*} in @LEADING@) leading+=("${word%%=*}=$plain") ;; esac
                    ;;
                *)
                    seen+="$word "
                    __ferry_place "$path $word"
                    [[ -z $how ]] || waiting=$word
                    ;;
            esac
        else
            __ferry_commands "$path"
            if [[ " $found " == *" $word "* ]]; then
                path="${path:+$path }$word"
            else
                arguments=$((arguments + 1))
            fi
        fi
    done
    [[ -z $are_arguments ]] || waiting=--
}

# Offers what begins like the part of the word after `stem`.
__ferry_offer() {
    local value
    for value in "$@"; do
        [[ $value == "$begun"* ]] || continue
        # Of the word, bash replaces what follows the last sign at which it parts words.
        value=$stem$value
        COMPREPLY+=("${value#"$kept"}")
        [[ $value != *= ]] || compopt -o nospace 2>/dev/null
    done
}

__ferry_offer_names() {
    local names name
    names=$("$program" @WORD@ "$1" "$begun" "${leading[@]}" 2>/dev/null </dev/null)
    while IFS= read -r name; do
        [[ -z $name ]] || __ferry_offer "$name"
    done <<<"$names"
}

# Words with commas between: those that are there stay, and none comes twice.
__ferry_offer_list() {
    local there=${begun%"${begun##*,}"} word
    for word in $1; do
        [[ ,$there == *,"$word",* ]] || __ferry_offer "$there$word"
    done
}

__ferry_offer_files() {
    local file
    # bash itself knows best how files are quoted.
    compopt -o default 2>/dev/null && return
    while IFS= read -r file; do
        [[ -z $file ]] || __ferry_offer "$file"
    done <<<"$(compgen -f -- "$begun")"
}

__ferry_offer_options() {
    local found option
    __ferry_options "$path"
    for option in $found; do
        [[ $seen == *" $option "* ]] || __ferry_offer "${option%+}"
    done
}

__ferry() {
    local IFS=$' \t\n' program=$1 typed current path arguments waiting seen leading
    local stem= begun kept= plain how choices found
    COMPREPLY=()
    type -P -- "$program" >/dev/null || program=ferry
    __ferry_read
    __ferry_walk
    if [[ $waiting == -- ]]; then
        waiting=
    elif [[ -z $waiting && $current == --*=* ]]; then
        waiting=${current%%=*} stem=${current%%=*}=
    elif [[ -z $waiting && $current == -* ]]; then
        begun=$current
        __ferry_offer_options
        return
    fi
    begun=${current#"$stem"}
    local breaks=${COMP_WORDBREAKS//[!=:@]/}
    case $begun in
        [\"\']*) kept=$stem ;;
        *) [[ -z $breaks ]] || kept=${current%"${current##*[$breaks]}"} ;;
    esac
    __ferry_unquote "$begun"
    begun=$plain
    if [[ -z $waiting ]]; then
        __ferry_commands "$path"
        # A word that names no command here leads nowhere.
        [[ -z $found ]] || (( arguments == 0 )) || return
        __ferry_offer $found
        waiting=$((arguments + 1))
    fi
    __ferry_place "$path $waiting"
    case $how in
        words) __ferry_offer $choices ;;
        list) __ferry_offer_list "$choices" ;;
        names) __ferry_offer_names "$choices" ;;
        files) __ferry_offer_files ;;
        '') [[ -n $current || ${#COMPREPLY[@]} -gt 0 ]] || __ferry_offer_options ;;
    esac
}

complete -F __ferry ferry
"""


def script(tree: Tree) -> str:
    """The whole file."""
    from ferrycli.cli.complete import WORD

    walked = list(tree.root.walk())
    commands = [
        _case([f"'{one.path}'"], f"found='{' '.join(child.words[-1] for child in one.commands)}'")
        for one in walked
        if one.commands
    ]
    options = [
        _case([f"'{one.path}'"], f"found='{_names(one.options)}'") for one in walked if one.options
    ]
    parts = {
        "COMMANDS": "\n".join(commands),
        "OPTIONS": "\n".join(options),
        "EVERYWHERE": _names(tree.every_option),
        "PLACES": "\n".join(_places(tree)),
        "LEADING": " | ".join(LEADING_TO_DATABASE),
        "WORD": WORD,
    }
    return filled(_SCRIPT, parts)


def _places(tree: Tree) -> Iterator[str]:
    """Branches by what can stand in a place, those of single commands first."""
    by_path: dict[str, list[str]] = {}
    anywhere: dict[str, list[str]] = {}
    for (path, name), values in tree.places().items():
        action = _place(values)
        if path == "*" and values is None:
            continue
        if path == "*":
            anywhere.setdefault(action, []).append(f"*' {name}'")
        else:
            pattern = f"'{path} '[0-9]*" if name == "*" else f"'{path} {name}'"
            by_path.setdefault(action, []).append(pattern)
    for action, patterns in (*by_path.items(), *anywhere.items()):
        yield _case(patterns, action)


def _place(values: Values | None) -> str:
    if values is None:
        return "how="
    if values.kind:
        return f"how=names choices={values.kind}"
    if values.words:
        how = "list" if values.are_listed else "words"
        return f"how={how} choices='{' '.join(values.words)}'"
    return "how=files" if values.are_files else "how=free"


def _case(patterns: Sequence[str], action: str) -> str:
    """One branch of a `case`, in lines that can be read."""
    lines = [patterns[0]]
    for pattern in patterns[1:]:
        if len(lines[-1]) + len(pattern) > LINE_WIDTH:
            lines.append(pattern)
        else:
            lines[-1] += f" | {pattern}"
    joined = " | \\\n            ".join(lines)
    short = f"        {joined}) {action} ;;"
    if len(lines) == 1 and len(short) <= LINE_WIDTH:
        return short
    return f"        {joined})\n            {action}\n            ;;"


def _names(options: Sequence[Option]) -> str:
    """Long names, with a plus after those that may come again."""
    return " ".join(
        f"{name}{'+' if option.repeats else ''}"
        for option in options
        for name in option.names
        if name.startswith("--")
    )

"""`completions/ferry.ps1`: for PowerShell 5.1 and later, one script block over tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ferrycli.cli.completions import LEADING_TO_DATABASE, Tree, Values, filled

_SCRIPT = r"""# TAB for `ferry` in PowerShell. Made by ferrycli/cli/completions_powershell.py.

Register-ArgumentCompleter -Native -CommandName ferry -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    # What stands below a command: a name and its sentence.
    $commands = @{
@COMMANDS@
    }

    # The options of a command.
    $options = @{
@OPTIONS@
    }

    # What follows an option of a command, or is its argument of a number, after the way to offer
    # it. `*` stands for every command. Nothing follows an option that is not listed.
    $places = @{
@PLACES@
    }

    # The words before the cursor, as ferry would get them, and the begun one.
    $typed = @($commandAst.CommandElements |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |
        ForEach-Object {
            $isText = $_ -is [System.Management.Automation.Language.StringConstantExpressionAst]
            if ($isText) { $_.Value } else { $_.Extent.Text }
        })
    $current = "$wordToComplete".TrimStart('"', "'")

    function Find-Place($path, $name) {
        foreach ($place in "$path $name", "* $name") {
            if ($places.ContainsKey($place)) { return $places[$place] }
        }
    }

    # Which command it is, how many arguments it has, which option waits for its value, and which
    # lead to the database.
    $path = ''
    $arguments = 0
    $waiting = ''
    $leading = @()
    foreach ($word in $typed | Select-Object -Skip 1) {
        if ($waiting) {
            if ($waiting -in @LEADING@) { $leading += "$waiting=$word" }
            $waiting = ''
        } elseif ($word -match '^(--[^=]+)=') {
            if ($Matches[1] -in @LEADING@) { $leading += $word }
        } elseif ($word -like '-*') {
            if (Find-Place $path $word) { $waiting = $word }
        } elseif ($commands.ContainsKey($path) -and $commands[$path].Contains($word)) {
            $path = "$path $word".Trim()
        } else {
            $arguments++
        }
    }

    $stem = ''
    $begun = $current
    $offered = [ordered]@{}
    if (-not $waiting -and $current -match '^(--[^=]+)=(.*)$') {
        $waiting = $Matches[1]
        $stem = "$waiting="
        $begun = $Matches[2]
    }
    if ($waiting) {
        $way = Find-Place $path $waiting
    } elseif ($current -like '-*') {
        $way = ''
        foreach ($table in $options[$path], $options['*']) {
            if ($table) { foreach ($name in $table.Keys) { $offered[$name] = $table[$name] } }
        }
    } else {
        $way = Find-Place $path ($arguments + 1)
        if (-not $way) { $way = $places["$path *"] }
        if ($arguments -eq 0 -and $commands.ContainsKey($path)) { $offered = $commands[$path] }
    }

    $how, $choices = "$way" -split ' '
    switch ($how) {
        'words' { foreach ($choice in $choices) { $offered[$choice] = $choice } }
        'list' {
            # Words with commas between: those that are there stay, and none comes twice.
            $there = $begun -replace '[^,]*$', ''
            foreach ($choice in $choices) {
                if ($choice -notin ($there -split ',')) { $offered["$there$choice"] = $choice }
            }
        }
        'names' {
            $program = $typed[0]
            $isThere = Get-Command $program -CommandType Application -ErrorAction SilentlyContinue
            if (-not $isThere) { $program = 'ferry' }
            # Windows PowerShell drops an empty argument, which stands for all names anyway.
            foreach ($name in & $program @WORD@ $choices $begun @leading 2>$null) {
                $offered[$name] = $name
            }
        }
        'files' {
            return [System.Management.Automation.CompletionCompleters]::CompleteFilename($begun) |
                ForEach-Object {
                    [System.Management.Automation.CompletionResult]::new(
                        "$stem$($_.CompletionText)", $_.ListItemText, $_.ResultType, $_.ToolTip)
                }
        }
    }

    foreach ($text in $offered.Keys) {
        if ($text.StartsWith($begun, [System.StringComparison]::Ordinal)) {
            [System.Management.Automation.CompletionResult]::new(
                "$stem$text", $text, 'ParameterValue', $offered[$text])
        }
    }
}
"""


def script(tree: Tree) -> str:
    """The whole file."""
    from ferrycli.cli.complete import WORD

    walked = list(tree.root.walk())
    commands = {
        one.path: [(child.words[-1], child.sentence) for child in one.commands] for one in walked
    }
    options = {
        path: [
            (name, option.sentence)
            for option in every
            for name in option.names
            if name.startswith("--")
        ]
        for path, every in [*((one.path, one.options) for one in walked), ("*", tree.every_option)]
    }
    parts = {
        "COMMANDS": "\n".join(_table(commands)),
        "OPTIONS": "\n".join(_table(options)),
        "PLACES": "\n".join(_places(tree)),
        "LEADING": ", ".join(_quoted(name) for name in LEADING_TO_DATABASE),
        "WORD": WORD,
    }
    return filled(_SCRIPT, parts)


def _table(rows: Mapping[str, Sequence[tuple[str, str]]]) -> Iterator[str]:
    for path, entries in rows.items():
        if entries:
            yield f"        {_quoted(path)} = [ordered]@{{"
            for name, sentence in entries:
                yield f"            {_quoted(name)} = {_quoted(sentence or name)}"
            yield "        }"


def _places(tree: Tree) -> Iterator[str]:
    for (path, name), values in tree.places().items():
        if values is not None:
            yield f"        {_quoted(f'{path} {name}')} = {_quoted(_way(values))}"


def _way(values: Values) -> str:
    if values.kind:
        return f"names {values.kind}"
    if values.words:
        return " ".join(["list" if values.are_listed else "words", *values.words])
    return "files" if values.are_files else "free"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

# TAB for `ferry` in PowerShell. Made by ferrycli/cli/completions_powershell.py.

Register-ArgumentCompleter -Native -CommandName ferry -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    # What stands below a command: a name and its sentence.
    $commands = @{
        '' = [ordered]@{
            'serve' = 'Run the gateway, or say whether it could run.'
            'report' = 'Show who spent what, beside what it was before.'
            'demo' = 'Fill a scratch database with four weeks of made-up traffic, and keep calls coming.'
            'keys' = 'Make, change and end keys.'
            'calls' = 'Show single calls and what each cost.'
            'prices' = 'Set and show what models cost.'
            'config' = 'Show, check and find the config.'
            'db' = 'Find, describe and check the database.'
            'help' = 'Explain what several commands share: filters, periods, exit codes.'
        }
        'keys' = [ordered]@{
            'create' = 'Make a key. Its secret is shown once; only its hash is kept.'
            'list' = 'List keys, with what each has spent of its budget.'
            'show' = 'Show one key: what it may do and what it has spent.'
            'set' = 'Change a key. A running server follows at once.'
            'revoke' = 'End a key at once, for good. Calls in flight go on; what it spent stays recorded.'
        }
        'calls' = [ordered]@{
            'list' = 'List calls, the latest first.'
            'show' = 'Show one call: tokens, rates, cost, times, and where its attribution comes from.'
        }
        'prices' = [ordered]@{
            'set' = 'Set what a model costs. It beats the price catalogue; calls made before keep their cost.'
            'list' = 'List the prices that were set here.'
            'show' = 'Show what a model costs now, and where that price comes from.'
        }
        'config' = [ordered]@{
            'show' = 'Show every option with its value and where that comes from.'
            'check' = 'Read the config and every provider''s key, and say whether that is sound.'
            'path' = 'Print where the config file is.'
        }
        'db' = [ordered]@{
            'path' = 'Print where the database is.'
            'status' = 'Show what the database holds, and which server was seen last.'
            'check' = 'Check the file, its references, and that every window and every day equals its calls.'
        }
        'help' = [ordered]@{
            'filters' = 'Explain `--where`.'
            'periods' = 'Explain `--since`.'
            'exit-codes' = 'List the exit codes.'
        }
    }

    # The options of a command.
    $options = @{
        '' = [ordered]@{
            '--version' = 'Print the version.'
        }
        'serve' = [ordered]@{
            '--listen' = 'Where to listen; port 0: a free one.'
            '--check' = 'Look at everything that serving needs, and end.'
            '--json' = 'With --check: one JSON object.'
        }
        'report' = [ordered]@{
            '--by' = 'What to sum by, in this order.'
            '--since' = 'Which calls.'
            '--where' = 'Of these, only what it says.'
            '--top' = 'So many rows, then the others in one; 0: all. A terminal: 20.'
            '--json' = 'One JSON object.'
            '--csv' = 'CSV, with a heading.'
        }
        'demo' = [ordered]@{
            '--once' = 'Some calls, then the report of the last week, and end.'
        }
        'keys create' = [ordered]@{
            '--tenant' = 'Pin the tenant.'
            '--user' = 'Pin the user.'
            '--assistant' = 'Pin the assistant.'
            '--thread' = 'Pin the thread.'
            '--feature' = 'Pin the feature.'
            '--priority' = 'Pin the priority: critical, normal, background.'
            '--default' = 'Use VALUE where the call says nothing; repeatable.'
            '--require' = 'Refuse calls without it; repeatable.'
            '--deny' = 'Ignore what calls say; repeatable.'
            '--model' = 'Allow only these models; repeatable.'
            '--budget' = 'day, week, month or total: 50/month.'
            '--expires' = '90d, or a date: 2027-01-01.'
            '--owner' = 'Who answers for it.'
            '--role' = 'What the key is for.'
            '--json' = 'JSON, one object a line.'
            '--quiet' = 'The secret, and nothing else.'
        }
        'keys list' = [ordered]@{
            '--json' = 'JSON, one object a line.'
        }
        'keys show' = [ordered]@{
            '--json' = 'JSON, one object a line.'
        }
        'keys set' = [ordered]@{
            '--name' = 'Call it so from now on.'
            '--tenant' = 'Pin the tenant.'
            '--user' = 'Pin the user.'
            '--assistant' = 'Pin the assistant.'
            '--thread' = 'Pin the thread.'
            '--feature' = 'Pin the feature.'
            '--priority' = 'Pin the priority: critical, normal, background.'
            '--default' = 'Use VALUE where the call says nothing; repeatable.'
            '--require' = 'Refuse calls without it; repeatable.'
            '--deny' = 'Ignore what calls say; repeatable.'
            '--model' = 'Allow only these models; repeatable.'
            '--any-model' = 'Allow every model.'
            '--budget' = 'day, week, month or total: 50/month.'
            '--no-budget' = 'Remove its budget.'
            '--expires' = '90d, or a date: 2027-01-01.'
            '--no-expiry' = 'Never expire.'
            '--owner' = 'Who answers for it.'
            '--json' = 'JSON, one object a line.'
        }
        'keys revoke' = [ordered]@{
            '--yes' = 'Do not ask.'
        }
        'calls list' = [ordered]@{
            '--since' = 'Which calls.'
            '--where' = 'Of these, only what it says.'
            '--limit' = 'At most so many.'
            '--json' = 'JSON, one object a line.'
        }
        'calls show' = [ordered]@{
            '--json' = 'JSON, one object a line.'
        }
        'prices set' = [ordered]@{
            '--input' = 'Per million tokens.'
            '--output' = 'Per million tokens.'
            '--cache-read' = 'Per million tokens.'
            '--cache-write' = 'Written for 5 or 30 minutes.'
            '--cache-write-1h' = 'Written for an hour.'
            '--audio-in' = 'Per million tokens.'
            '--audio-out' = 'Per million tokens.'
            '--tier' = 'For this tier only: flex.'
            '--from' = 'From this day on: 2026-12-01.'
        }
        'prices list' = [ordered]@{
            '--json' = 'JSON, one object a line.'
        }
        'prices show' = [ordered]@{
            '--json' = 'JSON, one object a line.'
        }
        'config show' = [ordered]@{
            '--json' = 'One JSON object.'
        }
        'config check' = [ordered]@{
            '--json' = 'One JSON object.'
        }
        'db status' = [ordered]@{
            '--json' = 'One JSON object.'
        }
        'db check' = [ordered]@{
            '--json' = 'One JSON object.'
        }
        '*' = [ordered]@{
            '--config' = 'The config file; else FERRY_CONFIG.'
            '--db' = 'The database; else FERRY_DATABASE.'
            '--color' = 'Colours; `always`: also in a pipe.'
            '--ascii' = 'Draw with plain characters alone.'
            '--debug' = 'Show where an error comes from.'
            '--help' = 'Show what it does and takes.'
        }
    }

    # What follows an option of a command, or is its argument of a number, after the way to offer
    # it. `*` stands for every command. Nothing follows an option that is not listed.
    $places = @{
        '* --config' = 'files'
        '* --db' = 'files'
        '* --color' = 'words auto always never'
        '* --listen' = 'free'
        '* --by' = 'list tenant user assistant thread feature provider model route key outcome'
        '* --since' = 'words today yesterday this-week last-week mtd last-month 24h 7d'
        '* --where' = 'free'
        '* --top' = 'free'
        '* --tenant' = 'names tenants'
        '* --user' = 'names users'
        '* --assistant' = 'names assistants'
        '* --thread' = 'names threads'
        '* --feature' = 'names features'
        '* --priority' = 'words critical normal background'
        '* --default' = 'words tenant= user= assistant= thread= feature= priority='
        '* --require' = 'words tenant user assistant thread feature priority'
        '* --deny' = 'words tenant user assistant thread feature priority'
        '* --model' = 'names models'
        '* --budget' = 'free'
        '* --expires' = 'free'
        '* --owner' = 'free'
        '* --role' = 'words call read admin'
        '* --name' = 'free'
        '* --limit' = 'free'
        '* --input' = 'free'
        '* --output' = 'free'
        '* --cache-read' = 'free'
        '* --cache-write' = 'free'
        '* --cache-write-1h' = 'free'
        '* --audio-in' = 'free'
        '* --audio-out' = 'free'
        '* --tier' = 'free'
        '* --from' = 'free'
        'keys create 1' = 'free'
        'keys show 1' = 'names keys'
        'keys set 1' = 'names keys'
        'keys revoke 1' = 'names keys'
        'calls show 1' = 'names calls'
        'prices set 1' = 'names models'
        'prices show 1' = 'names models'
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
            if ($waiting -in '--config', '--db') { $leading += "$waiting=$word" }
            $waiting = ''
        } elseif ($word -match '^(--[^=]+)=') {
            if ($Matches[1] -in '--config', '--db') { $leading += $word }
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
            foreach ($name in & $program __complete $choices $begun @leading 2>$null) {
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

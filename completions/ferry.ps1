# TAB for `ferry` in PowerShell. Made by ferrycli/cli/completions_powershell.py.

Register-ArgumentCompleter -Native -CommandName ferry -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    # What stands below a command: a name and its sentence.
    $commands = @{
        '' = [ordered]@{
            'serve' = 'Run the gateway, or say whether it could run.'
            'report' = 'Show who spent what, beside what it was before.'
            'demo' = 'Fill a scratch database with four weeks of made-up traffic, and keep calls coming.'
            'models' = 'List every model that can be called now: where, for how much, by which routes.'
            'audit' = 'Check that the books are true: every invariant of money, on every call there is.'
            'keys' = 'Make, change and end keys.'
            'budgets' = 'Set, show and check what may be spent.'
            'calls' = 'Show single calls and what each cost.'
            'threads' = 'Let threads go on that the loop guard stopped.'
            'routes' = 'Say which providers answer which calls, and who is moved where.'
            'prices' = 'Set and show what models cost.'
            'config' = 'Show, check and find the config.'
            'db' = 'Find, describe and check the database.'
            'help' = 'Explain what several commands share: filters, periods, selectors, exit codes.'
        }
        'keys' = [ordered]@{
            'create' = 'Make a key. Its secret is shown once; only its hash is kept.'
            'list' = 'List keys, with what each has spent of its budget.'
            'show' = 'Show one key: what it may do and what it has spent.'
            'set' = 'Change a key. A running server follows at once.'
            'revoke' = 'End a key at once, for good. Calls in flight go on; what it spent stays recorded.'
            'rotate' = 'Give a key another secret. Its id, budgets, limits and reports stay.'
            'boost' = 'Raise a key''s own limit for a time.'
        }
        'budgets' = [ordered]@{
            'set' = 'Set what may be spent, and what happens on the way there. A running server follows at once.'
            'list' = 'List budgets: what is spent, held and left, and when it runs out at this pace; and limits.'
            'show' = 'Show one budget: its policy in words, its windows, what was added, who was told.'
            'check' = 'Check that no budget is at its limit; leave with 5 where one is.'
            'topup' = 'Add to a balance.'
            'remove' = 'Remove a budget. What it counted stays recorded; calls are no longer bounded by it.'
            'release-doubt' = 'Set free what is in doubt: what calls without reported usage may have cost beyond their estimate.'
            'test' = 'Send a sample notice to everybody who would be told.'
        }
        'calls' = [ordered]@{
            'list' = 'List calls, the latest first.'
            'show' = 'Show one call: tokens, rates, cost, attempts, times, and whom it belongs to, and why.'
            'correct' = 'Say what a call truly cost, where a provider''s bill is another.'
        }
        'threads' = [ordered]@{
            'release' = 'Let a thread go on that repeated itself: what it sent until now counts no more.'
        }
        'routes' = [ordered]@{
            'set' = 'Make a route, or change one. A running server follows at once.'
            'list' = 'List routes, and who is moved to which.'
            'show' = 'Show one route: its targets by tier, with what each costs.'
            'explain' = 'Say what would happen to a call now: its targets, the budgets asked, what is held.'
            'assign' = 'Move the calls that match to a route, whatever they ask for. The next call goes there.'
            'unassign' = 'End an assignment: calls use what they ask for again.'
            'remove' = 'Remove a route. One that is in use stays, and what uses it is named.'
        }
        'prices' = [ordered]@{
            'set' = 'Set what a model costs. It beats the price catalogue; calls made before keep their cost.'
            'list' = 'List the prices that were set here.'
            'show' = 'Show what a model costs now, and where that price comes from.'
            'check' = 'List what recent calls could not price, or not wholly, and what would mend it.'
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
            'periods' = 'Explain `--since`, and the periods of budgets.'
            'selectors' = 'Explain selectors: which calls a budget is about.'
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
        'models' = [ordered]@{
            '--key' = 'Only what this key may call.'
            '--search' = 'Only with these words in the name.'
            '--json' = 'JSON, one object a line.'
        }
        'audit' = [ordered]@{
            '--json' = 'One JSON object.'
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
            '--budget' = 'day, week, month, total, 7d or 36h: 50/month.'
            '--balance' = 'Prepaid: this much, then top-ups.'
            '--at' = '"80% downgrade"; repeatable; replaces all rules.'
            '--mode' = 'How its budget holds.'
            '--clamp' = 'always: lower an output limit that does not fit.'
            '--rpm' = 'Calls a minute; 0: any.'
            '--tpm' = 'Tokens a minute; 0: any.'
            '--parallel' = 'Calls at once; 0: any.'
            '--expires' = '90d, friday, or a date: 2027-01-01.'
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
            '--budget' = 'day, week, month, total, 7d or 36h: 50/month.'
            '--balance' = 'Prepaid: this much, then top-ups.'
            '--at' = '"80% downgrade"; repeatable; replaces all rules.'
            '--mode' = 'How its budget holds.'
            '--clamp' = 'always: lower an output limit that does not fit.'
            '--no-budget' = 'Remove its budgets, a balance too.'
            '--rpm' = 'Calls a minute; 0: any.'
            '--tpm' = 'Tokens a minute; 0: any.'
            '--parallel' = 'Calls at once; 0: any.'
            '--expires' = '90d, friday, or a date: 2027-01-01.'
            '--no-expiry' = 'Never expire.'
            '--owner' = 'Who answers for it.'
            '--json' = 'JSON, one object a line.'
        }
        'keys revoke' = [ordered]@{
            '--yes' = 'Do not ask.'
        }
        'keys rotate' = [ordered]@{
            '--grace' = 'So long the old one opens too: 24h.'
            '--json' = 'JSON, one object a line.'
            '--quiet' = 'The secret, and nothing else.'
        }
        'keys boost' = [ordered]@{
            '--until' = '24h, friday, or 2027-01-01.'
            '--period' = 'Which one, where there are several: month, 7d.'
            '--zone' = 'Which one, where there are several: Europe/Berlin.'
            '--json' = 'JSON, one object a line.'
        }
        'budgets set' = [ordered]@{
            '--limit' = '50/month, 100/7d, 2/total; 80 keeps the period.'
            '--at' = '"80% downgrade"; repeatable; replaces all rules.'
            '--mode' = 'strict: never over. expected: by what calls probably cost. soft: only tells.'
            '--clamp' = 'always: lower a caller''s output limit that does not fit.'
            '--owner' = 'A channel or an address: who is told.'
            '--balance' = 'Prepaid: this much, then top-ups.'
            '--period' = 'Which one, where there are several: month, 7d.'
            '--zone' = 'Of its days: Europe/Berlin.'
            '--from' = 'Do not count back.'
            '--allow-unpriced' = 'Let calls without a price go.'
            '--no-allow-unpriced' = 'Let calls without a price go.'
            '--rpm' = '0: no limit.'
            '--tpm' = '0: no limit.'
            '--parallel' = '0: no limit.'
            '--dry-run' = 'Say what it would make; change nothing.'
            '--json' = 'JSON, one object a line.'
        }
        'budgets list' = [ordered]@{
            '--json' = 'JSON, one object a line.'
        }
        'budgets show' = [ordered]@{
            '--json' = 'JSON, one object a line.'
        }
        'budgets check' = [ordered]@{
            '--at' = 'So much used is too much.'
            '--json' = 'JSON, one object a line.'
        }
        'budgets topup' = [ordered]@{
            '--note' = 'What it was for.'
            '--expires' = '90d, friday, or 2027-01-01.'
            '--id' = 'Your number of it: never added twice.'
            '--json' = 'JSON, one object a line.'
        }
        'budgets remove' = [ordered]@{
            '--period' = 'Which one, where there are several: month, 7d.'
            '--zone' = 'Which one, where there are several: Europe/Berlin.'
            '--yes' = 'Do not ask.'
        }
        'budgets release-doubt' = [ordered]@{
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
        'calls correct' = [ordered]@{
            '--cost' = 'The whole of what it cost.'
            '--note' = 'How that is known.'
            '--json' = 'JSON, one object a line.'
        }
        'routes set' = [ordered]@{
            '--cheaper' = 'For a budget''s rule `downgrade`.'
            '--no-cheaper' = 'No cheaper route.'
            '--free' = 'For a budget''s rule `free`.'
            '--no-free' = 'No free route.'
            '--first-byte' = 'For a target to begin its answer; 0: as usual.'
            '--deadline' = 'For the whole call, all tries; 0: as usual.'
            '--max-output' = 'The longest answer; 0: no bound.'
            '--sticky' = 'Whether a thread stays at its target.'
            '--no-sticky' = 'Whether a thread stays at its target.'
            '--retry' = 'Go on to the next target after this failure too; repeatable.'
            '--json' = 'JSON, one object a line.'
        }
        'routes list' = [ordered]@{
            '--assignments' = 'List assignments alone.'
            '--json' = 'JSON, one object a line.'
        }
        'routes show' = [ordered]@{
            '--json' = 'JSON, one object a line.'
        }
        'routes explain' = [ordered]@{
            '--key' = 'The key that it is made with.'
            '--tenant' = 'As the call would say it.'
            '--user' = 'As the call would say it.'
            '--assistant' = 'As the call would say it.'
            '--thread' = 'As the call would say it.'
            '--feature' = 'As the call would say it.'
            '--priority' = 'critical, normal or background.'
            '--route' = 'As X-Ferry-Route would name it.'
            '--tag' = 'A tag; repeatable.'
            '--input' = 'How long the request is, as estimated.'
            '--max-output' = 'The limit that the request sets.'
            '--stream' = 'It asks for a stream.'
            '--json' = 'JSON, one object a line.'
        }
        'routes assign' = [ordered]@{
            '--until' = '7d, friday, or a date: 2027-01-01.'
            '--max-output' = 'The longest answer.'
            '--json' = 'JSON, one object a line.'
        }
        'routes remove' = [ordered]@{
            '--yes' = 'Do not ask.'
        }
        'prices set' = [ordered]@{
            '--input' = 'Per million tokens.'
            '--output' = 'Per million tokens.'
            '--cache-read' = 'Per million tokens.'
            '--cache-write' = 'Written for 5 or 30 minutes.'
            '--cache-write-1h' = 'Written for an hour.'
            '--cache-write-12h' = 'Written for 12 hours.'
            '--audio-in' = 'Per million tokens.'
            '--audio-out' = 'Per million tokens.'
            '--per' = 'Of a meter: for one unit.'
            '--web-search' = 'Per thousand web searches.'
            '--tier' = 'For this tier only: flex.'
            '--from' = 'From this day on: 2026-12-01.'
        }
        'prices list' = [ordered]@{
            '--json' = 'JSON, one object a line.'
        }
        'prices show' = [ordered]@{
            '--json' = 'JSON, one object a line.'
        }
        'prices check' = [ordered]@{
            '--since' = 'Which calls.'
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
        'models --key' = 'names keys'
        'routes explain --key' = 'free'
        '* --search' = 'free'
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
        '* --balance' = 'free'
        '* --at' = 'free'
        '* --mode' = 'words strict expected soft'
        '* --clamp' = 'words unset always'
        '* --rpm' = 'free'
        '* --tpm' = 'free'
        '* --parallel' = 'free'
        '* --expires' = 'free'
        '* --owner' = 'free'
        '* --role' = 'words call read admin'
        '* --name' = 'free'
        '* --grace' = 'free'
        '* --until' = 'free'
        '* --period' = 'words day week month total'
        '* --zone' = 'free'
        '* --limit' = 'free'
        '* --from' = 'free'
        '* --note' = 'free'
        '* --id' = 'free'
        '* --cost' = 'free'
        '* --cheaper' = 'names routes'
        '* --free' = 'names routes'
        '* --first-byte' = 'free'
        '* --deadline' = 'free'
        '* --max-output' = 'free'
        '* --retry' = 'words context not_found none'
        '* --route' = 'names routes'
        '* --tag' = 'free'
        '* --input' = 'free'
        '* --output' = 'free'
        '* --cache-read' = 'free'
        '* --cache-write' = 'free'
        '* --cache-write-1h' = 'free'
        '* --cache-write-12h' = 'free'
        '* --audio-in' = 'free'
        '* --audio-out' = 'free'
        '* --per' = 'free'
        '* --web-search' = 'free'
        '* --tier' = 'free'
        'keys create 1' = 'free'
        'keys show 1' = 'names keys'
        'keys set 1' = 'names keys'
        'keys revoke 1' = 'names keys'
        'keys rotate 1' = 'names keys'
        'keys boost 1' = 'names keys'
        'keys boost 2' = 'free'
        'budgets set 1' = 'words key= tenant= user= assistant= thread= feature= provider= model= route='
        'budgets show 1' = 'words key= tenant= user= assistant= thread= feature= provider= model= route='
        'budgets check 1' = 'words key= tenant= user= assistant= thread= feature= provider= model= route='
        'budgets topup 1' = 'words key= tenant= user= assistant= thread= feature= provider= model= route='
        'budgets topup 2' = 'free'
        'budgets remove 1' = 'words key= tenant= user= assistant= thread= feature= provider= model= route='
        'budgets release-doubt 1' = 'words key= tenant= user= assistant= thread= feature= provider= model= route='
        'budgets test 1' = 'words key= tenant= user= assistant= thread= feature= provider= model= route='
        'calls show 1' = 'names calls'
        'calls correct 1' = 'names calls'
        'threads release 1' = 'names threads'
        'routes set 1' = 'names routes'
        'routes set *' = 'names models'
        'routes show 1' = 'names routes'
        'routes explain 1' = 'names models'
        'routes assign 1' = 'words key= tenant= user= assistant= thread= feature= provider= model= route='
        'routes assign 2' = 'names routes'
        'routes unassign 1' = 'words key= tenant= user= assistant= thread= feature= provider= model= route='
        'routes remove 1' = 'names routes'
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

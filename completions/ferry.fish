# TAB for `ferry` in fish. Made by ferrycli/cli/completions_fish.py.

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
            case --config --db --color --listen --by --since --where --top --tenant --user --assistant --thread --feature --priority --default --require --deny --model --budget --expires --owner --role --name --limit --input --output --cache-read --cache-write --cache-write-1h --audio-in --audio-out --tier --from
                set waits yes
            case '-*'
            case '*'
                set -l further (string trim -- "$path $word")
                if contains -- $further 'serve' 'report' 'demo' 'keys' 'keys create' 'keys list' 'keys show' 'keys set' 'keys revoke' 'calls' 'calls list' 'calls show' 'prices' 'prices set' 'prices list' 'prices show' 'config' 'config show' 'config check' 'config path' 'db' 'db path' 'db status' 'db check' 'help' 'help filters' 'help periods' 'help exit-codes'
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
            case --config --db
                set option $word
            case '--config=*' '--db=*'
                set -a leading $word
        end
    end
    set -l program $typed[1]
    command -q $program; or set program ferry
    command $program __complete $argv[1] (__ferry_begun) $leading 2>/dev/null </dev/null
end

# Words with commas between: those that are there stay, and none comes twice.
function __ferry_list
    set -l there (__ferry_begun | string replace -r '[^,]*$' '')
    for word in $argv
        contains -- $word (string split , -- $there); or echo "$there$word"
    end
end

complete -c ferry -f
complete -c ferry -l config -r -F -d 'The config file; else FERRY_CONFIG.'
complete -c ferry -l db -r -F -d 'The database; else FERRY_DATABASE.'
complete -c ferry -l color -x -a 'auto always never' -d 'Colours; `always`: also in a pipe.'
complete -c ferry -l ascii -d 'Draw with plain characters alone.'
complete -c ferry -l debug -d 'Show where an error comes from.'
complete -c ferry -l help -s h -d 'Show what it does and takes.'

complete -c ferry -n '__ferry_at "" 0' -a serve -d 'Run the gateway, or say whether it could run.'
complete -c ferry -n '__ferry_at "" 0' -a report -d 'Show who spent what, beside what it was before.'
complete -c ferry -n '__ferry_at "" 0' -a demo -d 'Fill a scratch database with four weeks of made-up traffic, and keep calls coming.'
complete -c ferry -n '__ferry_at "" 0' -a keys -d 'Make, change and end keys.'
complete -c ferry -n '__ferry_at "" 0' -a calls -d 'Show single calls and what each cost.'
complete -c ferry -n '__ferry_at "" 0' -a prices -d 'Set and show what models cost.'
complete -c ferry -n '__ferry_at "" 0' -a config -d 'Show, check and find the config.'
complete -c ferry -n '__ferry_at "" 0' -a db -d 'Find, describe and check the database.'
complete -c ferry -n '__ferry_at "" 0' -a help -d 'Explain what several commands share: filters, periods, exit codes.'
complete -c ferry -n '__ferry_at ""' -l version -d 'Print the version.'

complete -c ferry -n '__ferry_at serve' -l listen -x -d 'Where to listen; port 0: a free one.'
complete -c ferry -n '__ferry_at serve' -l check -d 'Look at everything that serving needs, and end.'
complete -c ferry -n '__ferry_at serve' -l json -d 'With --check: one JSON object.'

complete -c ferry -n '__ferry_at report' -l by -x -a '(__ferry_list tenant user assistant thread feature provider model route key outcome)' -d 'What to sum by, in this order.'
complete -c ferry -n '__ferry_at report' -l since -x -a 'today yesterday this-week last-week mtd last-month 24h 7d' -d 'Which calls.'
complete -c ferry -n '__ferry_at report' -l where -x -d 'Of these, only what it says.'
complete -c ferry -n '__ferry_at report' -l top -x -d 'So many rows, then the others in one; 0: all. A terminal: 20.'
complete -c ferry -n '__ferry_at report' -l json -d 'One JSON object.'
complete -c ferry -n '__ferry_at report' -l csv -d 'CSV, with a heading.'

complete -c ferry -n '__ferry_at demo' -l once -d 'Some calls, then the report of the last week, and end.'

complete -c ferry -n '__ferry_at keys 0' -a create -d 'Make a key. Its secret is shown once; only its hash is kept.'
complete -c ferry -n '__ferry_at keys 0' -a list -d 'List keys, with what each has spent of its budget.'
complete -c ferry -n '__ferry_at keys 0' -a show -d 'Show one key: what it may do and what it has spent.'
complete -c ferry -n '__ferry_at keys 0' -a set -d 'Change a key. A running server follows at once.'
complete -c ferry -n '__ferry_at keys 0' -a revoke -d 'End a key at once, for good. Calls in flight go on; what it spent stays recorded.'

complete -c ferry -n '__ferry_at "keys create"' -l tenant -x -a '(__ferry_names tenants)' -d 'Pin the tenant.'
complete -c ferry -n '__ferry_at "keys create"' -l user -x -a '(__ferry_names users)' -d 'Pin the user.'
complete -c ferry -n '__ferry_at "keys create"' -l assistant -x -a '(__ferry_names assistants)' -d 'Pin the assistant.'
complete -c ferry -n '__ferry_at "keys create"' -l thread -x -a '(__ferry_names threads)' -d 'Pin the thread.'
complete -c ferry -n '__ferry_at "keys create"' -l feature -x -a '(__ferry_names features)' -d 'Pin the feature.'
complete -c ferry -n '__ferry_at "keys create"' -l priority -x -a 'critical normal background' -d 'Pin the priority: critical, normal, background.'
complete -c ferry -n '__ferry_at "keys create"' -l default -x -a 'tenant= user= assistant= thread= feature= priority=' -d 'Use VALUE where the call says nothing; repeatable.'
complete -c ferry -n '__ferry_at "keys create"' -l require -x -a 'tenant user assistant thread feature priority' -d 'Refuse calls without it; repeatable.'
complete -c ferry -n '__ferry_at "keys create"' -l deny -x -a 'tenant user assistant thread feature priority' -d 'Ignore what calls say; repeatable.'
complete -c ferry -n '__ferry_at "keys create"' -l model -x -a '(__ferry_names models)' -d 'Allow only these models; repeatable.'
complete -c ferry -n '__ferry_at "keys create"' -l budget -x -d 'day, week, month or total: 50/month.'
complete -c ferry -n '__ferry_at "keys create"' -l expires -x -d '90d, or a date: 2027-01-01.'
complete -c ferry -n '__ferry_at "keys create"' -l owner -x -d 'Who answers for it.'
complete -c ferry -n '__ferry_at "keys create"' -l role -x -a 'call read admin' -d 'What the key is for.'
complete -c ferry -n '__ferry_at "keys create"' -l json -d 'JSON, one object a line.'
complete -c ferry -n '__ferry_at "keys create"' -l quiet -d 'The secret, and nothing else.'

complete -c ferry -n '__ferry_at "keys list"' -l json -d 'JSON, one object a line.'

complete -c ferry -n '__ferry_at "keys show" 0' -a '(__ferry_names keys)'
complete -c ferry -n '__ferry_at "keys show"' -l json -d 'JSON, one object a line.'

complete -c ferry -n '__ferry_at "keys set" 0' -a '(__ferry_names keys)'
complete -c ferry -n '__ferry_at "keys set"' -l name -x -d 'Call it so from now on.'
complete -c ferry -n '__ferry_at "keys set"' -l tenant -x -a '(__ferry_names tenants)' -d 'Pin the tenant.'
complete -c ferry -n '__ferry_at "keys set"' -l user -x -a '(__ferry_names users)' -d 'Pin the user.'
complete -c ferry -n '__ferry_at "keys set"' -l assistant -x -a '(__ferry_names assistants)' -d 'Pin the assistant.'
complete -c ferry -n '__ferry_at "keys set"' -l thread -x -a '(__ferry_names threads)' -d 'Pin the thread.'
complete -c ferry -n '__ferry_at "keys set"' -l feature -x -a '(__ferry_names features)' -d 'Pin the feature.'
complete -c ferry -n '__ferry_at "keys set"' -l priority -x -a 'critical normal background' -d 'Pin the priority: critical, normal, background.'
complete -c ferry -n '__ferry_at "keys set"' -l default -x -a 'tenant= user= assistant= thread= feature= priority=' -d 'Use VALUE where the call says nothing; repeatable.'
complete -c ferry -n '__ferry_at "keys set"' -l require -x -a 'tenant user assistant thread feature priority' -d 'Refuse calls without it; repeatable.'
complete -c ferry -n '__ferry_at "keys set"' -l deny -x -a 'tenant user assistant thread feature priority' -d 'Ignore what calls say; repeatable.'
complete -c ferry -n '__ferry_at "keys set"' -l model -x -a '(__ferry_names models)' -d 'Allow only these models; repeatable.'
complete -c ferry -n '__ferry_at "keys set"' -l any-model -d 'Allow every model.'
complete -c ferry -n '__ferry_at "keys set"' -l budget -x -d 'day, week, month or total: 50/month.'
complete -c ferry -n '__ferry_at "keys set"' -l no-budget -d 'Remove its budget.'
complete -c ferry -n '__ferry_at "keys set"' -l expires -x -d '90d, or a date: 2027-01-01.'
complete -c ferry -n '__ferry_at "keys set"' -l no-expiry -d 'Never expire.'
complete -c ferry -n '__ferry_at "keys set"' -l owner -x -d 'Who answers for it.'
complete -c ferry -n '__ferry_at "keys set"' -l json -d 'JSON, one object a line.'

complete -c ferry -n '__ferry_at "keys revoke" 0' -a '(__ferry_names keys)'
complete -c ferry -n '__ferry_at "keys revoke"' -l yes -d 'Do not ask.'

complete -c ferry -n '__ferry_at calls 0' -a list -d 'List calls, the latest first.'
complete -c ferry -n '__ferry_at calls 0' -a show -d 'Show one call: tokens, rates, cost, times, and where its attribution comes from.'

complete -c ferry -n '__ferry_at "calls list"' -l since -x -a 'today yesterday this-week last-week mtd last-month 24h 7d' -d 'Which calls.'
complete -c ferry -n '__ferry_at "calls list"' -l where -x -d 'Of these, only what it says.'
complete -c ferry -n '__ferry_at "calls list"' -l limit -x -d 'At most so many.'
complete -c ferry -n '__ferry_at "calls list"' -l json -d 'JSON, one object a line.'

complete -c ferry -n '__ferry_at "calls show" 0' -a '(__ferry_names calls)'
complete -c ferry -n '__ferry_at "calls show"' -l json -d 'JSON, one object a line.'

complete -c ferry -n '__ferry_at prices 0' -a set -d 'Set what a model costs. It beats the price catalogue; calls made before keep their cost.'
complete -c ferry -n '__ferry_at prices 0' -a list -d 'List the prices that were set here.'
complete -c ferry -n '__ferry_at prices 0' -a show -d 'Show what a model costs now, and where that price comes from.'

complete -c ferry -n '__ferry_at "prices set" 0' -a '(__ferry_names models)'
complete -c ferry -n '__ferry_at "prices set"' -l input -x -d 'Per million tokens.'
complete -c ferry -n '__ferry_at "prices set"' -l output -x -d 'Per million tokens.'
complete -c ferry -n '__ferry_at "prices set"' -l cache-read -x -d 'Per million tokens.'
complete -c ferry -n '__ferry_at "prices set"' -l cache-write -x -d 'Written for 5 or 30 minutes.'
complete -c ferry -n '__ferry_at "prices set"' -l cache-write-1h -x -d 'Written for an hour.'
complete -c ferry -n '__ferry_at "prices set"' -l audio-in -x -d 'Per million tokens.'
complete -c ferry -n '__ferry_at "prices set"' -l audio-out -x -d 'Per million tokens.'
complete -c ferry -n '__ferry_at "prices set"' -l tier -x -d 'For this tier only: flex.'
complete -c ferry -n '__ferry_at "prices set"' -l from -x -d 'From this day on: 2026-12-01.'

complete -c ferry -n '__ferry_at "prices list"' -l json -d 'JSON, one object a line.'

complete -c ferry -n '__ferry_at "prices show" 0' -a '(__ferry_names models)'
complete -c ferry -n '__ferry_at "prices show"' -l json -d 'JSON, one object a line.'

complete -c ferry -n '__ferry_at config 0' -a show -d 'Show every option with its value and where that comes from.'
complete -c ferry -n '__ferry_at config 0' -a check -d 'Read the config and every provider\'s key, and say whether that is sound.'
complete -c ferry -n '__ferry_at config 0' -a path -d 'Print where the config file is.'

complete -c ferry -n '__ferry_at "config show"' -l json -d 'One JSON object.'

complete -c ferry -n '__ferry_at "config check"' -l json -d 'One JSON object.'


complete -c ferry -n '__ferry_at db 0' -a path -d 'Print where the database is.'
complete -c ferry -n '__ferry_at db 0' -a status -d 'Show what the database holds, and which server was seen last.'
complete -c ferry -n '__ferry_at db 0' -a check -d 'Check the file, its references, and that every window and every day equals its calls.'


complete -c ferry -n '__ferry_at "db status"' -l json -d 'One JSON object.'

complete -c ferry -n '__ferry_at "db check"' -l json -d 'One JSON object.'

complete -c ferry -n '__ferry_at help 0' -a filters -d 'Explain `--where`.'
complete -c ferry -n '__ferry_at help 0' -a periods -d 'Explain `--since`.'
complete -c ferry -n '__ferry_at help 0' -a exit-codes -d 'List the exit codes.'




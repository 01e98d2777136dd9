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
            case --config --db --color --listen --by --since --where --top --key --search --tenant --user --assistant --thread --feature --priority --default --require --deny --model --budget --balance --at --mode --clamp --rpm --tpm --parallel --expires --owner --role --name --grace --until --period --zone --limit --from --note --id --cost --cheaper --free --first-byte --deadline --max-output --retry --route --tag --input --output --cache-read --cache-write --cache-write-1h --cache-write-12h --audio-in --audio-out --per --web-search --tier
                set waits yes
            case '-*'
            case '*'
                set -l further (string trim -- "$path $word")
                if contains -- $further 'serve' 'report' 'demo' 'models' 'audit' 'keys' 'keys create' 'keys list' 'keys show' 'keys set' 'keys revoke' 'keys rotate' 'keys boost' 'budgets' 'budgets set' 'budgets list' 'budgets show' 'budgets check' 'budgets topup' 'budgets remove' 'budgets release-doubt' 'budgets test' 'calls' 'calls list' 'calls show' 'calls correct' 'threads' 'threads release' 'routes' 'routes set' 'routes list' 'routes show' 'routes explain' 'routes assign' 'routes unassign' 'routes remove' 'prices' 'prices set' 'prices list' 'prices show' 'prices check' 'config' 'config show' 'config check' 'config path' 'db' 'db path' 'db status' 'db check' 'help' 'help filters' 'help periods' 'help selectors' 'help exit-codes'
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
complete -c ferry -n '__ferry_at "" 0' -a models -d 'List every model that can be called now: where, for how much, by which routes.'
complete -c ferry -n '__ferry_at "" 0' -a audit -d 'Check that the books are true: every invariant of money, on every call there is.'
complete -c ferry -n '__ferry_at "" 0' -a keys -d 'Make, change and end keys.'
complete -c ferry -n '__ferry_at "" 0' -a budgets -d 'Set, show and check what may be spent.'
complete -c ferry -n '__ferry_at "" 0' -a calls -d 'Show single calls and what each cost.'
complete -c ferry -n '__ferry_at "" 0' -a threads -d 'Let threads go on that the loop guard stopped.'
complete -c ferry -n '__ferry_at "" 0' -a routes -d 'Say which providers answer which calls, and who is moved where.'
complete -c ferry -n '__ferry_at "" 0' -a prices -d 'Set and show what models cost.'
complete -c ferry -n '__ferry_at "" 0' -a config -d 'Show, check and find the config.'
complete -c ferry -n '__ferry_at "" 0' -a db -d 'Find, describe and check the database.'
complete -c ferry -n '__ferry_at "" 0' -a help -d 'Explain what several commands share: filters, periods, selectors, exit codes.'
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

complete -c ferry -n '__ferry_at models' -l key -x -a '(__ferry_names keys)' -d 'Only what this key may call.'
complete -c ferry -n '__ferry_at models' -l search -x -d 'Only with these words in the name.'
complete -c ferry -n '__ferry_at models' -l json -d 'JSON, one object a line.'

complete -c ferry -n '__ferry_at audit' -l json -d 'One JSON object.'

complete -c ferry -n '__ferry_at keys 0' -a create -d 'Make a key. Its secret is shown once; only its hash is kept.'
complete -c ferry -n '__ferry_at keys 0' -a list -d 'List keys, with what each has spent of its budget.'
complete -c ferry -n '__ferry_at keys 0' -a show -d 'Show one key: what it may do and what it has spent.'
complete -c ferry -n '__ferry_at keys 0' -a set -d 'Change a key. A running server follows at once.'
complete -c ferry -n '__ferry_at keys 0' -a revoke -d 'End a key at once, for good. Calls in flight go on; what it spent stays recorded.'
complete -c ferry -n '__ferry_at keys 0' -a rotate -d 'Give a key another secret. Its id, budgets, limits and reports stay.'
complete -c ferry -n '__ferry_at keys 0' -a boost -d 'Raise a key\'s own limit for a time.'

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
complete -c ferry -n '__ferry_at "keys create"' -l budget -x -d 'day, week, month, total, 7d or 36h: 50/month.'
complete -c ferry -n '__ferry_at "keys create"' -l balance -x -d 'Prepaid: this much, then top-ups.'
complete -c ferry -n '__ferry_at "keys create"' -l at -x -d '"80% downgrade"; repeatable; replaces all rules.'
complete -c ferry -n '__ferry_at "keys create"' -l mode -x -a 'strict expected soft' -d 'How its budget holds.'
complete -c ferry -n '__ferry_at "keys create"' -l clamp -x -a 'unset always' -d 'always: lower an output limit that does not fit.'
complete -c ferry -n '__ferry_at "keys create"' -l rpm -x -d 'Calls a minute; 0: any.'
complete -c ferry -n '__ferry_at "keys create"' -l tpm -x -d 'Tokens a minute; 0: any.'
complete -c ferry -n '__ferry_at "keys create"' -l parallel -x -d 'Calls at once; 0: any.'
complete -c ferry -n '__ferry_at "keys create"' -l expires -x -d '90d, friday, or a date: 2027-01-01.'
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
complete -c ferry -n '__ferry_at "keys set"' -l budget -x -d 'day, week, month, total, 7d or 36h: 50/month.'
complete -c ferry -n '__ferry_at "keys set"' -l balance -x -d 'Prepaid: this much, then top-ups.'
complete -c ferry -n '__ferry_at "keys set"' -l at -x -d '"80% downgrade"; repeatable; replaces all rules.'
complete -c ferry -n '__ferry_at "keys set"' -l mode -x -a 'strict expected soft' -d 'How its budget holds.'
complete -c ferry -n '__ferry_at "keys set"' -l clamp -x -a 'unset always' -d 'always: lower an output limit that does not fit.'
complete -c ferry -n '__ferry_at "keys set"' -l no-budget -d 'Remove its budgets, a balance too.'
complete -c ferry -n '__ferry_at "keys set"' -l rpm -x -d 'Calls a minute; 0: any.'
complete -c ferry -n '__ferry_at "keys set"' -l tpm -x -d 'Tokens a minute; 0: any.'
complete -c ferry -n '__ferry_at "keys set"' -l parallel -x -d 'Calls at once; 0: any.'
complete -c ferry -n '__ferry_at "keys set"' -l expires -x -d '90d, friday, or a date: 2027-01-01.'
complete -c ferry -n '__ferry_at "keys set"' -l no-expiry -d 'Never expire.'
complete -c ferry -n '__ferry_at "keys set"' -l owner -x -d 'Who answers for it.'
complete -c ferry -n '__ferry_at "keys set"' -l json -d 'JSON, one object a line.'

complete -c ferry -n '__ferry_at "keys revoke" 0' -a '(__ferry_names keys)'
complete -c ferry -n '__ferry_at "keys revoke"' -l yes -d 'Do not ask.'

complete -c ferry -n '__ferry_at "keys rotate" 0' -a '(__ferry_names keys)'
complete -c ferry -n '__ferry_at "keys rotate"' -l grace -x -d 'So long the old one opens too: 24h.'
complete -c ferry -n '__ferry_at "keys rotate"' -l json -d 'JSON, one object a line.'
complete -c ferry -n '__ferry_at "keys rotate"' -l quiet -d 'The secret, and nothing else.'

complete -c ferry -n '__ferry_at "keys boost" 0' -a '(__ferry_names keys)'
complete -c ferry -n '__ferry_at "keys boost"' -l until -x -d '24h, friday, or 2027-01-01.'
complete -c ferry -n '__ferry_at "keys boost"' -l period -x -a 'day week month total' -d 'Which one, where there are several: month, 7d.'
complete -c ferry -n '__ferry_at "keys boost"' -l zone -x -d 'Which one, where there are several: Europe/Berlin.'
complete -c ferry -n '__ferry_at "keys boost"' -l json -d 'JSON, one object a line.'

complete -c ferry -n '__ferry_at budgets 0' -a set -d 'Set what may be spent, and what happens on the way there. A running server follows at once.'
complete -c ferry -n '__ferry_at budgets 0' -a list -d 'List budgets: what is spent, held and left, and when it runs out at this pace; and limits.'
complete -c ferry -n '__ferry_at budgets 0' -a show -d 'Show one budget: its policy in words, its windows, what was added, who was told.'
complete -c ferry -n '__ferry_at budgets 0' -a check -d 'Check that no budget is at its limit; leave with 5 where one is.'
complete -c ferry -n '__ferry_at budgets 0' -a topup -d 'Add to a balance.'
complete -c ferry -n '__ferry_at budgets 0' -a remove -d 'Remove a budget. What it counted stays recorded; calls are no longer bounded by it.'
complete -c ferry -n '__ferry_at budgets 0' -a release-doubt -d 'Set free what is in doubt: what calls without reported usage may have cost beyond their estimate.'
complete -c ferry -n '__ferry_at budgets 0' -a test -d 'Send a sample notice to everybody who would be told.'

complete -c ferry -n '__ferry_at "budgets set" 0' -a 'key= tenant= user= assistant= thread= feature= provider= model= route='
complete -c ferry -n '__ferry_at "budgets set"' -l limit -x -d '50/month, 100/7d, 2/total; 80 keeps the period.'
complete -c ferry -n '__ferry_at "budgets set"' -l at -x -d '"80% downgrade"; repeatable; replaces all rules.'
complete -c ferry -n '__ferry_at "budgets set"' -l mode -x -a 'strict expected soft' -d 'strict: never over. expected: by what calls probably cost. soft: only tells.'
complete -c ferry -n '__ferry_at "budgets set"' -l clamp -x -a 'unset always' -d 'always: lower a caller\'s output limit that does not fit.'
complete -c ferry -n '__ferry_at "budgets set"' -l owner -x -d 'A channel or an address: who is told.'
complete -c ferry -n '__ferry_at "budgets set"' -l balance -x -d 'Prepaid: this much, then top-ups.'
complete -c ferry -n '__ferry_at "budgets set"' -l period -x -a 'day week month total' -d 'Which one, where there are several: month, 7d.'
complete -c ferry -n '__ferry_at "budgets set"' -l zone -x -d 'Of its days: Europe/Berlin.'
complete -c ferry -n '__ferry_at "budgets set"' -l from -x -d 'Do not count back.'
complete -c ferry -n '__ferry_at "budgets set"' -l allow-unpriced -l no-allow-unpriced -d 'Let calls without a price go.'
complete -c ferry -n '__ferry_at "budgets set"' -l rpm -x -d '0: no limit.'
complete -c ferry -n '__ferry_at "budgets set"' -l tpm -x -d '0: no limit.'
complete -c ferry -n '__ferry_at "budgets set"' -l parallel -x -d '0: no limit.'
complete -c ferry -n '__ferry_at "budgets set"' -l dry-run -d 'Say what it would make; change nothing.'
complete -c ferry -n '__ferry_at "budgets set"' -l json -d 'JSON, one object a line.'

complete -c ferry -n '__ferry_at "budgets list"' -l json -d 'JSON, one object a line.'

complete -c ferry -n '__ferry_at "budgets show" 0' -a 'key= tenant= user= assistant= thread= feature= provider= model= route='
complete -c ferry -n '__ferry_at "budgets show"' -l json -d 'JSON, one object a line.'

complete -c ferry -n '__ferry_at "budgets check" 0' -a 'key= tenant= user= assistant= thread= feature= provider= model= route='
complete -c ferry -n '__ferry_at "budgets check"' -l at -x -d 'So much used is too much.'
complete -c ferry -n '__ferry_at "budgets check"' -l json -d 'JSON, one object a line.'

complete -c ferry -n '__ferry_at "budgets topup" 0' -a 'key= tenant= user= assistant= thread= feature= provider= model= route='
complete -c ferry -n '__ferry_at "budgets topup"' -l note -x -d 'What it was for.'
complete -c ferry -n '__ferry_at "budgets topup"' -l expires -x -d '90d, friday, or 2027-01-01.'
complete -c ferry -n '__ferry_at "budgets topup"' -l id -x -d 'Your number of it: never added twice.'
complete -c ferry -n '__ferry_at "budgets topup"' -l json -d 'JSON, one object a line.'

complete -c ferry -n '__ferry_at "budgets remove" 0' -a 'key= tenant= user= assistant= thread= feature= provider= model= route='
complete -c ferry -n '__ferry_at "budgets remove"' -l period -x -a 'day week month total' -d 'Which one, where there are several: month, 7d.'
complete -c ferry -n '__ferry_at "budgets remove"' -l zone -x -d 'Which one, where there are several: Europe/Berlin.'
complete -c ferry -n '__ferry_at "budgets remove"' -l yes -d 'Do not ask.'

complete -c ferry -n '__ferry_at "budgets release-doubt" 0' -a 'key= tenant= user= assistant= thread= feature= provider= model= route='
complete -c ferry -n '__ferry_at "budgets release-doubt"' -l yes -d 'Do not ask.'

complete -c ferry -n '__ferry_at "budgets test" 0' -a 'key= tenant= user= assistant= thread= feature= provider= model= route='

complete -c ferry -n '__ferry_at calls 0' -a list -d 'List calls, the latest first.'
complete -c ferry -n '__ferry_at calls 0' -a show -d 'Show one call: tokens, rates, cost, attempts, times, and whom it belongs to, and why.'
complete -c ferry -n '__ferry_at calls 0' -a correct -d 'Say what a call truly cost, where a provider\'s bill is another.'

complete -c ferry -n '__ferry_at "calls list"' -l since -x -a 'today yesterday this-week last-week mtd last-month 24h 7d' -d 'Which calls.'
complete -c ferry -n '__ferry_at "calls list"' -l where -x -d 'Of these, only what it says.'
complete -c ferry -n '__ferry_at "calls list"' -l limit -x -d 'At most so many.'
complete -c ferry -n '__ferry_at "calls list"' -l json -d 'JSON, one object a line.'

complete -c ferry -n '__ferry_at "calls show" 0' -a '(__ferry_names calls)'
complete -c ferry -n '__ferry_at "calls show"' -l json -d 'JSON, one object a line.'

complete -c ferry -n '__ferry_at "calls correct" 0' -a '(__ferry_names calls)'
complete -c ferry -n '__ferry_at "calls correct"' -l cost -x -d 'The whole of what it cost.'
complete -c ferry -n '__ferry_at "calls correct"' -l note -x -d 'How that is known.'
complete -c ferry -n '__ferry_at "calls correct"' -l json -d 'JSON, one object a line.'

complete -c ferry -n '__ferry_at threads 0' -a release -d 'Let a thread go on that repeated itself: what it sent until now counts no more.'

complete -c ferry -n '__ferry_at "threads release" 0' -a '(__ferry_names threads)'

complete -c ferry -n '__ferry_at routes 0' -a set -d 'Make a route, or change one. A running server follows at once.'
complete -c ferry -n '__ferry_at routes 0' -a list -d 'List routes, and who is moved to which.'
complete -c ferry -n '__ferry_at routes 0' -a show -d 'Show one route: its targets by tier, with what each costs.'
complete -c ferry -n '__ferry_at routes 0' -a explain -d 'Say what would happen to a call now: its targets, the budgets asked, what is held.'
complete -c ferry -n '__ferry_at routes 0' -a assign -d 'Move the calls that match to a route, whatever they ask for. The next call goes there.'
complete -c ferry -n '__ferry_at routes 0' -a unassign -d 'End an assignment: calls use what they ask for again.'
complete -c ferry -n '__ferry_at routes 0' -a remove -d 'Remove a route. One that is in use stays, and what uses it is named.'

complete -c ferry -n '__ferry_at "routes set" 0' -a '(__ferry_names routes)'
complete -c ferry -n '__ferry_at "routes set"' -a '(__ferry_names models)'
complete -c ferry -n '__ferry_at "routes set"' -l cheaper -x -a '(__ferry_names routes)' -d 'For a budget\'s rule `downgrade`.'
complete -c ferry -n '__ferry_at "routes set"' -l no-cheaper -d 'No cheaper route.'
complete -c ferry -n '__ferry_at "routes set"' -l free -x -a '(__ferry_names routes)' -d 'For a budget\'s rule `free`.'
complete -c ferry -n '__ferry_at "routes set"' -l no-free -d 'No free route.'
complete -c ferry -n '__ferry_at "routes set"' -l first-byte -x -d 'For a target to begin its answer; 0: as usual.'
complete -c ferry -n '__ferry_at "routes set"' -l deadline -x -d 'For the whole call, all tries; 0: as usual.'
complete -c ferry -n '__ferry_at "routes set"' -l max-output -x -d 'The longest answer; 0: no bound.'
complete -c ferry -n '__ferry_at "routes set"' -l sticky -l no-sticky -d 'Whether a thread stays at its target.'
complete -c ferry -n '__ferry_at "routes set"' -l retry -x -a 'context not_found none' -d 'Go on to the next target after this failure too; repeatable.'
complete -c ferry -n '__ferry_at "routes set"' -l json -d 'JSON, one object a line.'

complete -c ferry -n '__ferry_at "routes list"' -l assignments -d 'List assignments alone.'
complete -c ferry -n '__ferry_at "routes list"' -l json -d 'JSON, one object a line.'

complete -c ferry -n '__ferry_at "routes show" 0' -a '(__ferry_names routes)'
complete -c ferry -n '__ferry_at "routes show"' -l json -d 'JSON, one object a line.'

complete -c ferry -n '__ferry_at "routes explain" 0' -a '(__ferry_names models)'
complete -c ferry -n '__ferry_at "routes explain"' -l key -x -d 'The key that it is made with.'
complete -c ferry -n '__ferry_at "routes explain"' -l tenant -x -a '(__ferry_names tenants)' -d 'As the call would say it.'
complete -c ferry -n '__ferry_at "routes explain"' -l user -x -a '(__ferry_names users)' -d 'As the call would say it.'
complete -c ferry -n '__ferry_at "routes explain"' -l assistant -x -a '(__ferry_names assistants)' -d 'As the call would say it.'
complete -c ferry -n '__ferry_at "routes explain"' -l thread -x -a '(__ferry_names threads)' -d 'As the call would say it.'
complete -c ferry -n '__ferry_at "routes explain"' -l feature -x -a '(__ferry_names features)' -d 'As the call would say it.'
complete -c ferry -n '__ferry_at "routes explain"' -l priority -x -a 'critical normal background' -d 'critical, normal or background.'
complete -c ferry -n '__ferry_at "routes explain"' -l route -x -a '(__ferry_names routes)' -d 'As X-Ferry-Route would name it.'
complete -c ferry -n '__ferry_at "routes explain"' -l tag -x -d 'A tag; repeatable.'
complete -c ferry -n '__ferry_at "routes explain"' -l input -x -d 'How long the request is, as estimated.'
complete -c ferry -n '__ferry_at "routes explain"' -l max-output -x -d 'The limit that the request sets.'
complete -c ferry -n '__ferry_at "routes explain"' -l stream -d 'It asks for a stream.'
complete -c ferry -n '__ferry_at "routes explain"' -l json -d 'JSON, one object a line.'

complete -c ferry -n '__ferry_at "routes assign" 0' -a 'key= tenant= user= assistant= thread= feature= provider= model= route='
complete -c ferry -n '__ferry_at "routes assign" 1' -a '(__ferry_names routes)'
complete -c ferry -n '__ferry_at "routes assign"' -l until -x -d '7d, friday, or a date: 2027-01-01.'
complete -c ferry -n '__ferry_at "routes assign"' -l max-output -x -d 'The longest answer.'
complete -c ferry -n '__ferry_at "routes assign"' -l json -d 'JSON, one object a line.'

complete -c ferry -n '__ferry_at "routes unassign" 0' -a 'key= tenant= user= assistant= thread= feature= provider= model= route='

complete -c ferry -n '__ferry_at "routes remove" 0' -a '(__ferry_names routes)'
complete -c ferry -n '__ferry_at "routes remove"' -l yes -d 'Do not ask.'

complete -c ferry -n '__ferry_at prices 0' -a set -d 'Set what a model costs. It beats the price catalogue; calls made before keep their cost.'
complete -c ferry -n '__ferry_at prices 0' -a list -d 'List the prices that were set here.'
complete -c ferry -n '__ferry_at prices 0' -a show -d 'Show what a model costs now, and where that price comes from.'
complete -c ferry -n '__ferry_at prices 0' -a check -d 'List what recent calls could not price, or not wholly, and what would mend it.'

complete -c ferry -n '__ferry_at "prices set" 0' -a '(__ferry_names models)'
complete -c ferry -n '__ferry_at "prices set"' -l input -x -d 'Per million tokens.'
complete -c ferry -n '__ferry_at "prices set"' -l output -x -d 'Per million tokens.'
complete -c ferry -n '__ferry_at "prices set"' -l cache-read -x -d 'Per million tokens.'
complete -c ferry -n '__ferry_at "prices set"' -l cache-write -x -d 'Written for 5 or 30 minutes.'
complete -c ferry -n '__ferry_at "prices set"' -l cache-write-1h -x -d 'Written for an hour.'
complete -c ferry -n '__ferry_at "prices set"' -l cache-write-12h -x -d 'Written for 12 hours.'
complete -c ferry -n '__ferry_at "prices set"' -l audio-in -x -d 'Per million tokens.'
complete -c ferry -n '__ferry_at "prices set"' -l audio-out -x -d 'Per million tokens.'
complete -c ferry -n '__ferry_at "prices set"' -l per -x -d 'Of a meter: for one unit.'
complete -c ferry -n '__ferry_at "prices set"' -l web-search -x -d 'Per thousand web searches.'
complete -c ferry -n '__ferry_at "prices set"' -l tier -x -d 'For this tier only: flex.'
complete -c ferry -n '__ferry_at "prices set"' -l from -x -d 'From this day on: 2026-12-01.'

complete -c ferry -n '__ferry_at "prices list"' -l json -d 'JSON, one object a line.'

complete -c ferry -n '__ferry_at "prices show" 0' -a '(__ferry_names models)'
complete -c ferry -n '__ferry_at "prices show"' -l json -d 'JSON, one object a line.'

complete -c ferry -n '__ferry_at "prices check"' -l since -x -a 'today yesterday this-week last-week mtd last-month 24h 7d' -d 'Which calls.'
complete -c ferry -n '__ferry_at "prices check"' -l json -d 'JSON, one object a line.'

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
complete -c ferry -n '__ferry_at help 0' -a periods -d 'Explain `--since`, and the periods of budgets.'
complete -c ferry -n '__ferry_at help 0' -a selectors -d 'Explain selectors: which calls a budget is about.'
complete -c ferry -n '__ferry_at help 0' -a exit-codes -d 'List the exit codes.'





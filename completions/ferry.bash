# TAB for `ferry` in bash. Made by ferrycli/cli/completions_bash.py.

# The commands below one, into `found`.
__ferry_commands() {
    found=
    case $1 in
        '')
            found='serve report demo models audit keys budgets calls threads routes prices config db help'
            ;;
        'keys') found='create list show set revoke rotate boost' ;;
        'budgets') found='set list show check topup remove release-doubt test' ;;
        'calls') found='list show correct' ;;
        'threads') found='release' ;;
        'routes') found='set list show explain assign unassign remove' ;;
        'prices') found='set list show check' ;;
        'config') found='show check path' ;;
        'db') found='path status check' ;;
        'help') found='filters periods selectors exit-codes' ;;
    esac
}

# The options of a command, into `found`; `+` after one that may come again.
__ferry_options() {
    found=
    case $1 in
        '') found='--version' ;;
        'serve') found='--listen --check --json' ;;
        'report') found='--by --since --where --top --json --csv' ;;
        'demo') found='--once' ;;
        'models') found='--key --search --json' ;;
        'audit') found='--json' ;;
        'keys create')
            found='--tenant --user --assistant --thread --feature --priority --default+ --require+ --deny+ --model+ --budget --balance --at+ --mode --clamp --rpm --tpm --parallel --expires --owner --role --json --quiet'
            ;;
        'keys list') found='--json' ;;
        'keys show') found='--json' ;;
        'keys set')
            found='--name --tenant --user --assistant --thread --feature --priority --default+ --require+ --deny+ --model+ --any-model --budget --balance --at+ --mode --clamp --no-budget --rpm --tpm --parallel --expires --no-expiry --owner --json'
            ;;
        'keys revoke') found='--yes' ;;
        'keys rotate') found='--grace --json --quiet' ;;
        'keys boost') found='--until --period --zone --json' ;;
        'budgets set')
            found='--limit --at+ --mode --clamp --owner --balance --period --zone --from --allow-unpriced --no-allow-unpriced --rpm --tpm --parallel --dry-run --json'
            ;;
        'budgets list') found='--json' ;;
        'budgets show') found='--json' ;;
        'budgets check') found='--at --json' ;;
        'budgets topup') found='--note --expires --id --json' ;;
        'budgets remove') found='--period --zone --yes' ;;
        'budgets release-doubt') found='--yes' ;;
        'calls list') found='--since --where --limit --json' ;;
        'calls show') found='--json' ;;
        'calls correct') found='--cost --note --json' ;;
        'routes set')
            found='--cheaper --no-cheaper --free --no-free --first-byte --deadline --max-output --sticky --no-sticky --retry+ --json'
            ;;
        'routes list') found='--assignments --json' ;;
        'routes show') found='--json' ;;
        'routes explain')
            found='--key --tenant --user --assistant --thread --feature --priority --route --tag+ --input --max-output --stream --json'
            ;;
        'routes assign') found='--until --max-output --json' ;;
        'routes remove') found='--yes' ;;
        'prices set')
            found='--input --output --cache-read --cache-write --cache-write-1h --cache-write-12h --audio-in --audio-out --per --web-search --tier --from'
            ;;
        'prices list') found='--json' ;;
        'prices show') found='--json' ;;
        'prices check') found='--since --json' ;;
        'config show') found='--json' ;;
        'config check') found='--json' ;;
        'db status') found='--json' ;;
        'db check') found='--json' ;;
    esac
    found+=' --config --db --color --ascii --debug --help'
}

# What follows an option of a command, or is its argument of a number: into `how` and `choices`.
# Nothing follows a flag.
__ferry_place() {
    how= choices=
    case $1 in
        'models --key' | 'keys show 1' | 'keys set 1' | 'keys revoke 1' | 'keys rotate 1' | 'keys boost 1')
            how=names choices=keys
            ;;
        'routes explain --key' | 'keys create 1' | 'keys boost 2' | 'budgets topup 2')
            how=free
            ;;
        'budgets set 1' | 'budgets show 1' | 'budgets check 1' | 'budgets topup 1' | 'budgets remove 1' | \
            'budgets release-doubt 1' | 'budgets test 1' | 'routes assign 1' | 'routes unassign 1')
            how=words choices='key= tenant= user= assistant= thread= feature= provider= model= route='
            ;;
        'calls show 1' | 'calls correct 1') how=names choices=calls ;;
        'threads release 1') how=names choices=threads ;;
        'routes set 1' | 'routes show 1' | 'routes assign 2' | 'routes remove 1')
            how=names choices=routes
            ;;
        'routes set '[0-9]* | 'routes explain 1' | 'prices set 1' | 'prices show 1')
            how=names choices=models
            ;;
        *' --config' | *' --db') how=files ;;
        *' --color') how=words choices='auto always never' ;;
        *' --listen' | *' --where' | *' --top' | *' --search' | *' --budget' | *' --balance' | *' --at' | \
            *' --rpm' | *' --tpm' | *' --parallel' | *' --expires' | *' --owner' | *' --name' | *' --grace' | \
            *' --until' | *' --zone' | *' --limit' | *' --from' | *' --note' | *' --id' | *' --cost' | \
            *' --first-byte' | *' --deadline' | *' --max-output' | *' --tag' | *' --input' | *' --output' | \
            *' --cache-read' | *' --cache-write' | *' --cache-write-1h' | *' --cache-write-12h' | \
            *' --audio-in' | *' --audio-out' | *' --per' | *' --web-search' | *' --tier')
            how=free
            ;;
        *' --by')
            how=list choices='tenant user assistant thread feature provider model route key outcome'
            ;;
        *' --since')
            how=words choices='today yesterday this-week last-week mtd last-month 24h 7d'
            ;;
        *' --tenant') how=names choices=tenants ;;
        *' --user') how=names choices=users ;;
        *' --assistant') how=names choices=assistants ;;
        *' --thread') how=names choices=threads ;;
        *' --feature') how=names choices=features ;;
        *' --priority') how=words choices='critical normal background' ;;
        *' --default')
            how=words choices='tenant= user= assistant= thread= feature= priority='
            ;;
        *' --require' | *' --deny')
            how=words choices='tenant user assistant thread feature priority'
            ;;
        *' --model') how=names choices=models ;;
        *' --mode') how=words choices='strict expected soft' ;;
        *' --clamp') how=words choices='unset always' ;;
        *' --role') how=words choices='call read admin' ;;
        *' --period') how=words choices='day week month total' ;;
        *' --cheaper' | *' --free' | *' --route') how=names choices=routes ;;
        *' --retry') how=words choices='context not_found none' ;;
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
            case $waiting in --config | --db) leading+=("$waiting=$plain") ;; esac
            waiting=
        elif [[ -z $are_arguments && $word == -* ]]; then
            case $word in
                --) are_arguments=yes ;;
                *=*)
                    seen+="${word%%=*} "
                    __ferry_unquote "${word#*=}"
                    case ${word%%=*} in --config | --db) leading+=("${word%%=*}=$plain") ;; esac
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
    names=$("$program" __complete "$1" "$begun" "${leading[@]}" 2>/dev/null </dev/null)
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

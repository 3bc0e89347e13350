#compdef autodas
_autodas() {
    local line word
    local -a whole begun
    while IFS= read -r line; do
        word=${line%%$'\t'*}
        # Words before a colon, which separates help in _describe.
        line=${word//:/\\:}${${line#$word}/$'\t'/:}
        if [[ $word == *[./:=] ]]; then begun+=("$line"); else whole+=("$line"); fi
    done < <("${(Q)words[1]}" completion zsh -- "${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}" 2> /dev/null)
    (( $#whole )) && _describe autodas whole
    (( $#begun )) && _describe autodas begun -S ''
    (( $#whole + $#begun ))
}
compdef _autodas autodas

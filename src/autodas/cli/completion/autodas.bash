_autodas() {
    local program=${1/#\~/$HOME} answer
    type "$program" > /dev/null 2>&1 || program=autodas
    COMPREPLY=()
    mapfile -t answer < <("$program" completion bash -- "$COMP_WORDBREAKS" "${COMP_LINE:0:COMP_POINT}" 2> /dev/null)
    COMPREPLY=("${answer[@]:1}")
    if [[ ${answer[0]} == files ]]; then
        compopt -o filenames
    elif [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[.:=] ]]; then
        compopt -o nospace
    fi
}
complete -F _autodas autodas

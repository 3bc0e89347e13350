function __autodas_complete
    set -l words (commandline -opc)
    $words[1] completion fish -- $words (commandline -ct) 2>/dev/null
end
complete -c autodas -f -a '(__autodas_complete)'

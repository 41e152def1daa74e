# Completion of sqlsync for bash. For zsh: autoload -U +X bashcompinit && bashcompinit, then source this file.
# Made from the commands themselves by scripts/build-completion.ts.

_sqlsync_commands='@COMMANDS@'

_sqlsync_flags() {
  case $1 in
@FLAGS@
  esac
}

_sqlsync_values() {
  case $1 in
@VALUES@
  esac
}

_sqlsync() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
  local typed='' command='' takes_value='' word i
  COMPREPLY=()
  # What has been typed so far without flags and their values, and the longest command at its beginning.
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ $takes_value ]]; then takes_value=''; continue; fi
    case $word in
      @WITH_VALUE@) takes_value=1 ;;
      -*) ;;
      *)
        typed+=${typed:+ }$word
        if [[ $'\n'$_sqlsync_commands$'\n' == *$'\n'$typed$'\n'* ]]; then command=$typed; fi
        ;;
    esac
  done
  if [[ $takes_value ]]; then
    # What is no known word is a file, or nobody knows.
    mapfile -t COMPREPLY < <(compgen -W "$(_sqlsync_values "$command $previous")" -- "$current")
  elif [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_sqlsync_flags "$command")" -- "$current")
  elif [[ $typed == "$command" || -z $command ]]; then
    local next
    next=$(while IFS= read -r word; do
      if [[ -z $typed ]]; then echo "${word%% *}"
      elif [[ $word == "$typed "* ]]; then word=${word#"$typed "}; echo "${word%% *}"; fi
    done <<<"$_sqlsync_commands")
    mapfile -t COMPREPLY < <(compgen -W "$next" -- "$current" | sort -u)
  fi
}

complete -o default -F _sqlsync sqlsync

# Completion for bash. It asks the program itself which commands, options and values there are, so it knows what the
# installed one knows. A word behind the option that no program has ends each question before anything is done.

_khien_ask() {
	"$@" 2>&1 </dev/null
}

_khien() {
	local program=${COMP_WORDS[0]} command=${COMP_WORDS[1]-} job='' words='' values i
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		words=$(_khien_ask "$program" help | sed -n 's/^  \([a-z][a-z0-9_]*\)  *.*/\1/p')
	elif [[ $command == help ]]; then
		words=$(_khien_ask "$program" help | sed -n 's/^  \([a-z][a-z0-9_]*\)  *.*/\1/p')
	else
		# Jobs of a command: "Usage: khien rules check ..."
		words=$(_khien_ask "$program" "$command" --help | sed -n "s/^\(Usage:\|      \) khien $command \([a-z][a-z]*\) .*/\2/p")
		for i in $words; do
			[[ ${COMP_WORDS[2]-} == "$i" ]] && job=$i
		done
		((COMP_CWORD == 2)) || words=
		# --name=value is three words to bash
		[[ $word == '=' ]] && word=''
		[[ $before == '=' ]] && before=${COMP_WORDS[COMP_CWORD - 2]}
		if [[ $before == --?* && $word != -* ]]; then
			values=$(_khien_ask "$program" "$command" ${job:+"$job"} "$before=?" '--?' |
				sed -n 's/.* is not one of //p')
			[[ $values ]] && words=$values
		elif [[ $word == -* ]]; then
			words=$(_khien_ask "$program" "$command" ${job:+"$job"} --help |
				sed -n 's/^  \(-., \|    \)\(--[a-z-]*\).*/\2/p')
		fi
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
	((${#COMPREPLY[@]})) || mapfile -t COMPREPLY < <(compgen -f -- "$word")
}

complete -o filenames -F _khien khien

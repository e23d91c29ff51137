# Completion for bash. It asks the program itself which commands, options and values there are, so it knows what the
# installed one knows. A word behind the option that no program has ends each question before anything is done.

_khien_ask() {
	"$@" 2>&1 </dev/null
}

# Jobs of a command, "rules" or "hub token": "Usage: khien rules check ...", "khien hub token|backup|... [OPTION]...".
_khien_jobs() {
	_khien_ask "$@" --help | sed -n "s/^\(Usage:\|      \) khien ${*:2} \([a-z][a-z|]*\)\( .*\|\)$/\2/p" | tr '|' '\n'
}

_khien() {
	local program=${COMP_WORDS[0]} words='' values job at
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	COMPREPLY=()
	if ((COMP_CWORD == 1)) || [[ ${COMP_WORDS[1]} == help ]]; then
		words=$(_khien_ask "$program" help | sed -n 's/^  \([a-z][a-z0-9_]*\)  *.*/\1/p')
	else
		# khien hub token add: as far as the words are jobs
		local -a command=("$program" "${COMP_WORDS[1]}")
		for ((at = 2; at <= COMP_CWORD; at++)); do
			words=$(_khien_jobs "${command[@]}")
			((at < COMP_CWORD)) || break
			for job in $words; do
				[[ ${COMP_WORDS[at]} == "$job" ]] && command+=("$job") && continue 2
			done
			words=
			break
		done
		# --name=value is three words to bash
		[[ $word == '=' ]] && word=''
		[[ $before == '=' ]] && before=${COMP_WORDS[COMP_CWORD - 2]}
		if [[ $before == --?* && $word != -* ]]; then
			values=$(_khien_ask "${command[@]}" "$before=?" '--?' | sed -n 's/.* is not one of //p')
			[[ $values ]] && words=$values
		elif [[ $word == -* ]]; then
			words=$(_khien_ask "${command[@]}" --help | sed -n 's/^  \(-., \|    \)\(--[a-z-]*\).*/\2/p')
		fi
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
	((${#COMPREPLY[@]})) || mapfile -t COMPREPLY < <(compgen -f -- "$word")
}

complete -o filenames -F _khien khien

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * completion: scripts for three shells, made of the tables of commands and options. Names of credentials are asked for when somebody presses Tab, by `completion names`, which is quick and silent.
 */
#include <stdlib.h>
#include <string.h>

#include "client/cli/credential.h"
#include "client/cli/setup.h"

static bool takes_file(const char *option)
{
	const char *value = option_value(option);

	return value && (strcmp(value, "PATH") == 0 || strcmp(value, "FILE") == 0 ||
			 strcmp(value, "DIRECTORY") == 0);
}

/* The commands that take a credential which is there already, with a character between. */
static void print_takers(const char *between)
{
	const char *before = "";

	for (size_t i = 0; i < n_commands; i++) {
		if ((commands[i].flags & (TAKES_CREDENTIAL | MAKES_CREDENTIAL)) != TAKES_CREDENTIAL)
			continue;
		printf("%s%s", before, commands[i].name);
		before = between;
	}
}

static void print_commands(void)
{
	for (size_t i = 0; i < n_commands; i++)
		printf("%s%s", i ? " " : "", commands[i].name);
}

/* The options with a value for which this holds, with a character between. */
static void print_options_with(const char *between, bool files)
{
	const char *before = "";

	for (size_t i = 0; i < n_cli_options; i++) {
		const char *name = cli_options[i].name;
		bool plain = option_value(name) && !option_choices(name) && !takes_file(name);

		if (files ? !takes_file(name) : !plain)
			continue;
		printf("%s%s", before, name);
		before = between;
	}
}

/* --- bash --- */

static const char bash_begin[] =
	"# bash completion of sftoken; made by `sftoken completion bash`\n"
	"_sftoken_files() # a directory gets its slash, a blank its backslash\n"
	"{\n"
	"\tcompopt -o filenames 2>/dev/null\n"
	"\tmapfile -t COMPREPLY < <(compgen \"$@\")\n"
	"}\n"
	"_sftoken()\n"
	"{\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb= given= words= i\n"
	"\tlocal -a which=()\n"
	"\t# bash cuts words before an @, which names may have\n"
	"\tlocal line=${COMP_LINE:0:COMP_POINT} cut= begin=$COMP_CWORD\n"
	"\tline=${line##*[[:space:]]}\n"
	"\tif [[ $line == *@* && $line != -* && $COMP_WORDBREAKS == *@* ]]; then\n"
	"\t\tcur=$line cut=${line%@*} prev= words=${COMP_WORDS[COMP_CWORD]}\n"
	"\t\twhile ((${#words} < ${#line} && begin > 1)); do words=${COMP_WORDS[--begin]}$words; done\n"
	"\tfi\n"
	"\tCOMPREPLY=()\n"
	"\tfor ((i = 1; i < begin; i++)); do\n"
	"\t\tcase ${COMP_WORDS[i]} in\n"
	"\t\t--socket | --manager) which+=(\"${COMP_WORDS[i]}\" \"${COMP_WORDS[i+1]}\"); ((i++)) ;;\n"
	"\t\t--user | --system) which+=(\"${COMP_WORDS[i]}\") ;;\n"
	"\t\t--)\n"
	"\t\t\tif [[ $verb == exec && i -eq COMP_CWORD-1 && $cur != */* ]]; then\n"
	"\t\t\t\tCOMPREPLY=($(compgen -c -- \"$cur\"))\n"
	"\t\t\telif [[ $verb == exec ]]; then\n"
	"\t\t\t\t_sftoken_files -f -- \"$cur\"\n"
	"\t\t\tfi\n"
	"\t\t\treturn ;;\n"
	"\t\t";

static const char bash_middle
	[] = ") [[ ${COMP_WORDS[i+1]} != = ]] || ((i++)); ((i++)) ;;\n"
	     "\t\t-*) ;;\n"
	     "\t\t=) ((i++)) ;; # bash cuts words there, too\n"
	     "\t\t*)\n"
	     "\t\t\tif [[ -z $verb ]]; then\n"
	     "\t\t\t\tverb=${COMP_WORDS[i]}\n"
	     "\t\t\telif [[ $verb == curl && ${COMP_WORDS[i]} == /* ]]; then # the rest is curl's\n"
	     "\t\t\t\t[[ $cur == -* ]] || _sftoken_files -f -- \"$cur\"\n"
	     "\t\t\t\treturn\n"
	     "\t\t\telse\n"
	     "\t\t\t\tgiven=1\n"
	     "\t\t\tfi ;;\n"
	     "\t\tesac\n"
	     "\tdone\n"
	     "\tcase $prev in\n";

static const char bash_end[] =
	"\tif [[ $cur != -* ]]; then\n"
	"\t\twords=\n"
	"\t\tcase $verb$given in\n"
	"\t\t'') words=$commands ;;\n"
	"\t\thelp) words=$commands ;;\n"
	"\t\tcompletion) words='bash zsh fish' ;;\n"
	"\t\tcheck) _sftoken_files -d -- \"$cur\"; return ;;\n"
	"\t\t*) [[ -n $given || \" $takers \" != *\" $verb \"* ]] || words=$(\"${COMP_WORDS[0]}\" completion names \"${which[@]}\" 2>/dev/null) ;;\n"
	"\t\tesac\n"
	"\tfi\n"
	"\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	"\tCOMPREPLY=(\"${COMPREPLY[@]#\"$cut\"}\")\n"
	"}\n"
	"complete -F _sftoken sftoken\n";

/* The options that the next word belongs to. */
static void print_options_with_value(const char *between)
{
	const char *before = "";

	for (size_t i = 0; i < n_cli_options; i++) {
		if (!option_value(cli_options[i].name))
			continue;
		printf("%s%s", before, cli_options[i].name);
		before = between;
	}
}

static void print_bash_values(void)
{
	for (size_t i = 0; i < n_cli_options; i++)
		if (option_choices(cli_options[i].name))
			printf("\t%s) COMPREPLY=($(compgen -W '%s' -- \"$cur\")); return ;;\n",
			       cli_options[i].name, option_choices(cli_options[i].name));
	fputs("\t", stdout);
	print_options_with(" | ", true);
	fputs(") _sftoken_files -f -- \"$cur\"; return ;;\n\t", stdout);
	print_options_with(" | ", false);
	fputs(") return ;;\n\tesac\n", stdout);
}

static void print_option_words(const struct command *c, bool global)
{
	for (size_t i = 0; i < n_cli_options; i++)
		if (strncmp(cli_options[i].name, "--", 2) == 0 &&
		    (global ? !cli_options[i].id
			    : cli_options[i].id && option_fits(&cli_options[i], c)))
			printf("%s ", cli_options[i].name);
}

static void print_bash(void)
{
	fputs(bash_begin, stdout);
	print_options_with_value(" | ");
	fputs(bash_middle, stdout);
	print_bash_values();
	fputs("\tlocal commands='", stdout);
	print_commands();
	fputs("'\n\tlocal takers='", stdout);
	print_takers(" ");
	fputs("'\n\twords='", stdout);
	print_option_words(NULL, true);
	fputs("'\n\tcase $verb in\n\t'') words+=--version ;;\n", stdout);
	for (size_t i = 0; i < n_commands; i++) {
		if (!commands[i].options)
			continue;
		printf("\t%s) words+='", commands[i].name);
		print_option_words(&commands[i], false);
		fputs("' ;;\n", stdout);
	}
	fputs("\tesac\n", stdout);
	fputs(bash_end, stdout);
}

/* --- zsh --- */

static const char zsh_begin[] =
	"#compdef sftoken\n"
	"# zsh completion of sftoken; made by `sftoken completion zsh`\n"
	"_sftoken_names() {\n"
	"\tlocal -a names which\n"
	"\tlocal i\n"
	"\tfor ((i = 2; i < CURRENT; i++)); do\n"
	"\t\tcase $words[i] in\n"
	"\t\t--socket|--manager) which+=($words[i] $words[i+1]) ;;\n"
	"\t\t--user|--system) which+=($words[i]) ;;\n"
	"\t\tesac\n"
	"\tdone\n"
	"\tnames=(${(f)\"$(sftoken completion names $which 2>/dev/null)\"})\n"
	"\tcompadd -a names\n"
	"}\n"
	"_sftoken() {\n"
	"\tlocal verb given i\n"
	"\tlocal -a verbs flags # not commands, options: arrays of zsh itself, which its functions use\n"
	"\tverbs=(\n";

static const char zsh_middle
	[] = "\t)\n"
	     "\tfor ((i = 2; i < CURRENT; i++)); do\n"
	     "\t\tcase $words[i] in\n"
	     "\t\t--) # behind it as the command itself is completed\n"
	     "\t\t\t[[ $verb == exec ]] || return\n"
	     "\t\t\tif [[ $words[CURRENT-1] == -- ]]; then _command_names -e; return; fi\n"
	     "\t\t\tshift $i words; ((CURRENT -= i)); _normal; return ;;\n"
	     "\t\t";

static const char zsh_loop
	[] = ") ((i++)) ;;\n"
	     "\t\t-*) ;;\n"
	     "\t\t*)\n"
	     "\t\t\tif [[ $verb == curl && $words[i] == (/*|*://*) ]]; then\n"
	     "\t\t\t\twords=(curl \"${(@)words[i+1,-1]}\"); ((CURRENT -= i - 1)); _normal; return\n"
	     "\t\t\tfi\n"
	     "\t\t\tif [[ -z $verb ]]; then verb=$words[i]; else given=1; fi ;;\n"
	     "\t\tesac\n"
	     "\tdone\n"
	     "\tcase $words[CURRENT-1] in\n";

static const char zsh_end[] = "\tesac\n"
			      "\tif [[ $words[CURRENT] == -* ]]; then\n"
			      "\t\t_describe -o option flags\n"
			      "\t\treturn\n"
			      "\tfi\n"
			      "\tcase $verb$given in\n"
			      "\t''|help) _describe command verbs ;;\n"
			      "\tcompletion) compadd bash zsh fish ;;\n"
			      "\tcheck) _files -/ ;;\n";

static const char zsh_last[] = "\tesac\n"
			       "}\n"
			       "if [[ $zsh_eval_context[-1] == loadautofunc ]]; then\n"
			       "\t_sftoken \"$@\"\n"
			       "else\n"
			       "\tcompdef _sftoken sftoken\n"
			       "fi\n";

/* 'text' for the shells that read it so: a ' as '\'', and in zsh a colon as \: */
static void print_text(const char *text, bool zsh)
{
	for (; *text && *text != '\n'; text++) {
		if (*text == '\'')
			fputs(zsh ? "'\\''" : "\\'", stdout);
		else if (zsh && *text == ':')
			fputs("\\:", stdout);
		else
			putchar(*text);
	}
}

static void print_zsh_options(const struct command *c, bool global)
{
	for (size_t i = 0; i < n_cli_options; i++) {
		const char *meaning = option_meaning(cli_options[i].name);

		if (!meaning || (global ? cli_options[i].id
					: !cli_options[i].id || !option_fits(&cli_options[i], c)))
			continue;
		printf("'%s:", cli_options[i].name);
		print_text(meaning, true);
		fputs("' ", stdout);
	}
}

static void print_zsh(void)
{
	fputs(zsh_begin, stdout);
	for (size_t i = 0; i < n_commands; i++) {
		printf("\t\t'%s:", commands[i].name);
		print_text(commands[i].help, true);
		fputs("'\n", stdout);
	}
	fputs(zsh_middle, stdout);
	print_options_with_value("|");
	fputs(zsh_loop, stdout);
	for (size_t i = 0; i < n_cli_options; i++)
		if (option_choices(cli_options[i].name))
			printf("\t%s) compadd %s; return ;;\n", cli_options[i].name,
			       option_choices(cli_options[i].name));
	fputs("\t", stdout);
	print_options_with("|", true);
	fputs(") _files; return ;;\n\t", stdout);
	print_options_with("|", false);
	fputs(") return ;;\n\tesac\n\tflags=(", stdout);
	print_zsh_options(NULL, true);
	fputs(")\n\tcase $verb in\n\t'') flags+=('--version:print the version') ;;\n", stdout);
	for (size_t i = 0; i < n_commands; i++) {
		if (!commands[i].options)
			continue;
		printf("\t%s) flags+=(", commands[i].name);
		print_zsh_options(&commands[i], false);
		fputs(") ;;\n", stdout);
	}
	fputs(zsh_end, stdout);
	fputs("\t", stdout);
	print_takers("|");
	fputs(") _sftoken_names ;;\n", stdout);
	fputs(zsh_last, stdout);
}

/* --- fish --- */

static const char fish_begin[] =
	"# fish completion of sftoken; made by `sftoken completion fish`\n"
	"function __sftoken_names\n"
	"\tset -l which\n"
	"\tset -l words (commandline -opc)\n"
	"\tfor i in (seq 2 (count $words))\n"
	"\t\tswitch $words[$i]\n"
	"\t\t\tcase --socket --manager\n"
	"\t\t\t\ttest $i -lt (count $words); and set -a which $words[$i] $words[(math $i + 1)]\n"
	"\t\t\tcase --user --system\n"
	"\t\t\t\tset -a which $words[$i]\n"
	"\t\tend\n"
	"\tend\n"
	"\tsftoken completion names $which 2>/dev/null\n"
	"end\n"
	"function __sftoken_at # the command, and how many words of it there are; \".exec\" or \".curl\" and the words so far of what these run\n"
	"\tset -l words (commandline -opc)\n"
	"\tset -l verb .\n"
	"\tset -l given 0\n"
	"\tset -e words[1]\n"
	"\twhile set -q words[1]\n"
	"\t\tset -l word $words[1]\n"
	"\t\tset -e words[1]\n"
	"\t\tswitch $word\n"
	"\t\t\tcase --\n"
	"\t\t\t\tprintf '%s\\n' .$verb $words\n"
	"\t\t\t\treturn\n"
	"\t\t\tcase ";

static const char fish_loop
	[] = "\n"
	     "\t\t\t\tset -e words[1]\n"
	     "\t\t\tcase '-*'\n"
	     "\t\t\tcase '*'\n"
	     "\t\t\t\tif test $verb = .\n"
	     "\t\t\t\t\tset verb $word\n"
	     "\t\t\t\telse if test $verb = curl; and string match -qr '^/|://' -- $word\n"
	     "\t\t\t\t\tprintf '%s\\n' .curl curl $words\n"
	     "\t\t\t\t\treturn\n"
	     "\t\t\t\telse\n"
	     "\t\t\t\t\tset given (math $given + 1)\n"
	     "\t\t\t\tend\n"
	     "\t\tend\n"
	     "\tend\n"
	     "\tprintf '%s\\n' $verb $given\n"
	     "end\n"
	     "function __sftoken_in # whether the command is one of these\n"
	     "\tset -l at (__sftoken_at)\n"
	     "\tcontains -- $at[1] $argv\n"
	     "end\n"
	     "function __sftoken_first # the same, and its first word is not there yet\n"
	     "\tset -l at (__sftoken_at)\n"
	     "\tcontains -- $at[1] $argv; and test $at[2] = 0\n"
	     "end\n"
	     "function __sftoken_ours\n"
	     "\tset -l at (__sftoken_at)\n"
	     "\tnot string match -q '.?*' -- $at[1]\n"
	     "end\n"
	     "function __sftoken_rest # what the command would complete itself\n"
	     "\tset -l at (__sftoken_at)\n"
	     "\tcomplete -C (string join -- ' ' (string escape -- $at[2..-1]) (commandline -ct))\n"
	     "end\n"
	     "complete -c sftoken -f\n"
	     "complete -c sftoken -n '__sftoken_in .exec .curl' -a '(__sftoken_rest)'\n"
	     "complete -c sftoken -n '__sftoken_in .' -l version -d 'print the version'\n";

static void print_fish_option(const struct option *o, const struct command *c)
{
	const char *list = option_choices(o->name);

	printf("complete -c sftoken");
	if (c)
		printf(" -n '__sftoken_in %s'", c->name);
	else
		printf(" -n __sftoken_ours");
	printf(" -l %s", o->name + 2);
	if (list)
		printf(" -x -a '%s'", list);
	else if (takes_file(o->name))
		printf(" -r -F");
	else if (option_value(o->name))
		printf(" -x");
	printf(" -d '");
	print_text(option_meaning(o->name) ? option_meaning(o->name) : "", false);
	puts("'");
}

static void print_fish(void)
{
	fputs(fish_begin, stdout);
	print_options_with_value(" ");
	fputs(fish_loop, stdout);
	for (size_t i = 0; i < n_cli_options; i++)
		if (!cli_options[i].id && strncmp(cli_options[i].name, "--", 2) == 0)
			print_fish_option(&cli_options[i], NULL);
	for (size_t i = 0; i < n_commands; i++) {
		printf("complete -c sftoken -n '__sftoken_in .' -a %s -d '", commands[i].name);
		print_text(commands[i].help, false);
		puts("'");
		for (size_t k = 0; k < n_cli_options; k++)
			if (cli_options[k].id && option_fits(&cli_options[k], &commands[i]))
				print_fish_option(&cli_options[k], &commands[i]);
	}
	printf("complete -c sftoken -n '__sftoken_first ");
	print_takers(" ");
	puts("' -a '(__sftoken_names)'\n"
	     "complete -c sftoken -n '__sftoken_first completion' -a 'bash zsh fish'\n"
	     "complete -c sftoken -n '__sftoken_first check' -a '(__fish_complete_directories)'");
	printf("complete -c sftoken -n '__sftoken_first help' -a '");
	print_commands();
	puts("'");
}

/* --- the command --- */

static void print_name(const char *name, void *arg)
{
	char why[REASON_SIZE];

	(void)arg;
	if (check_name(name, why)) /* shells expand what is printed here */
		puts(name);
}

int cmd_completion(struct cli *cli)
{
	const char *shell = cli->rest ? cli->rest[0] : "";

	if (strcmp(shell, "names") == 0) {
		if (json_find())
			credential_each(cli, print_name, NULL);
	} else if (strcmp(shell, "bash") == 0) {
		print_bash();
	} else if (strcmp(shell, "zsh") == 0) {
		print_zsh();
	} else if (strcmp(shell, "fish") == 0) {
		print_fish();
	} else {
		return complain(EXIT_STATUS_USAGE,
				"completion takes the name of a shell: bash, zsh or fish");
	}
	return finish_output();
}

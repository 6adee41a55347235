import { RunscError, shorten } from "../../container/error.ts";
import { writeAll } from "../../container/log.ts";
import type { Invocation } from "../command.ts";
import { COMMANDS } from "../commands.ts";
import type { FlagDeclarations } from "../flags.ts";
import { GLOBAL_FLAGS } from "../global_flags.ts";

/** Commands whose first argument is the id of a container that there is. */
const TAKE_ID = new Set(
  ["start", "state", "kill", "delete", "exec", "ps", "pause", "resume", "wait", "events", "update"],
);

interface Flag {
  /** With its dashes. */
  names: string[];
  takesValue: boolean;
  choices: readonly string[];
  description: string;
}

function flagsOf(declarations: FlagDeclarations): Flag[] {
  return Object.entries(declarations).filter(([, flag]) => flag.hidden !== true)
    .map(([name, flag]) => ({
      names: flag.alias === undefined ? [`--${name}`] : [`--${name}`, `-${flag.alias}`],
      takesValue: flag.kind !== "switch",
      choices: flag.choices ?? [],
      description: flag.description,
    }));
}

const shown = () => [...COMMANDS].filter(([, command]) => command.hidden !== true);

/** Text between single quotes, for every shell. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function wordsOf(flags: readonly Flag[]): string {
  return flags.flatMap(({ names }) => names).join(" ");
}

/** Cases of a shell that give the choices of flags, or files, for flags that take a value. */
function valueCases(flags: readonly Flag[]): string {
  return flags.filter(({ takesValue }) => takesValue).map(({ names, choices }) => {
    const action = choices.length > 0
      ? `COMPREPLY=($(compgen -W "${choices.join(" ")}" -- "$word"))`
      : `COMPREPLY=($(compgen -f -- "$word"))`;
    return `      ${names.join("|")}) ${action}; return ;;\n`;
  }).join("");
}

function bash(): string {
  const globals = flagsOf(GLOBAL_FLAGS);
  const valued = globals.filter(({ takesValue }) => takesValue).flatMap(({ names }) => names);
  const commands = shown().map(([name, command]) => {
    const flags = flagsOf(command.flags);
    const cases = valueCases(flags);
    const values = cases === "" ? "" : `      case "$before" in\n${cases}      esac\n`;
    const words = TAKE_ID.has(name)
      ? `$($1 list --quiet 2>/dev/null)`
      : name === "help"
      ? shown().map(([each]) => each).join(" ")
      : name === "completion"
      ? SHELLS.join(" ")
      : "";
    return `    ${name})
${values}      if [[ $word == -* ]]; then COMPREPLY=($(compgen -W "${wordsOf(flags)}" -- "$word"))
      else COMPREPLY=($(compgen -W "${words}" -- "$word")); fi ;;
`;
  }).join("");
  return `# Completion of runsc for bash: source <(runsc completion bash)
_runsc() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]} command='' i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${COMP_WORDS[i]}" in
      ${valued.join("|")}) ((i++)) ;;
      -*) ;;
      *) command=\${COMP_WORDS[i]}; break ;;
    esac
  done
  case "$command" in
    '')
      case "$before" in
${valueCases(globals)}      esac
      if [[ $word == -* ]]; then COMPREPLY=($(compgen -W "${wordsOf(globals)}" -- "$word"))
      else COMPREPLY=($(compgen -W "${shown().map(([name]) => name).join(" ")}" -- "$word")); fi ;;
${commands}  esac
}
complete -o default -F _runsc runsc
`;
}

function zshFlags(flags: readonly Flag[]): string {
  return flags.map(({ names, takesValue, choices, description }) => {
    const text = description.replace(/[[\]:]/g, "\\$&");
    const value = !takesValue
      ? ""
      : choices.length > 0
      ? `:value:(${choices.join(" ")})`
      : ":value:_files";
    return names.map((name) => ` ${quote(`${name}[${text}]${value}`)}`).join("");
  }).join("");
}

function zsh(): string {
  const commands = shown().map(([name, { summary }]) => quote(`${name}:${summary}`)).join(" ");
  const cases = shown().map(([name, command]) => {
    const rest = TAKE_ID.has(name) ? " '1:container:_runsc_ids'" : "";
    return `      ${name}) _arguments${
      zshFlags(flagsOf(command.flags))
    }${rest} '*:file:_files' ;;\n`;
  }).join("");
  return `#compdef runsc
# Completion of runsc for zsh: a file _runsc in a directory of $fpath, or source <(runsc completion zsh)
_runsc_ids() { compadd -- $(runsc list --quiet 2>/dev/null) }
_runsc() {
  local state line
  _arguments -C${zshFlags(flagsOf(GLOBAL_FLAGS))} '1:command:->command' '*::argument:->argument'
  case $state in
    command) local -a commands=(${commands}); _describe command commands ;;
    argument) case $line[1] in
${cases}    esac ;;
  esac
}
compdef _runsc runsc
`;
}

function fishFlags(flags: readonly Flag[], condition: string): string {
  return flags.map(({ names, takesValue, choices, description }) => {
    const long = names[0].slice(2);
    const short = names.length > 1 ? ` -s ${names[1].slice(1)}` : "";
    const value = !takesValue
      ? ""
      : choices.length > 0
      ? ` -x -a ${quote(choices.join(" "))}`
      : " -r";
    return `complete -c runsc -n ${quote(condition)} -l ${long}${short}${value} -d ${
      quote(description)
    }\n`;
  }).join("");
}

function fish(): string {
  const none = "__fish_use_subcommand";
  const lines = shown().map(([name, command]) => {
    const seen = `__fish_seen_subcommand_from ${name}`;
    const ids = TAKE_ID.has(name)
      ? `complete -c runsc -n ${quote(seen)} -f -a '(runsc list --quiet 2>/dev/null)'\n`
      : "";
    return `complete -c runsc -n ${quote(none)} -f -a ${name} -d ${quote(command.summary)}\n` +
      fishFlags(flagsOf(command.flags), seen) + ids;
  }).join("");
  return `# Completion of runsc for fish: runsc completion fish | source\n` +
    fishFlags(flagsOf(GLOBAL_FLAGS), none) + lines;
}

const SHELLS = ["bash", "zsh", "fish"];

/** The command `completion`: prints what has a shell complete command lines, made of the declarations of flags. */
export function runCompletion({ args }: Invocation<Record<string, never>>): Promise<number> {
  const make = new Map([["bash", bash], ["zsh", zsh], ["fish", fish]]).get(args[0]);
  if (make === undefined) {
    const on = JSON.stringify(shorten(args[0], 40));
    throw new RunscError({ what: "unknown shell", on, hint: `known are ${SHELLS.join(", ")}` });
  }
  writeAll(Deno.stdout, make());
  return Promise.resolve(0);
}

//! `completion`: scripts for shells, and the words that kubectl asks for.

use clap::{Args, Command, CommandFactory as _, ValueEnum};
use clap_complete::{Shell, generate};

use crate::Verdict;
use crate::args::Cli;
use crate::output::Output;

/// kubectl runs the program of this name, found in PATH, to complete `kubectl leadgate`.
const KUBECTL: &str = "#!/bin/sh\n# Completes `kubectl leadgate`: save it as kubectl_complete-leadgate in a directory of PATH, executable.\nexec kubectl-leadgate __complete -- \"$@\"\n";

#[derive(Debug, Args)]
pub(crate) struct Completion {
    /// Shell, or kubectl for the script kubectl_complete-leadgate, which completes `kubectl leadgate` in every shell.
    #[arg(value_enum)]
    shell: Target,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Target {
    Bash,
    Zsh,
    Fish,
    Kubectl,
}

#[derive(Debug, Args)]
pub(crate) struct Complete {
    /// What was typed; the last word is to be completed.
    #[arg(last = true)]
    words: Vec<String>,
}

pub(crate) fn print(output: Output, command: &Completion) -> anyhow::Result<Verdict> {
    let shell = match command.shell {
        Target::Bash => Shell::Bash,
        Target::Zsh => Shell::Zsh,
        Target::Fish => Shell::Fish,
        Target::Kubectl => {
            output.line(KUBECTL.trim_end())?;
            return Ok(Verdict::Fine);
        }
    };
    let mut script = Vec::new();
    generate(
        shell,
        &mut Cli::command().bin_name("kubectl-leadgate"),
        "kubectl-leadgate",
        &mut script,
    );
    output.line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Verdict::Fine)
}

/// Prints the words that fit, and after `:` what the shell does besides: 4 nothing, 0 it completes names of files. It is
/// the form of kubectl's plugins (cobra's ShellCompDirective).
pub(crate) fn complete(output: Output, command: &Complete) -> anyhow::Result<Verdict> {
    let found = candidates(&command.words);
    for (word, about) in &found {
        output.line(&format!("{word}\t{about}"))?;
    }
    output.line(if found.is_empty() { ":0" } else { ":4" })?;
    Ok(Verdict::Fine)
}

/// Pure: the words that the last one may become.
fn candidates(words: &[String]) -> Vec<(String, String)> {
    let mut root = Cli::command();
    root.build();
    let mut command: &Command = &root;
    let (last, before) = words
        .split_last()
        .map_or(("", words), |(last, before)| (last.as_str(), before));
    for word in before {
        if let Some(found) = command.find_subcommand(word) {
            command = found;
        }
    }
    let about = |text: Option<&clap::builder::StyledStr>| text.map(ToString::to_string).unwrap_or_default();
    let option = |text: &str| {
        let name = text.trim_start_matches('-');
        command.get_arguments().find(|arg| {
            text.starts_with('-')
                && (arg.get_long() == Some(name)
                    || arg.get_short().is_some_and(|short| name == short.to_string()))
        })
    };
    let takes = before
        .last()
        .and_then(|word| option(word))
        .filter(|arg| arg.get_action().takes_values());
    let mut found: Vec<(String, String)> = if let Some(arg) = takes {
        let values = arg.get_possible_values().into_iter();
        values
            .map(|value| (value.get_name().to_owned(), about(value.get_help())))
            .collect()
    } else if last.starts_with('-') {
        let long = command.get_arguments().filter(|arg| !arg.is_hide_set());
        long.filter_map(|arg| Some((format!("--{}", arg.get_long()?), about(arg.get_help()))))
            .collect()
    } else {
        let own = command.get_subcommands().filter(|command| !command.is_hide_set());
        let own = own.map(|command| (command.get_name().to_owned(), about(command.get_about())));
        let values = command.get_positionals().flat_map(clap::Arg::get_possible_values);
        own.chain(values.map(|value| (value.get_name().to_owned(), about(value.get_help()))))
            .collect()
    };
    found.retain(|(word, _)| word.starts_with(last));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubectl_is_told_what_fits() {
        let words = |typed: &[&str]| -> Vec<String> {
            let typed: Vec<String> = typed.iter().map(ToString::to_string).collect();
            candidates(&typed).into_iter().map(|(word, _)| word).collect()
        };
        assert_eq!(words(&["lea"]), ["leads"]);
        assert_eq!(words(&["leads", "re"]), ["replay", "resolve"]);
        assert_eq!(words(&["leads", "list", "--set", "d"]), ["dead", "delivered"]);
        assert_eq!(words(&["-o", "j"]), ["json"]);
        assert_eq!(words(&["sinks", "pause", "--f"]), ["--for"]);
        assert_eq!(words(&["completion", "k"]), ["kubectl"]);
        assert!(words(&["try", "web", ""]).is_empty());
        assert!(!words(&[""]).contains(&"__complete".to_owned()));
    }
}

//! Flags from clap, metrics from the registry.

use std::fmt::Write as _;

use clap::CommandFactory as _;
use leadgate_receiver::cli::Program;
use leadgate_receiver::crm::{hubspot, salesforce};
use leadgate_receiver::metrics::Metrics;
use leadgate_receiver::outcomes::{DeliveryOutcome, RequestOutcome};

use super::{cell, part_in_step};

// One test: both write the same file.
#[test]
fn flags_and_metrics_are_described_as_they_are() {
    part_in_step("docs/operations.md", "flags", &flags());
    part_in_step("docs/operations.md", "metrics", &metrics());
    let requests = RequestOutcome::ALL.iter();
    let requests = outcomes(requests.map(|outcome| (outcome.as_str(), outcome.meaning())));
    part_in_step("docs/operations.md", "request outcomes", &requests);
    let deliveries = DeliveryOutcome::ALL.iter();
    let deliveries = outcomes(deliveries.map(|outcome| (outcome.as_str(), outcome.meaning())));
    part_in_step("docs/operations.md", "delivery outcomes", &deliveries);
}

#[test]
fn the_standard_properties_of_a_crm_are_listed() {
    for (file, properties) in [
        ("docs/crms/hubspot.md", hubspot::STANDARD_PROPERTIES),
        ("docs/crms/salesforce.md", salesforce::STANDARD_PROPERTIES),
    ] {
        let mut table = String::from("| Property | Default |\n|---|---|\n");
        for (name, source) in properties {
            writeln!(table, "| `{name}` | `{source}` |").unwrap();
        }
        part_in_step(file, "properties", &table);
    }
}

fn outcomes(all: impl Iterator<Item = (&'static str, &'static str)>) -> String {
    let mut table = String::from("| `outcome` | Meaning |\n|---|---|\n");
    for (word, meaning) in all {
        writeln!(table, "| `{word}` | {} |", cell(meaning)).unwrap();
    }
    table
}

fn flags() -> String {
    let mut table = String::from("| Flag | Variable | Default | Meaning |\n|---|---|---|---|\n");
    let program = Program::command();
    for argument in program.find_subcommand("run").unwrap().get_arguments() {
        let Some(long) = argument
            .get_long()
            .filter(|long| *long != "help" && *long != "version")
        else {
            continue;
        };
        let words: Vec<String> = argument
            .get_possible_values()
            .iter()
            .map(|value| value.get_name().to_owned())
            .collect();
        let value = match argument.get_value_names() {
            _ if !argument.get_action().takes_values() => String::new(),
            _ if !words.is_empty() => format!(" {}", words.join("\\|")),
            names => format!(" {}", names.unwrap_or_default().join(" ")),
        };
        let variable = argument
            .get_env()
            .map_or("–".to_owned(), |name| format!("`{}`", name.to_string_lossy()));
        let default = match argument.get_default_values() {
            [] if argument.is_required_set() => "required".to_owned(),
            [first, ..] if argument.get_action().takes_values() => format!("`{}`", first.to_string_lossy()),
            _ => "–".to_owned(),
        };
        let help = cell(&argument.get_help().unwrap().to_string());
        writeln!(table, "| `--{long}{value}` | {variable} | {default} | {help} |").unwrap();
    }
    table
}

fn metrics() -> String {
    let text = Metrics::examples().encode(false).unwrap();
    let mut table = String::from("| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n");
    for line in text.lines() {
        let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) else {
            continue;
        };
        let kind = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("# TYPE {name} ")))
            .unwrap();
        let shown = if kind == "counter" {
            format!("{name}_total")
        } else {
            name.to_owned()
        };
        let sample = text
            .lines()
            .find(|line| !line.starts_with('#') && line.starts_with(name))
            .unwrap_or_else(|| panic!("{name} is not written"));
        let labels: Vec<String> = sample
            .split_once('{')
            .and_then(|(_, rest)| rest.split_once('}'))
            .map_or("", |(labels, _)| labels)
            .split(',')
            .filter_map(|label| label.split_once('=').map(|(name, _)| name))
            .filter(|name| *name != "le")
            .map(|name| format!("`{name}`"))
            .collect();
        writeln!(
            table,
            "| `{shown}` | {kind} | {} | {} |",
            labels.join(", "),
            cell(help.trim_end_matches('.'))
        )
        .unwrap();
    }
    table
}

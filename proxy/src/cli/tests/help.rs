use clap::CommandFactory;

use super::super::Cli;

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_ends_with_three_examples() {
    let help = |mut command: clap::Command| command.render_long_help().to_string();
    let mut all = vec![help(Cli::command())];
    all.extend(Cli::command().get_subcommands().cloned().map(help));
    assert_eq!(all.len(), 5);
    for text in all {
        let (_, examples) = text.split_once("Examples:").unwrap_or_else(|| panic!("no examples: {text}"));
        let commands = examples.lines().filter(|line| line.starts_with("  ") && line.contains("sluice "));
        assert!(commands.count() >= 3, "{examples}");
    }
}

#[test]
fn every_setting_has_a_variable_and_tells_its_default() {
    let command = Cli::command();
    let run = command.find_subcommand("run").unwrap();
    for key in super::super::Overrides::keys() {
        let arg = run.get_arguments().find(|arg| arg.get_long() == Some(&key)).unwrap();
        let variable = format!("SLUICE_{}", key.to_uppercase().replace('-', "_"));
        assert_eq!(arg.get_env().unwrap().to_str(), Some(variable.as_str()));
        assert!(arg.get_help().unwrap().to_string().contains("[default: "), "{key}");
    }
}

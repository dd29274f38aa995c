//! From a [`Verb`] to flags, and from flags to a call and what is shown of it.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Read as _};
use std::process::ExitCode;

use bytes::Bytes;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use http::Method;
use linchpin::context::Context;
use linchpin::{Error, Kind as Fault};
use serde_json::value::{RawValue, to_raw_value};

use super::call::{Api, Call, Failure};
use super::nouns::NOUNS;
use super::output::{Format, Page, parsed};
use super::verb::{Column, Input, Kind, Noun, Shape, To, Verb};
use super::{settings, tail, wait};

/// Every noun as a command.
pub(super) fn commands() -> impl Iterator<Item = Command> {
    NOUNS.iter().map(|noun| {
        Command::new(noun.name)
            .about(noun.about)
            .subcommand_required(true)
            .arg_required_else_help(true)
            .subcommands(noun.verbs.iter().map(command))
    })
}

/// The verb of `name` and the words below it.
pub(super) fn find(name: &str, matches: &ArgMatches) -> Option<(&'static Verb, ArgMatches)> {
    let noun: &Noun = NOUNS.iter().find(|noun| noun.name == name)?;
    let (verb, matches) = matches.subcommand()?;
    Some((noun.verbs.iter().find(|one| one.name == verb)?, matches.clone()))
}

/// Method and path of every route of the API that has a command.
pub fn routes() -> impl Iterator<Item = (Method, &'static str)> {
    let verbs = NOUNS.iter().flat_map(|noun| noun.verbs);
    verbs.filter(|verb| !verb.admin).map(|verb| (verb.method.clone(), verb.path))
}

fn command(verb: &'static Verb) -> Command {
    let places = verb.places().map(|place| {
        let name = place.trim_end_matches("_id").trim_end_matches("_name");
        let value = name.to_uppercase().replace('_', "-");
        Arg::new(place).value_name(value).required(true).help(named_by(verb, place))
    });
    let inputs = verb.inputs.iter().filter_map(flag);
    let mut command = Command::new(verb.name).about(verb.about).args(places).args(inputs);
    if matches!(verb.shape, Shape::Pages(_)) {
        command = command.args([
            Arg::new("limit").long("limit").value_name("NUMBER").help("So many, 1 to 250"),
            Arg::new("iterator")
                .long("iterator")
                // One that leads back begins with it.
                .allow_hyphen_values(true)
                .help("Where to go on: the `iterator` of a page, or its `prevIterator` to go back"),
            switch("all", "Every page").conflicts_with("iterator"),
        ]);
    }
    if verb.has_body() {
        command = command.arg(
            Arg::new("data")
                .long("data")
                .value_name("JSON")
                .help("More members of the body: an object, @FILE, or - for the standard input"),
        );
    }
    if verb.can_wait() {
        command = command.arg(switch("wait", "Wait for its end; exit with 1 if it failed"));
    }
    if verb.asks() {
        command = command.arg(switch("yes", "Do not ask"));
    }
    if verb.method == Method::POST && !verb.admin {
        command = command.arg(
            Arg::new("idempotency-key").long("idempotency-key").value_name("TEXT").help(
                "What it is known by: once more with it within a day, it is not done again [default: one of its own]",
            ),
        );
    }
    command.args(settings::client(verb.admin)).arg(output())
}

/// By what a place of a path is named.
fn named_by(verb: &Verb, place: &str) -> &'static str {
    match place {
        "app_id" => "The application: its id or uid",
        "endpoint_id" if verb.admin => {
            "The endpoint: its id, ep_...; `relay endpoint get` shows it"
        }
        "endpoint_id" => "The endpoint: its id or uid",
        "msg_id" => "The message: its id or the one you gave it",
        "attempt_id" => "The attempt: its id",
        "event_type_name" => "The event type: its name",
        "task_id" => "The task: its id",
        _ => "",
    }
}

/// The flag that says how an answer is shown.
pub(super) fn output() -> Arg {
    Arg::new("output")
        .long("output")
        .value_name("FORMAT")
        .short('o')
        .value_parser(value_parser!(Format))
        .help("How to show it [default: table on a terminal, else json]")
}

/// How an answer is shown.
pub(super) fn format(matches: &ArgMatches) -> Format {
    matches.get_one("output").copied().unwrap_or_else(Format::fitting)
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

fn flag(input: &'static Input) -> Option<Arg> {
    let flag = Arg::new(input.name).help(input.help);
    Some(match input.kind {
        Kind::Always(_) => return None,
        _ if input.is_argument() => flag.required(true),
        Kind::Switch => switch(input.name, input.help),
        Kind::Text => flag.long(input.name).value_name("TEXT"),
        Kind::Texts => flag.long(input.name).value_name("LIST"),
        Kind::Number => flag.long(input.name).value_name("NUMBER"),
        Kind::Bool => {
            flag.long(input.name).value_name("BOOL").help(format!("{}: true or false", input.help))
        }
        Kind::Json => flag.long(input.name).value_name("JSON"),
        Kind::File | Kind::TextFile => flag.long(input.name).value_name("FILE"),
    })
}

/// Does what `verb` says.
pub(super) async fn run(verb: &'static Verb, matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let ctx = Context::root();
    let format = format(matches);
    let call = call(verb, matches)?;
    confirm(verb, matches)?;
    let api = settings::target(verb.admin, matches)?;
    match verb.shape {
        Shape::Pages(columns) => pages(&ctx, &api, call, format, columns, matches).await?,
        Shape::Whole(columns) => {
            let body = api.ask(&ctx, &call).await?;
            match format {
                Format::Json => format.one(&body)?,
                _ => format.many(&parsed::<Page>(&body)?.data, columns)?,
            }
        }
        Shape::One => format.one(&api.ask(&ctx, &call).await?)?,
        Shape::Events => tail::run(&ctx, &api, &call, format).await?,
        Shape::Awaited => return wait::for_task(&ctx, &api, call, format).await,
        Shape::Task | Shape::Sent => {
            let begun = api.ask(&ctx, &call).await?;
            let waits = matches.get_flag("wait");
            if matches!(verb.shape, Shape::Sent) || !waits {
                format.one(&begun)?;
            }
            if waits {
                let next = wait::on(verb.shape, matches, &begun)?;
                return match verb.shape {
                    Shape::Sent => wait::for_message(&ctx, &api, next).await,
                    _ => wait::for_task(&ctx, &api, next, format).await,
                };
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows the page that is asked for, or each of them.
async fn pages(
    ctx: &Context,
    api: &Api,
    mut call: Call,
    format: Format,
    columns: &[Column],
    matches: &ArgMatches,
) -> Result<(), Failure> {
    let all = matches.get_flag("all");
    for name in ["limit", "iterator"] {
        if let Some(text) = matches.get_one::<String>(name) {
            call.query.push((name.to_owned(), text.clone()));
        }
    }
    let asked = call.query.clone();
    let mut items = Vec::new();
    loop {
        let body = api.ask(ctx, &call).await?;
        if !all && format == Format::Json {
            return format.one(&body);
        }
        let page: Page = parsed(&body)?;
        items.extend(page.data);
        let next = page.iterator.filter(|_| all && !page.done);
        if format == Format::Ndjson || next.is_none() {
            format.many(&items, columns)?;
            items.clear();
        }
        let Some(next) = next else { return Ok(()) };
        call.query.clone_from(&asked);
        call.query.push(("iterator".to_owned(), next));
    }
}

/// The call that the words ask for.
fn call(verb: &'static Verb, matches: &ArgMatches) -> linchpin::Result<Call> {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let base = if verb.admin { "" } else { "/api/v1" };
    let segments = base.split('/').chain(verb.path.split('/')).filter(|part| !part.is_empty());
    let place = |part: &str| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
        Some(place) => text(place).unwrap_or_default(),
        None => part.to_owned(),
    };
    let mut query = Vec::new();
    let data = if verb.has_body() { text("data") } else { None };
    let mut body = data.map_or_else(|| Ok(BTreeMap::new()), |data| members(&data))?;
    for input in verb.inputs {
        let Some(given) = given(input, matches) else { continue };
        match input.to {
            To::Query(key) => query.push((key.to_owned(), given)),
            To::Body(member) => drop(body.insert(member.to_owned(), json(input, &given)?)),
        }
    }
    let body = verb
        .has_body()
        .then(|| Bytes::from(serde_json::to_vec(&body).expect("texts and JSON are JSON")));
    let segments = segments.map(place).collect();
    // Unknown to commands that have none.
    let key = matches.try_get_one::<String>("idempotency-key").ok().flatten().cloned();
    Ok(Call { method: verb.method.clone(), segments, query, body, key })
}

fn given(input: &Input, matches: &ArgMatches) -> Option<String> {
    match input.kind {
        Kind::Always(json) => Some(json.to_owned()),
        Kind::Switch => matches.get_flag(input.name).then(|| "true".to_owned()),
        _ => matches.get_one::<String>(input.name).cloned(),
    }
}

/// What was given, as a member of a body.
fn json(input: &Input, given: &str) -> linchpin::Result<Box<RawValue>> {
    let texts = |text: &str| text.split(',').map(|one| one.trim().to_owned()).collect::<Vec<_>>();
    match input.kind {
        Kind::Text => Ok(to_raw_value(given).expect("a text is JSON")),
        Kind::Texts => Ok(to_raw_value(&texts(given)).expect("texts are JSON")),
        Kind::Json | Kind::Switch | Kind::Always(_) => raw(&flag_of(input), given.to_owned()),
        Kind::Number if given == "null" || given.parse::<i64>().is_ok() => {
            raw(&flag_of(input), given.to_owned())
        }
        Kind::Number => Err(wrong(input, given, "is no whole number")),
        Kind::Bool if matches!(given, "true" | "false") => raw(&flag_of(input), given.to_owned()),
        Kind::Bool => Err(wrong(input, given, "is neither true nor false")),
        Kind::File if given == "-" => raw("the standard input", read(given)?),
        Kind::File => raw(given, read(given)?),
        Kind::TextFile => Ok(to_raw_value(&read(given)?).expect("a text is JSON")),
    }
}

/// What a user calls it.
fn flag_of(input: &Input) -> String {
    if input.is_argument() { input.name.to_owned() } else { format!("--{}", input.name) }
}

fn wrong(input: &Input, given: &str, why: &str) -> Error {
    Error::new(Fault::InvalidArgument, format!("{}: `{given}` {why}", flag_of(input)))
}

/// The members of `--data`.
fn members(data: &str) -> linchpin::Result<BTreeMap<String, Box<RawValue>>> {
    let text = match data.strip_prefix('@') {
        Some(path) => read(path)?,
        None if data == "-" => read(data)?,
        None => data.to_owned(),
    };
    serde_json::from_str(&text).map_err(|fault| {
        Error::new(Fault::InvalidArgument, fault).context("--data is no JSON object")
    })
}

fn raw(what: &str, text: String) -> linchpin::Result<Box<RawValue>> {
    RawValue::from_string(text).map_err(|fault| {
        Error::new(Fault::InvalidArgument, fault).context(format!("{what} is no JSON"))
    })
}

fn read(path: &str) -> linchpin::Result<String> {
    let mut text = String::new();
    let done = match path {
        "-" => std::io::stdin().read_to_string(&mut text).map(drop),
        path => std::fs::read_to_string(path).map(|all| text = all),
    };
    done.map(|()| text).map_err(|fault| {
        Error::new(Fault::InvalidArgument, fault).context(format!("cannot read {path}"))
    })
}

/// Has a person agree before something is gone for good.
fn confirm(verb: &Verb, matches: &ArgMatches) -> linchpin::Result<()> {
    if !verb.asks() || matches.get_flag("yes") {
        return Ok(());
    }
    let refused = |why: &str| Err(Error::new(Fault::InvalidArgument, why.to_owned()));
    if !std::io::stdin().is_terminal() {
        return refused("nobody can be asked: give --yes");
    }
    let arguments = verb.inputs.iter().filter(|one| one.is_argument()).map(|one| one.name);
    let named = verb.places().chain(arguments).filter_map(|name| matches.get_one::<String>(name));
    let named = named.map(String::as_str).collect::<Vec<_>>().join(" ");
    eprint!("{}: {named}? [y/N] ", verb.about);
    let mut answer = String::new();
    match std::io::stdin().read_line(&mut answer) {
        Ok(_) if answer.trim().eq_ignore_ascii_case("y") => Ok(()),
        _ => refused("nothing was done"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[linchpin_testing::test]
    fn everything_that_may_be_given_says_what_it_is() {
        for noun in NOUNS {
            for verb in noun.verbs {
                for argument in command(verb).get_arguments() {
                    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
                    let name = argument.get_id();
                    assert!(!help.is_empty(), "{} {}: {name}", noun.name, verb.name);
                }
            }
        }
    }

    /// What one may give for it.
    fn sample(input: &Input) -> &'static str {
        match input.kind {
            Kind::File | Kind::TextFile => "/dev/null",
            Kind::Json => "{}",
            Kind::Number => "7",
            Kind::Bool => "true",
            _ => input.name,
        }
    }

    #[linchpin_testing::test]
    fn every_command_is_understood_and_names_its_whole_path() {
        for noun in NOUNS {
            for verb in noun.verbs {
                let given = verb
                    .places()
                    .chain(verb.inputs.iter().filter(|one| one.is_argument()).map(sample));
                let words = given.collect::<Vec<_>>();
                let matches = command(verb)
                    .no_binary_name(true)
                    .try_get_matches_from(words)
                    .unwrap_or_else(|fault| panic!("{} {}: {fault}", noun.name, verb.name));
                match call(verb, &matches) {
                    Ok(call) => {
                        let path = call.segments.join("/");
                        let route = verb.path.replace(['{', '}'], "");
                        assert!(format!("/{path}").ends_with(&route), "{path} for {route}");
                    }
                    Err(error) => {
                        assert!(error.report().to_string().contains("/dev/null"), "{error}");
                    }
                }
            }
        }
    }
}

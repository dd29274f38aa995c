//! The attribute of `linchpin_testing`, which re-exports it and says what it does. Use it from there.

#![forbid(unsafe_code)]

use proc_macro::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};

/// Runs a test, async or not, and fails it if a task of it is left: see `linchpin_testing::harness`.
#[proc_macro_attribute]
pub fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    match expand(options, item) {
        Ok(test) => test,
        Err(Fault { text, at }) => tokens(&format!("::core::compile_error!({text:?});"))
            .into_iter()
            .map(|token| spanned(token, at))
            .collect(),
    }
}

/// What is wrong with the use of the attribute, and where.
struct Fault {
    text: &'static str,
    at: Span,
}

/// The parts of a function.
#[derive(Default)]
struct Function {
    /// Attributes that are the test's and not the function's, such as `#[should_panic]`.
    outer: Vec<TokenTree>,
    /// All other attributes, `async fn name() -> T`, and the body.
    whole: Vec<TokenTree>,
    is_async: bool,
    name: Option<Ident>,
    /// From the arguments to the body.
    output: Vec<TokenTree>,
}

/// `#[test] fn name() -> T { async fn name() -> T { .. } harness::run(options, name()) }`: the function itself stays as
/// it was written, so that the compiler's messages point into it.
fn expand(options: TokenStream, item: TokenStream) -> Result<TokenStream, Fault> {
    let function = Function::read(item)?;
    let Some(name) = function.name else {
        return Err(Fault { text: "a test is a function", at: Span::call_site() });
    };
    let options = setters(options)?;
    let call = if function.is_async { "run" } else { "run_sync" };
    let argument = if function.is_async { format!("{name}()") } else { name.to_string() };
    let call = tokens(&format!(
        "::linchpin_testing::harness::{call}(::linchpin_testing::harness::Options::default(){options}, {argument})"
    ));
    let body = function.whole.into_iter().chain(call).collect();
    let mut test = tokens("#[::core::prelude::v1::test]");
    test.extend(function.outer);
    test.extend([TokenTree::Ident(Ident::new("fn", name.span())), TokenTree::Ident(name)]);
    test.extend(function.output);
    test.extend([TokenTree::Group(Group::new(Delimiter::Brace, body))]);
    Ok(test)
}

impl Function {
    fn read(item: TokenStream) -> Result<Self, Fault> {
        let mut function = Self::default();
        let mut tokens = item.into_iter().peekable();
        let mut last = Span::call_site();
        while let Some(token) = tokens.next() {
            last = token.span();
            match (&token, &function.name) {
                (TokenTree::Punct(hash), None) if hash.as_char() == '#' => {
                    let attribute = tokens.next();
                    let outer = attribute.as_ref().is_some_and(is_the_tests);
                    let to = if outer { &mut function.outer } else { &mut function.whole };
                    to.extend([token].into_iter().chain(attribute));
                    continue;
                }
                (TokenTree::Ident(word), None) if word.to_string() == "async" => {
                    function.is_async = true;
                }
                (TokenTree::Ident(word), None) if word.to_string() == "fn" => {
                    function.whole.push(token);
                    let Some(TokenTree::Ident(name)) = tokens.next() else { break };
                    function.name = Some(name.clone());
                    function.whole.push(name.into());
                    continue;
                }
                (TokenTree::Group(body), Some(_))
                    if body.delimiter() == Delimiter::Brace && tokens.peek().is_none() =>
                {
                    function.whole.push(token);
                    return Ok(function);
                }
                (_, Some(_)) => function.output.push(token.clone()),
                (_, None) => {}
            }
            function.whole.push(token);
        }
        Err(Fault { text: "a test is a function with a body", at: last })
    }
}

/// Whether the harness of `cargo test` must see it.
fn is_the_tests(attribute: &TokenTree) -> bool {
    let TokenTree::Group(group) = attribute else { return false };
    let first = group.stream().into_iter().next().map(|name| name.to_string());
    matches!(first.as_deref(), Some("cfg" | "ignore" | "should_panic"))
}

/// `start_paused, threads = 2` as `.start_paused().threads(2)`.
fn setters(options: TokenStream) -> Result<String, Fault> {
    let mut setters = String::new();
    let mut tokens = options.into_iter();
    while let Some(token) = tokens.next() {
        let TokenTree::Ident(name) = &token else {
            return Err(Fault {
                text: "an option is a name, or a name = a value",
                at: token.span(),
            });
        };
        let value: String = match tokens.next() {
            Some(TokenTree::Punct(equals)) if equals.as_char() == '=' => tokens
                .by_ref()
                .take_while(|token| !is_comma(token))
                .map(|token| token.to_string())
                .collect(),
            Some(token) if !is_comma(&token) => {
                return Err(Fault { text: "options are separated by commas", at: token.span() });
            }
            _ => String::new(),
        };
        setters = format!("{setters}.{name}({value})");
    }
    Ok(setters)
}

fn is_comma(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',')
}

fn spanned(mut token: TokenTree, at: Span) -> TokenTree {
    token.set_span(at);
    token
}

fn tokens(text: &str) -> TokenStream {
    text.parse().expect("what is written here, and names out of the test, are tokens")
}

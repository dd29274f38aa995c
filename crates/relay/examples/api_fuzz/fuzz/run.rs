//! One run: what is there is made, every operation is tried, and what another organisation has is the same as before.

use std::cell::RefCell;
use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};
use serde_json::Value;

use super::cases::{Case, Cases, KINDS, Kind};
use super::document::{Document, Operation};
use super::grammar::Grammar;
use super::judge;
use super::known::{Known, Place};
use super::request::Request;
use super::wire::{Answer, Client};
use super::{Fault, Report, Settings, Target};

/// So many operations are tried at a time.
const AT_ONCE: usize = 6;
/// So many faults of one operation are enough.
const ENOUGH: usize = 5;
/// What stands in the texts of each organisation.
const OURS: &str = "this-is-ours";
const THEIRS: &str = "this-is-theirs";
const STRANGE: &str = "this-is-strange";

struct Run<'a> {
    target: &'a Target,
    settings: &'a Settings,
    document: Document,
    // One thread, and no borrow lives across a wait.
    ours: RefCell<Known>,
    theirs: RefCell<Known>,
    report: RefCell<Report>,
}

/// Who asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Who {
    Us,
    Them,
    /// For what is ours.
    Stranger,
}

/// Tries every operation that is asked for; `Err` says why it could not.
pub(crate) async fn run(target: &Target, settings: &Settings) -> Result<Report, String> {
    let run = Run {
        target,
        settings,
        document: document(target).await?,
        ours: RefCell::default(),
        theirs: RefCell::default(),
        report: RefCell::default(),
    };
    run.all().await?;
    Ok(run.report.into_inner())
}

async fn document(target: &Target) -> Result<Document, String> {
    let request = Request {
        method: "GET".to_owned(),
        target: "/api/v1/openapi.json".to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
    };
    let answer = Client::new(target.address).send(&request.bytes(), false).await?;
    Document::new(serde_json::from_slice(&answer.body).map_err(|fault| fault.to_string())?)
}

impl Run<'_> {
    async fn all(&self) -> Result<(), String> {
        let mut client = Client::new(self.target.address);
        let mut random = fastrand::Rng::with_seed(self.settings.seed);
        for who in [Who::Them, Who::Us] {
            for operation in &self.document.operations {
                self.furnish(who, &operation.path_names, &mut client, &mut random).await?;
            }
        }
        let before = self.shown().await?;
        let wanted = self.document.operations.iter();
        let mut wanted: Vec<_> =
            wanted.filter(|operation| operation.id.contains(&self.settings.operation)).collect();
        // What others need is not taken from them.
        wanted.sort_by_key(|operation| operation.method == "DELETE");
        let tried =
            stream::iter(wanted).map(|operation| self.try_out(operation)).buffer_unordered(AT_ONCE);
        tried.collect::<Vec<_>>().await.into_iter().collect::<Result<(), _>>()?;

        let after = self.shown().await?;
        for (path, was) in before {
            let is = after.get(&path).cloned().unwrap_or_default();
            if is != was {
                let what = format!("another organisation's `{path}` was {was} and is {is}");
                let (operation, kind) = ("all".to_owned(), "others".to_owned());
                self.report.borrow_mut().faults.push(Fault {
                    operation,
                    kind,
                    what,
                    curl: String::new(),
                });
            }
        }
        Ok(())
    }

    /// Makes what a path names, as far as there is nothing yet.
    async fn furnish(
        &self,
        who: Who,
        names: &[String],
        client: &mut Client,
        random: &mut fastrand::Rng,
    ) -> Result<(), String> {
        for (index, name) in names.iter().enumerate() {
            let place = self.known(who).borrow().place(names, random);
            if place.contains_key(name) {
                continue;
            }
            let above = names[..index].iter().filter_map(|name| place.get_key_value(name));
            let above: Place = above.map(|(name, value)| (name.clone(), value.clone())).collect();
            for teacher in self.document.teachers(name) {
                let case = self.case(who, teacher, |cases| cases.at(above.clone(), random));
                let answer = client.send(&case.request.bytes(), false).await?;
                self.learn(who, teacher, &case.place, &answer);
            }
        }
        Ok(())
    }

    async fn try_out(&self, operation: &Operation) -> Result<(), String> {
        let seed = operation
            .id
            .bytes()
            .fold(self.settings.seed, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
        let mut random = fastrand::Rng::with_seed(seed);
        let mut client = Client::new(self.target.address);
        let (mut last, mut faults) = (None, 0);
        for kind in KINDS.into_iter().cycle().take(self.settings.requests) {
            self.furnish(Who::Us, &operation.path_names, &mut client, &mut random).await?;
            let who = if kind == Kind::Stranger { Who::Stranger } else { Who::Us };
            let case = self.case(who, operation, |cases| cases.case(kind, &mut last, &mut random));
            let sent = client.send(&case.request.bytes(), case.request.method == "HEAD").await;
            let fault = match sent {
                Ok(answer) => self.answered(operation, &case, answer),
                Err(fault) => Some(fault),
            };
            let Some(what) = fault else { continue };
            let curl = case.request.curl(&self.target.base());
            let (operation, kind) = (operation.id.clone(), format!("{kind:?}"));
            self.report.borrow_mut().faults.push(Fault { operation, kind, what, curl });
            faults += 1;
            if faults == ENOUGH {
                break;
            }
        }
        Ok(())
    }

    /// Learns from an answer, and says what is wrong with it.
    fn answered(&self, operation: &Operation, case: &Case, mut answer: Answer) -> Option<String> {
        if let Some(plant) = self.settings.plant {
            plant.tamper(operation, &mut answer);
        }
        if !matches!(case.kind, Kind::Stranger | Kind::Method | Kind::Path) {
            self.learn(Who::Us, operation, &case.place, &answer);
        }
        let mut report = self.report.borrow_mut();
        report.slowest = report.slowest.max(answer.took);
        *report
            .answers
            .entry(operation.id.clone())
            .or_default()
            .entry(answer.status)
            .or_default() += 1;
        let foreign = if case.kind == Kind::Stranger { &[OURS, THEIRS][..] } else { &[THEIRS] };
        judge::fault(&self.document, operation, case, &answer, (self.settings.within, foreign))
    }

    fn learn(&self, who: Who, operation: &Operation, place: &Place, answer: &Answer) {
        if !(200..300).contains(&answer.status) {
            return;
        }
        if operation.method == "DELETE" {
            self.known(who).borrow_mut().forget(operation, place);
        } else if let Ok(body) = serde_json::from_slice(&answer.body) {
            self.known(who).borrow_mut().learn(&self.document, operation, place, &body);
        }
    }

    /// All that the other organisation has, as it sees it.
    async fn shown(&self) -> Result<BTreeMap<String, Value>, String> {
        let (mut client, mut shown) = (Client::new(self.target.address), BTreeMap::new());
        for operation in
            self.document.operations.iter().filter(|operation| self.document.shows_one(operation))
        {
            let Some((name, above)) = operation.path_names.split_last() else { continue };
            let all = self.theirs.borrow().all(name).to_vec();
            for (mut place, value) in all {
                place.insert(name.clone(), value);
                if above.iter().any(|name| !place.contains_key(name)) {
                    continue;
                }
                let mut random = fastrand::Rng::with_seed(0);
                let case = self.case(Who::Them, operation, |cases| cases.at(place, &mut random));
                let answer = client.send(&case.request.bytes(), false).await?;
                let body = serde_json::from_slice(&answer.body).unwrap_or_default();
                let (path, _) =
                    case.request.target.split_once('?').unwrap_or((&case.request.target, ""));
                shown.insert(path.to_owned(), body);
            }
        }
        Ok(shown)
    }

    fn case(&self, who: Who, operation: &Operation, make: impl FnOnce(&Cases<'_>) -> Case) -> Case {
        let (known, theirs) = (self.known(who).borrow(), self.theirs.borrow());
        let Target { tokens, receiver, .. } = self.target;
        let (token, mark) = match who {
            Who::Us => (&tokens.ours, OURS),
            Who::Them => (&tokens.theirs, THEIRS),
            Who::Stranger => (&tokens.stranger, STRANGE),
        };
        let grammar = Grammar { document: &self.document, known: &known, mark, receiver };
        let app_token = &tokens.app;
        make(&Cases { operation, token, app_token, known: &known, theirs: &theirs, grammar })
    }

    fn known(&self, who: Who) -> &RefCell<Known> {
        match who {
            Who::Us | Who::Stranger => &self.ours,
            Who::Them => &self.theirs,
        }
    }
}

//! An endpoint that comes and goes, every other time with an application of its own.
//!
//! A kill may come between any two steps, or within one: the next round goes on with the step whose answer did not come. A
//! creation comes again under its key, so that nothing is made twice.

use std::time::Duration;

use linchpin::time::{Instant, Timestamp};
use linchpin_security::webhook::Secret;
use serde_json::json;

use crate::Failure;
use crate::books::{Kind, Place, Sent};
use crate::secrets::{self, Secrets};
use crate::service::{Answer, Service};
use crate::world::World;

/// So far back a new endpoint gets what was sent before it came.
const MISSING: Duration = Duration::from_secs(1);
/// So many messages an application of its own gets.
const MESSAGES: u32 = 2;

/// Where it stands.
pub(crate) struct Guest {
    number: usize,
    secret: Secret,
    app: Option<String>,
    next: Step,
}

#[derive(Clone, Copy)]
enum Step {
    Application,
    Endpoint,
    Replay,
    Message(u32),
    Leave,
}

impl Guest {
    /// The one with this number, of which nothing is there yet.
    pub(crate) fn new(number: usize) -> Self {
        let next = if number.is_multiple_of(2) { Step::Application } else { Step::Endpoint };
        Self { number, secret: secrets::any(), app: None, next }
    }

    /// Makes the next step. `false` if nobody answered.
    pub(crate) async fn step(&mut self, service: &Service, world: &World) -> Result<bool, Failure> {
        let app = self.app.clone().unwrap_or_else(|| world.app.clone());
        let key = format!("guest.{}", self.number);
        let answer = match self.next {
            Step::Application => service.post("/app", Some(&key), r#"{"name":"Guest"}"#).await,
            Step::Endpoint => {
                world.receiver.judge(self.number, Secrets::new(&self.secret)?);
                let url = world.receiver.url(self.number);
                let body = json!({ "url": url, "secret": self.secret.expose() }).to_string();
                service.post(&format!("/app/{app}/endpoint"), Some(&key), &body).await
            }
            Step::Replay => {
                let id = world.place(self.number).id;
                let since = Timestamp::now() - MISSING;
                let body = json!({ "since": since.to_string() }).to_string();
                let path = format!("/app/{app}/endpoint/{id}/replay-missing");
                service.post(&path, None, &body).await
            }
            Step::Message(_) => return self.message(service, world, &app).await,
            Step::Leave => {
                let id = world.place(self.number).id;
                world.books().places.get_mut(&self.number).expect("made").is_leaving = true;
                let path = match &self.app {
                    Some(app) => format!("/app/{app}"),
                    None => format!("/app/{app}/endpoint/{id}"),
                };
                service.delete(&path).await
            }
        };
        match answer {
            Ok(answer) => self.done(world, app, &answer).map(|()| true),
            Err(_) => Ok(false),
        }
    }

    /// Notes what a step has come to.
    fn done(&mut self, world: &World, app: String, answer: &Answer) -> Result<(), Failure> {
        let id = answer.body["id"].as_str().map(str::to_owned);
        match (self.next, answer.status, id) {
            (Step::Application, 201, Some(id)) => {
                self.app = Some(id);
                self.next = Step::Endpoint;
            }
            (Step::Endpoint, 201, Some(id)) => {
                let kind =
                    if self.app.is_some() { Kind::ComesWithApplication } else { Kind::Comes };
                let place = Place { app, id, kind, ..Place::default() };
                world.books().places.insert(self.number, place);
                self.next = if self.app.is_some() { Step::Message(0) } else { Step::Replay };
            }
            (Step::Replay, 202, Some(id)) => {
                world.books().tasks.push((id, false));
                self.next = Step::Leave;
            }
            // 404: it was heard the first time.
            (Step::Leave, 204 | 404, _) => {
                let mut books = world.books();
                books.places.get_mut(&self.number).expect("made").gone = Some(Instant::now());
                *self = Self::new(self.number + 1);
            }
            (_, status, _) => {
                return Err(
                    format!("an endpoint that comes and goes: {status} {}", answer.body).into()
                );
            }
        }
        Ok(())
    }

    async fn message(
        &mut self,
        service: &Service,
        world: &World,
        app: &str,
    ) -> Result<bool, Failure> {
        let Step::Message(sent) = self.next else { return Ok(true) };
        let (begun, due) = (Instant::now(), vec![self.number]);
        let body = json!({ "eventType": "drill.guest", "payload": { "number": sent } }).to_string();
        let Ok(answer) = service.post(&format!("/app/{app}/msg"), None, &body).await else {
            return Ok(false);
        };
        let (202, Some(id)) = (answer.status, answer.body["id"].as_str()) else {
            return Err(format!("a guest's message: {} {}", answer.status, answer.body).into());
        };
        world.books().acknowledged(id.parse()?, Sent { begun, due, is_brief: false });
        self.next = if sent + 1 < MESSAGES { Step::Message(sent + 1) } else { Step::Leave };
        Ok(true)
    }
}

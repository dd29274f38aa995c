//! What the drill has made: an application with endpoints that stay, one whose deliveries are taken away by hand, and the
//! endpoint that comes and goes just now.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use linchpin::time::Instant;
use relay::ids::MessageId;
use serde_json::{Value, json};

use crate::Failure;
use crate::books::{Books, Kind, Place, Sent};
use crate::by_hand;
use crate::guest::Guest;
use crate::receiver::Receiver;
use crate::secrets::{self, Secrets};
use crate::service::Service;

/// Endpoints that stay, by their numbers: two that are tried again when they fail, and one that is not.
const STAY: [Kind; 3] = [Kind::Stays, Kind::Stays, Kind::TriesOnce];
/// The number of the endpoint whose deliveries are taken away by hand.
pub(crate) const ROBBED: usize = STAY.len();
/// Those that take their time: what is taken away is under way for long enough that its row is another's when it is recorded,
/// and the other's is there for as long.
const SLOW: [usize; 2] = [1, ROBBED];
/// From this number on they come and go.
pub(crate) const GUESTS: usize = ROBBED + 1;

/// Shared by all who act.
pub(crate) struct World {
    /// The application whose messages most are.
    pub(crate) app: String,
    pub(crate) receiver: Receiver,
    pub(crate) guest: tokio::sync::Mutex<Guest>,
    books: Mutex<Books>,
    /// Messages of the application that were acknowledged and stay.
    acknowledged: Mutex<Vec<MessageId>>,
}

impl World {
    /// Makes it, with a message that all endpoints get.
    pub(crate) async fn create(
        service: &Service,
        receiver: Receiver,
        database: &Path,
    ) -> Result<Arc<Self>, Failure> {
        let app = application(service, "Drill").await?;
        let guest = tokio::sync::Mutex::new(Guest::new(GUESTS));
        let (books, acknowledged) = (Mutex::default(), Mutex::default());
        let world = Self { app, receiver, guest, books, acknowledged };
        for (number, kind) in STAY.into_iter().enumerate() {
            world.endpoint(service, &world.app, number, kind).await?;
        }
        let robbed = application(service, "Robbed").await?;
        world.endpoint(service, &robbed, ROBBED, Kind::Robbed).await?;
        let (begun, due) = (Instant::now(), world.due());
        let body = json!({ "eventType": "drill.first", "payload": {} });
        let path = format!("/app/{}/msg", world.app);
        let id = created(service, &path, &body).await?.parse()?;
        world.acknowledged(id, Sent { begun, due, is_brief: false });
        by_hand::let_age(database)?;
        Ok(Arc::new(world))
    }

    /// Makes an endpoint that stays, and has its signatures looked at.
    async fn endpoint(
        &self,
        service: &Service,
        app: &str,
        number: usize,
        kind: Kind,
    ) -> Result<(), Failure> {
        let secret = secrets::any();
        let mut body = json!({ "url": self.receiver.url(number), "secret": secret.expose() });
        if kind == Kind::TriesOnce {
            body["retrySchedule"] = json!([]);
        }
        if SLOW.contains(&number) {
            body["url"] = json!(self.receiver.slow_url(number));
        }
        self.receiver.judge(number, Secrets::new(&secret)?);
        let id = created(service, &format!("/app/{app}/endpoint"), &body).await?;
        self.books()
            .places
            .insert(number, Place { app: app.to_owned(), id, kind, ..Place::default() });
        Ok(())
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The books, with what arrived.
    pub(crate) fn close(&self) -> MutexGuard<'_, Books> {
        let mut books = self.books();
        books.received = self.receiver.received();
        books
    }

    /// The endpoints that get what is sent now.
    pub(crate) fn due(&self) -> Vec<usize> {
        self.books().due(&self.app)
    }

    /// Notes a message of the application that may be asked for later.
    pub(crate) fn acknowledged(&self, id: MessageId, sent: Sent) {
        self.books().acknowledged(id, sent);
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).push(id);
    }

    /// Any of the messages that were acknowledged, and whether its content goes after a second.
    pub(crate) fn any_message(&self) -> (MessageId, bool) {
        let all = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        let id = *fastrand::choice(all.iter()).expect("there is the first");
        (id, self.books().sent[&id].is_brief)
    }

    /// The numbers and ids of the endpoints that stay.
    pub(crate) fn stay(&self) -> Vec<(usize, String)> {
        let books = self.books();
        let stays = books.places.iter().filter(|(_, place)| place.kind.stays());
        stays.map(|(number, place)| (*number, place.id.clone())).collect()
    }

    /// The application and the id of an endpoint.
    pub(crate) fn place(&self, number: usize) -> Place {
        self.books().places[&number].clone()
    }
}

async fn application(service: &Service, name: &str) -> Result<String, Failure> {
    created(service, "/app", &json!({ "name": name })).await
}

/// The id of what a POST makes.
pub(crate) async fn created(
    service: &Service,
    path: &str,
    body: &Value,
) -> Result<String, Failure> {
    let answer = service.post(path, None, &body.to_string()).await?;
    match (answer.status, answer.body["id"].as_str()) {
        (201 | 202, Some(id)) => Ok(id.to_owned()),
        (status, _) => Err(format!("POST {path}: {status} {}", answer.body).into()),
    }
}

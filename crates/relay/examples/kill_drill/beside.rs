//! What goes on beside the senders, until nobody answers: messages are sent once more, failures are recovered and what is
//! missing is replayed, secrets are rotated, endpoints and applications come and go.

use std::sync::Arc;
use std::time::Duration;

use linchpin::task::{self, Task};
use linchpin::time::{Instant, Timestamp};
use serde_json::json;
use tokio::time::sleep;

use crate::Failure;
use crate::secrets::{GRACE_SECONDS, Secrets, shown};
use crate::service::Service;
use crate::world::World;

/// How an actor ended: nobody answered, or it was told what it should not have been.
pub(crate) type Ended = Result<(), Failure>;

const RESEND_EVERY: Duration = Duration::from_millis(15);
/// A task walks through all of its stretch, which is many messages.
const TASK_EVERY: Duration = Duration::from_millis(150);
/// So far back tasks look.
const STRETCH: Duration = Duration::from_secs(3);
/// Ten old secrets sign at most: not much sooner than one of them ends a rotation is refused.
const ROTATE_EVERY: Duration = Duration::from_millis(60);
const COME_OR_GO_EVERY: Duration = Duration::from_millis(15);

/// Starts all of them.
pub(crate) fn begin(service: &Arc<Service>, world: &Arc<World>) -> Vec<Task<Ended>> {
    vec![
        task::spawn("resend", {
            let (service, world) = (service.clone(), world.clone());
            async move { resend(&service, &world).await }
        }),
        task::spawn("recover", {
            let (service, world) = (service.clone(), world.clone());
            async move { recover(&service, &world).await }
        }),
        task::spawn("rotate", {
            let (service, world) = (service.clone(), world.clone());
            async move { rotate(&service, &world).await }
        }),
        task::spawn("come and go", {
            let (service, world) = (service.clone(), world.clone());
            async move { come_and_go(&service, &world).await }
        }),
    ]
}

async fn resend(service: &Service, world: &World) -> Ended {
    let (app, stay) = (&world.app, world.stay());
    loop {
        sleep(RESEND_EVERY).await;
        let (message, is_brief) = world.any_message();
        let (number, endpoint) = fastrand::choice(&stay).expect("some stay");
        let begun = Instant::now();
        world.books().resent.entry((message, *number)).or_default().asked += 1;
        let path = format!("/app/{app}/msg/{message}/endpoint/{endpoint}/resend");
        let Ok(answer) = service.post(&path, None, "{}").await else { return Ok(()) };
        match answer.status {
            202 => world.books().resent.entry((message, *number)).or_default().last = Some(begun),
            400 if is_brief && answer.body["code"] == "missing_payload" => {}
            status => return Err(format!("a resend: {status} {}", answer.body).into()),
        }
    }
}

async fn recover(service: &Service, world: &World) -> Ended {
    let (app, stay) = (&world.app, world.stay());
    for what in ["recover", "replay-missing"].into_iter().cycle() {
        let (_, endpoint) = fastrand::choice(&stay).expect("some stay");
        let body = json!({ "since": (Timestamp::now() - STRETCH).to_string() }).to_string();
        let path = format!("/app/{app}/endpoint/{endpoint}/{what}");
        let Ok(answer) = service.post(&path, None, &body).await else { break };
        match (answer.status, answer.body["id"].as_str()) {
            (202, Some(id)) => world.books().tasks.push((id.to_owned(), true)),
            (status, _) => return Err(format!("{what}: {status} {}", answer.body).into()),
        }
        sleep(TASK_EVERY).await;
    }
    Ok(())
}

async fn rotate(service: &Service, world: &World) -> Ended {
    let (app, stay) = (&world.app, world.stay());
    // The kill may have cut off the answer to the last.
    for (number, endpoint) in &stay {
        let path = format!("/app/{app}/endpoint/{endpoint}/secret");
        let Ok((status, body)) = service.call("GET", &path, String::new()).await else {
            return Ok(());
        };
        let (200, Some(present)) = (status, body["key"].as_str()) else {
            return Err(format!("the secret of an endpoint: {status}").into());
        };
        world.receiver.secrets(*number, |secrets| secrets.is_placed(present))?;
    }
    for (number, endpoint) in stay.iter().cycle() {
        let next = world.receiver.secrets(*number, Secrets::next)?;
        let body = json!({ "key": next.expose(), "gracePeriodSeconds": GRACE_SECONDS }).to_string();
        let path = format!("/app/{app}/endpoint/{endpoint}/secret/rotate");
        let Ok(answer) = service.post(&path, None, &body).await else { break };
        world.receiver.secrets(*number, |secrets| match answer.status {
            200 => secrets.is_placed(&shown(&next)),
            400 if answer.body["code"] == "limit_reached" => {
                let present = secrets.present().to_owned();
                secrets.is_placed(&present)
            }
            status => Err(format!("a rotation: {status} {}", answer.body).into()),
        })?;
        sleep(ROTATE_EVERY).await;
    }
    Ok(())
}

async fn come_and_go(service: &Service, world: &World) -> Ended {
    let mut guest = world.guest.lock().await;
    while guest.step(service, world).await? {
        sleep(COME_OR_GO_EVERY).await;
    }
    Ok(())
}

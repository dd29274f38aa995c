//! The kill drill itself: rounds of load that end in a kill, and the books at their end.

use std::path::Path;
use std::time::Duration;

use crate::Failure;
use crate::by_hand;
use crate::load::{self, Load};
use crate::receiver::Receiver;
use crate::service::{PATIENCE, Service};
use crate::verdict::{self, grouped};
use crate::world::World;

/// The moment of the kill, in milliseconds after the load began.
const KILL_AFTER: std::ops::Range<u64> = 30..400;
/// Of so many rounds one kills at the random moment itself, the others right behind an acknowledgement after it.
const RANDOM_EVERY: u32 = 5;
/// Behind which acknowledgement: not in the first group, which may have begun before the messages were large.
const STRIKE_AT: std::ops::Range<usize> = load::CLIENTS as usize..3 * load::CLIENTS as usize;

/// `Ok(false)` if something acknowledged was lost or the books do not agree.
pub(crate) async fn run(
    relay: &Path,
    database: &Path,
    rounds: u32,
    mut random: fastrand::Rng,
) -> Result<bool, Failure> {
    let receiver = Receiver::start(random.fork()).await?;
    let mut service = Service::start(relay, database).await?;
    let world = World::create(&service, receiver, database).await?;
    let messages = format!("/app/{}/msg", world.app);
    let mut recovery = Duration::ZERO;
    for round in 1..=rounds {
        by_hand::act(&service, &world, database).await?;
        let load = Load::begin(service, &world, round);
        let moment = Duration::from_millis(random.u64(KILL_AFTER));
        tokio::time::sleep(moment).await;
        let told = if round % RANDOM_EVERY == 0 {
            load.kill().await?
        } else {
            load.strike(random.usize(STRIKE_AT)).await?
        };

        service = Service::start(relay, database).await?;
        recovery = recovery.max(service.took());
        let lost = load::missing(&service, &messages, &told).await?;
        if !lost.is_empty() {
            let (count, told) = (lost.len(), told.len());
            println!(
                "round {round}: killed after {moment:?}: {count} of {told} acknowledged messages are gone, such as {}",
                lost[0]
            );
            println!("kill-drill: {round} rounds, {count} lost");
            return Ok(false);
        }
        println!("round {round}: killed after {moment:?}, {} acknowledged, all there", told.len());
    }
    let left = verdict::drained(database, PATIENCE).await?;
    if left > 0 {
        return Err(format!("{left} deliveries or tasks are not done, and nothing moves").into());
    }
    service.terminate().await?;
    // Its sweep finds nothing any more that waits for a delivery.
    let service = Service::start(relay, database).await?;
    let kept = verdict::swept(database, PATIENCE).await?;
    service.terminate().await?;

    world.books().old = by_hand::old(database)?;
    let books = world.close();
    let mut verdict = verdict::compare(&books, database)?;
    if kept > 0 {
        verdict
            .faults
            .push(format!("{kept} messages are old, and stay though they were delivered"));
    }
    verdict.faults.extend(world.receiver.faults());
    verdict.show();
    println!(
        "kill-drill: {rounds} rounds, {} acknowledged, {} resent, {} tasks, {} secrets, {} endpoints and {} old messages that \
         went: {} lost, {} recorded twice, {} badly signed, {} repeated, {} not sent and the list says why, recovery max {:.2} s, integrity {}",
        grouped(books.sent.len()),
        grouped(books.resent.values().map(|resent| resent.asked).sum()),
        grouped(books.tasks.len()),
        grouped(world.receiver.rotations()),
        grouped(books.places.values().filter(|place| place.gone.is_some()).count()),
        grouped(books.old.len()),
        verdict.lost,
        verdict.twice,
        world.receiver.faults().len(),
        grouped(verdict.repeated),
        grouped(verdict.skipped),
        recovery.as_secs_f64(),
        verdict.integrity,
    );
    Ok(verdict.faults.is_empty())
}

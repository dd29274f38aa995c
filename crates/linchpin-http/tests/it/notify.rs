//! What a service manager is told, and when.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use linchpin_http::lifecycle::{Lifecycle, Options};
use linchpin_http::notify::Notifier;

/// Longer than any datagram takes within a machine.
const PATIENCE: Duration = Duration::from_secs(10);

fn told(manager: &UnixDatagram) -> String {
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = [0; 256];
    let length = manager.recv(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

#[track_caller]
fn nothing_told(manager: &UnixDatagram) {
    manager.set_nonblocking(true).unwrap();
    let kind = manager.recv(&mut [0; 1]).unwrap_err().kind();
    assert_eq!(kind, std::io::ErrorKind::WouldBlock);
    manager.set_nonblocking(false).unwrap();
}

#[linchpin_testing::test]
async fn a_manager_hears_when_the_service_is_ready_and_how_long_it_takes_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    let options = Options::default()
        .drain(Duration::from_secs(1))
        .hard_stop(Duration::from_secs(2))
        .notify(Notifier::connect(path.as_os_str()).unwrap());
    let life = Lifecycle::new(options).unwrap();
    nothing_told(&manager);
    life.ready();
    assert_eq!(told(&manager), "READY=1");
    nothing_told(&manager);
    life.shutdown("test");
    life.finished().await;
    // The hard stop, and what the last hook may take.
    assert_eq!(told(&manager), "STOPPING=1\nEXTEND_TIMEOUT_USEC=7000000");
}

#[linchpin_testing::test]
fn a_name_without_a_file_is_reached_and_one_that_is_gone_does_no_harm() {
    let name = format!("linchpin-notify-{}", std::process::id());
    let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let notifier = Notifier::connect(format!("@{name}").as_ref()).unwrap();
    notifier.tell("READY=1");
    assert_eq!(told(&manager), "READY=1");
    drop(manager);
    notifier.tell("STOPPING=1");
    assert!(Notifier::connect("/nowhere/notify".as_ref()).is_err());
}
